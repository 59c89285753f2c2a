package normalise

import (
	"strings"
	"time"

	"yagura/internal/event"
)

// webLine reads an access or an error log line.
func (n *Normaliser) webLine(s string, ev *event.Event) bool {
	return n.accessLog(s, ev) || n.apacheError(s, ev) || n.nginxError(s, ev)
}

// accessLog reads the common and the combined log format (https://httpd.apache.org/docs/2.4/logs.html), either with the
// virtual host in front:
//
//	[vhost[:port] ]host ident user [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.1" 200 2326 ["referrer" "user agent" …]
func (n *Normaliser) accessLog(s string, ev *event.Event) bool {
	open := strings.Index(s, " [")
	if open < 3 || len(s) < open+28 {
		return false
	}
	stamp, rest, ok := strings.Cut(s[open+2:], "] ")
	t, timed := clfTime(stamp)
	if !ok || !timed || !accessClient(s[:open], ev) {
		return false
	}
	ev.Time = t
	ev.SetDefault(event.Message, s)
	if !strings.HasPrefix(rest, `"`) {
		return n.accessEnd(ev)
	}
	request, rest, _ := n.quoted(rest[1:], ev)
	n.request(request, ev)
	status, rest := word(strings.TrimLeft(rest, " "))
	if len(status) == 3 && isDigits(status) {
		addNumber(ev, "http.response.status_code", status)
		addOutcome(ev, status[0] < '4')
	}
	size, rest := word(rest)
	if isDigits(size) && len(size) < 19 {
		addNumber(ev, "http.response.body.bytes", size)
	}
	for i := 0; strings.HasPrefix(rest, `"`) && !n.tooMany(ev); i++ {
		value, after, closed := n.quoted(rest[1:], ev)
		if !closed {
			break
		}
		switch {
		case value == "-" || value == "":
		case i == 0:
			ev.SetDefault("http.request.referrer", value)
		case i == 1:
			ev.SetDefault(event.UserAgent, value)
		default: // commonly X-Forwarded-For
			if ip, _ := address(value); ip != "" {
				ev.Add("client.ip", ip)
			}
		}
		rest = strings.TrimLeft(after, " ")
	}
	return n.accessEnd(ev)
}

func (n *Normaliser) accessEnd(ev *event.Event) bool {
	module, dataset := "web", "web.access"
	switch ev.Get(event.ProcessName) {
	case "nginx":
		module, dataset = "nginx", "nginx.access"
	case "httpd", "apache", "apache2":
		module, dataset = "apache", "apache.access"
	}
	n.label(ev, module, dataset)
	classify(ev, "web", "access", "")
	return true
}

// accessClient reads "[vhost[:port] ]host ident user"; the user may hold spaces.
func accessClient(s string, ev *event.Event) bool {
	first, rest := word(s)
	second, after := word(rest)
	if ip, port := address(second); ip != "" && port == "" && after != "" { // with a virtual host in front
		if vhostIP, _ := address(first); vhostIP == "" || strings.Count(after, " ") >= 1 {
			name, port, _ := strings.Cut(first, ":")
			ev.SetDefault("url.domain", name)
			if isPort(port) {
				addNumber(ev, "url.port", port)
			}
			first, second = second, ""
			second, after = word(after)
		}
	}
	if first == "" || second == "" || strings.ContainsAny(first, `"[]{}=`) {
		return false
	}
	addEndpoint(ev, "source", first)
	if after != "" && after != "-" {
		ev.SetDefault(event.UserName, after)
	}
	return true
}

// request reads "GET /path?query HTTP/1.1". What is no request line (a TLS greeting, an attack) is url.original.
func (n *Normaliser) request(s string, ev *event.Event) {
	if s == "" || s == "-" {
		return
	}
	method, rest, ok := strings.Cut(s, " ")
	if !ok || !isMethod(method) {
		ev.SetDefault("url.original", s)
		return
	}
	target := rest
	if i := strings.LastIndex(rest, " HTTP/"); i >= 0 {
		target = rest[:i]
		ev.SetDefault("http.version", rest[i+len(" HTTP/"):])
	}
	ev.SetDefault("http.request.method", method)
	n.url(target, ev)
}

// isMethod allows what RFC 9110, section 9.1, and attackers in their liberty call a method.
func isMethod(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 24
}

// url splits a request target or a whole URL into url.original, url.domain, url.path, url.query and url.extension.
// Nothing is decoded: rules look for the encoded attack.
func (n *Normaliser) url(target string, ev *event.Event) {
	ev.SetDefault("url.original", target)
	path := target
	if scheme, rest, ok := strings.Cut(target, "://"); ok && len(scheme) <= 8 && !strings.ContainsAny(scheme, "/?#") {
		ev.SetDefault("url.scheme", scheme)
		ev.SetDefault(event.URLFull, target)
		host := rest
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			host, path = rest[:i], rest[i:]
		} else {
			path = ""
		}
		addURLHost(host, ev)
	} else if ev.Get("http.request.method") == "CONNECT" {
		addURLHost(target, ev)
		return
	}
	path, query, hasQuery := strings.Cut(path, "?")
	if hasQuery {
		ev.SetDefault("url.query", query)
	}
	ev.SetDefault("url.path", path)
	if name := base(path); strings.Contains(name, ".") {
		if extension := name[strings.LastIndexByte(name, '.')+1:]; extension != "" && len(extension) <= 8 {
			ev.SetDefault("url.extension", extension)
		}
	}
}

func addURLHost(host string, ev *event.Event) {
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		if port := host[i+1:]; isPort(port) {
			addNumber(ev, "url.port", port)
			host = host[:i]
		}
	}
	ev.SetDefault("url.domain", strings.Trim(host, "[]"))
}

// apacheError reads httpd's error log, of 2.2 and of 2.4:
// "[Sun Dec 04 04:47:44 2005] [error] [client 192.0.2.1] text",
// "[Wed Oct 11 14:32:52.123456 2000] [core:error] [pid 35708:tid 4328636416] [client 192.0.2.1:1234] AH00001: text".
func (n *Normaliser) apacheError(s string, ev *event.Event) bool {
	stamp, rest, ok := strings.Cut(s, "] [")
	if !ok || len(stamp) < 20 || stamp[0] != '[' {
		return false
	}
	t, err := time.Parse(time.ANSIC, stamp[1:])
	if err != nil {
		return false
	}
	ev.Time = t.UTC()
	ev.SetDefault(event.Message, s)
	level, rest, ok := strings.Cut(rest, "]")
	if !ok {
		return false
	}
	if module, name, found := strings.Cut(level, ":"); found {
		ev.SetDefault("apache.error.module", module)
		level = name
	}
	ev.SetDefault("log.level", level)
	for strings.HasPrefix(rest, " [") {
		closing := "]"
		if strings.HasPrefix(rest, " [client [") { // an IPv6 address has brackets of its own
			closing = "] "
		}
		label, after, closed := strings.Cut(rest[2:], closing)
		if !closed || !apacheLabel(label, ev) {
			break
		}
		rest = after
	}
	text := strings.TrimLeft(rest, " ")
	if code, _, found := strings.Cut(text, ": "); found && strings.HasPrefix(code, "AH") && isDigits(code[2:]) {
		ev.Add(event.EventCode, code)
	}
	if body, referrer, found := cutLast(text, ", referer: "); found {
		ev.SetDefault("http.request.referrer", referrer)
		text = body
	}
	ev.AddNonEmpty(event.ErrorMessage, text)
	n.label(ev, "apache", "apache.error")
	classify(ev, "web", "error", "")
	return true
}

// apacheLabel reads "client 192.0.2.1:1234" or "pid 35708:tid 4328636416".
func apacheLabel(label string, ev *event.Event) bool {
	switch name, value, _ := strings.Cut(label, " "); name {
	case "client", "remote":
		addEndpoint(ev, "source", value)
	case "pid":
		pid, tid, _ := strings.Cut(value, ":tid ")
		addDigits(ev, event.ProcessPID, pid)
		ev.AddNonEmpty("process.thread.id", tid)
	default:
		return false
	}
	return true
}

// nginxError reads "2020/01/02 10:00:00 [error] 123#0: *1 open() "/x" failed (2: …), client: 192.0.2.1, server: a,
// request: "GET /x HTTP/1.1", host: "a", referrer: "b"".
func (n *Normaliser) nginxError(s string, ev *event.Event) bool {
	if len(s) < 24 || s[4] != '/' || !strings.HasPrefix(s[19:], " [") {
		return false
	}
	t, rest, ok := isoTime(s)
	if !ok {
		return false
	}
	level, rest, ok := strings.Cut(strings.TrimPrefix(rest, " ["), "] ")
	process, text, hasProcess := strings.Cut(rest, ": ")
	pid, tid, hasThread := strings.Cut(process, "#")
	if !ok || !hasProcess || !hasThread || !isDigits(pid) {
		return false
	}
	ev.Time = t
	ev.SetDefault(event.Message, s)
	ev.SetDefault("log.level", level)
	addDigits(ev, event.ProcessPID, pid)
	ev.AddNonEmpty("process.thread.id", tid)
	body, details, _ := strings.Cut(text, ", client: ")
	ev.AddNonEmpty(event.ErrorMessage, body)
	if details != "" {
		client, _, _ := strings.Cut(details, ",")
		addEndpoint(ev, "source", client)
		if _, request, found := strings.Cut(details, `, request: "`); found {
			request, _, _ = n.quoted(request, ev)
			n.request(request, ev)
		}
		if _, host, found := strings.Cut(details, `, host: "`); found {
			host, _ = cutQuote(host, '"')
			addURLHost(host, ev)
		}
		if _, referrer, found := strings.Cut(details, `, referrer: "`); found {
			referrer, _ = cutQuote(referrer, '"')
			ev.SetDefault("http.request.referrer", referrer)
		}
	}
	n.label(ev, "nginx", "nginx.error")
	classify(ev, "web", "error", "")
	return true
}
