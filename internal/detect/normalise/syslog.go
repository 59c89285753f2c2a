package normalise

import (
	"net/netip"
	"strconv"
	"strings"

	"yagura/internal/event"
)

// syslog reads one syslog message without its transport framing: RFC 5424, and RFC 3164 in the shapes that
// daemons, appliances and log files really have (no priority, an ISO time, no host, no tag). What cannot be told
// apart stays in the message; no line is refused.
func (n *Normaliser) syslog(line []byte, ev *event.Event) error {
	s := strings.TrimRight(alias(line), "\r\n\x00 ")
	s = strings.TrimPrefix(s, "\ufeff")
	rest, ok := priority(s, ev)
	if ok {
		if after, found := n.rfc5424(rest, ev); found {
			n.syslogMessage(after, ev)
			return nil
		}
	}
	n.syslogMessage(n.rfc3164(rest, ev), ev)
	return nil
}

// priority reads "<PRI>": facility times eight plus severity (RFC 5424, section 6.2.1).
func priority(s string, ev *event.Event) (rest string, ok bool) {
	end := strings.IndexByte(s, '>')
	if end < 2 || end > 4 || s[0] != '<' || !isDigits(s[1:end]) {
		return s, false
	}
	p, _ := strconv.Atoi(s[1:end])
	if p > 191 {
		return s, false
	}
	ev.AddKind("log.syslog.priority", s[1:end], event.Number)
	ev.AddInt("log.syslog.facility.code", int64(p/8))
	ev.Add("log.syslog.facility.name", facilities[p/8])
	ev.AddInt("log.syslog.severity.code", int64(p%8))
	ev.Add("log.level", severities[p%8])
	return s[end+1:], true
}

// The names of RFC 5424, tables 1 and 2, as syslog.conf(5) writes them.
var (
	facilities = [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "security", "console", "solaris-cron",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	severities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)

// rfc5424 reads what follows the priority: VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG].
// Meraki's appliances write the version and then Unix time, the host and free text: they get as far.
func (n *Normaliser) rfc5424(s string, ev *event.Event) (message string, ok bool) {
	version, rest, ok := strings.Cut(s, " ")
	if !ok || len(version) > 2 || !isDigits(version) || version[0] == '0' {
		return s, false
	}
	stamp, rest, _ := strings.Cut(rest, " ")
	t, timed := parseTime(stamp)
	if !timed && stamp != "-" {
		return s, false
	}
	if timed {
		ev.Time = t
	}
	ev.AddKind("log.syslog.version", version, event.Number)
	host, rest, _ := strings.Cut(rest, " ")
	if host != "-" {
		setHost(ev, host)
	}
	if isDigits(strings.ReplaceAll(stamp, ".", "")) {
		return rest, true
	}
	app, rest, _ := strings.Cut(rest, " ")
	proc, rest, _ := strings.Cut(rest, " ")
	id, rest, _ := strings.Cut(rest, " ")
	setProgram(ev, nilValue(app), nilValue(proc))
	ev.AddNonEmpty("log.syslog.msgid", nilValue(id))
	if rest == "-" || strings.HasPrefix(rest, "- ") {
		rest = rest[1:]
	} else {
		rest = n.structuredData(rest, ev)
	}
	return strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff"), true
}

// nilValue turns RFC 5424's "-" into "".
func nilValue(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// structuredData reads [id name="value" …]… (RFC 5424, section 6.3) into
// log.syslog.structured_data.<id>.<name>. From the first element that is malformed on, it is message too.
func (n *Normaliser) structuredData(s string, ev *event.Event) (rest string) {
	for strings.HasPrefix(s, "[") && !n.tooMany(ev) {
		after, ok := n.structuredElement(s, ev)
		if !ok {
			return s
		}
		s = after
	}
	return s
}

func (n *Normaliser) structuredElement(s string, ev *event.Event) (rest string, ok bool) {
	end := strings.IndexAny(s, " ]")
	if end < 2 || end > maxName || strings.ContainsAny(s[1:end], `="`) {
		return s, false
	}
	id := s[1:end]
	if s[end] == ']' {
		ev.Add(ev.Keep(append(append(n.buf[:0], "log.syslog.structured_data."...), id...)), "")
		return s[end+1:], true
	}
	s = s[end:]
	for {
		s = strings.TrimLeft(s, " ")
		if strings.HasPrefix(s, "]") {
			return s[1:], true
		}
		if n.tooMany(ev) {
			return s, false
		}
		name, value, found := strings.Cut(s, `="`)
		if !found || name == "" || strings.ContainsAny(name, ` "]`) {
			return s, false
		}
		text, after, closed := n.quoted(value, ev)
		if !closed {
			return s, false
		}
		n.buf = append(append(append(append(n.buf[:0], "log.syslog.structured_data."...), id...), '.'), name...)
		ev.Add(ev.Keep(n.buf), text)
		s = after
	}
}

// quoted reads up to the closing quote; \" \\ and \] are escapes, other backslashes stand for themselves.
func (n *Normaliser) quoted(s string, ev *event.Event) (text, rest string, ok bool) {
	plain := true
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			plain = false
			i++
		case '"':
			if plain {
				return s[:i], s[i+1:], true
			}
			n.buf = n.buf[:0]
			for j := 0; j < i; j++ {
				if s[j] == '\\' && j+1 < i && (s[j+1] == '"' || s[j+1] == '\\' || s[j+1] == ']') {
					j++
				}
				n.buf = append(n.buf, s[j])
			}
			return ev.Keep(n.buf), s[i+1:], true
		}
	}
	return "", s, false
}

// rfc3164 reads [TIMESTAMP] [HOSTNAME] [TAG:] and returns the content.
func (n *Normaliser) rfc3164(s string, ev *event.Event) (message string) {
	s = strings.TrimLeft(s, " ")
	if rest, timed := n.leadingTime(s, ev); timed {
		return n.hostAndTag(afterTime(rest), ev)
	}
	return n.untimed(s, ev)
}

// afterTime drops what Cisco's devices write after the time: "Mar  1 18:46:11.123 JST: %SYS-5-…".
func afterTime(s string) string {
	s = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(s, " "), ":"), " ")
	if zone, after, ok := strings.Cut(s, ": "); ok && len(zone) <= 5 && isUpper(zone) && strings.HasPrefix(after, "%") {
		return after
	}
	return s
}

// leadingTime reads the time at the start of s into ev.
func (n *Normaliser) leadingTime(s string, ev *event.Event) (rest string, ok bool) {
	if s == "" {
		return s, false
	}
	if s[0] == '*' || s[0] == '.' { // Cisco's mark for a clock that is not set, or not in sync
		s = s[1:]
	}
	if t, rest, ok := bsdTime(s, n.received); ok {
		ev.Time = t
		return rest, true
	}
	if t, rest, ok := isoTime(s); ok {
		ev.Time = t
		return rest, true
	}
	if token, rest := word(s); len(token) >= 10 && len(token) <= 20 {
		if t, ok := unixTime(token); ok {
			ev.Time = t
			return " " + rest, true
		}
	}
	return s, false
}

// untimed reads a message that does not begin with a time: Cisco's host and sequence number may stand before it; or
// there is a tag, or nothing at all.
func (n *Normaliser) untimed(s string, ev *event.Event) (message string) {
	first, rest := word(s)
	if message, ok := n.labelled(s, ev); ok {
		return message
	}
	if strings.HasPrefix(s, "%") || strings.HasPrefix(s, "{") {
		return s
	}
	if _, _, _, ok := splitTag(s); ok {
		return n.tag(s, ev)
	}
	if _, _, _, ok := splitTag(rest); ok && isHostname(first) {
		setHost(ev, first)
		return n.tag(rest, ev)
	}
	return s
}

// labelled reads "host: 000123: TIMESTAMP: text", with either label.
func (n *Normaliser) labelled(s string, ev *event.Event) (message string, ok bool) {
	host, sequence := "", ""
	for range 2 {
		first, rest := word(s)
		label, isLabel := strings.CutSuffix(first, ":")
		if !isLabel || rest == "" {
			return s, false
		}
		if isDigits(label) {
			sequence = label
		} else {
			host = label
		}
		s = rest
		after, timed := n.leadingTime(s, ev)
		if !timed {
			continue
		}
		if len(sequence) > 0 && len(sequence) < 19 {
			ev.AddKind("event.sequence", sequence, event.Number)
		}
		if host == "" {
			return n.hostAndTag(afterTime(after), ev), true
		}
		setHost(ev, host)
		return n.tag(afterTime(after), ev), true
	}
	return s, false
}

// hostAndTag reads what follows the time. A first word that is a tag itself means that the host is missing.
func (n *Normaliser) hostAndTag(s string, ev *event.Event) (message string) {
	if strings.HasPrefix(s, "%") {
		return s
	}
	first, _ := word(s)
	if _, err := netip.ParseAddr(first); err != nil {
		if strings.HasSuffix(first, ":") && strings.HasPrefix(strings.TrimLeft(s[len(first):], " "), "%") {
			setHost(ev, strings.TrimSuffix(first, ":"))
			return strings.TrimLeft(s[len(first):], " ")
		}
		if strings.HasSuffix(first, ":") || strings.HasSuffix(first, "]") || !isHostname(first) {
			return n.tag(s, ev)
		}
	}
	setHost(ev, first)
	rest := strings.TrimPrefix(s[len(first):], " ")
	// ASA: "fw01 : %ASA-6-…"; what a relay made of it: "192.0.2.1 %ASA-6-…"
	if after, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimLeft(rest, " "), ": "), "%"); ok {
		return rest[len(rest)-len(after)-1:]
	}
	return n.tag(rest, ev)
}

func (n *Normaliser) tag(s string, ev *event.Event) (message string) {
	program, pid, message, ok := splitTag(s)
	if !ok {
		return s
	}
	setProgram(ev, program, pid)
	return message
}

// splitTag reads the tag: "program:", "program[pid]:", "program(module)[pid]:", "Two Words[pid]:",
// "program[pid] (label):", "syslogd 1.4.1:".
func splitTag(s string) (program, pid, message string, ok bool) {
	const longest = 96
	head := s[:min(len(s), longest)]
	end := strings.IndexAny(head, ":[")
	if end < 1 || strings.HasPrefix(s, "---") {
		return "", "", s, false
	}
	program = head[:end]
	spaces := strings.Count(strings.TrimLeft(program, " "), " ")
	if head[end] == '[' {
		closing := strings.IndexByte(head[end:], ']')
		if closing < 2 || spaces > 3 || program[0] == '(' || !isTagText(program) {
			return "", "", s, false
		}
		pid = head[end+1 : end+closing]
		message = strings.TrimLeft(s[end+closing+1:], " ")
		if spaces > 0 && !isDigits(pid) {
			return "", "", s, false
		}
		return program, pid, strings.TrimLeft(strings.TrimPrefix(message, ":"), " "), true
	}
	if spaces > 0 {
		name, version := word(strings.TrimLeft(program, " "))
		if spaces > 1 || version == "" || strings.Trim(version, "0123456789.") != "" {
			return "", "", s, false
		}
		program = name
	}
	after := s[end+1:]
	if !isTagText(program) || (after != "" && after[0] != ' ') {
		return "", "", s, false
	}
	return program, "", strings.TrimLeft(after, " "), true
}

func isTagText(s string) bool { return !strings.ContainsAny(s, "\"'<>=,;{}|") }

// setProgram sets the program and its pid. RFC 3164 tags may hold a path or the PAM module that speaks.
func setProgram(ev *event.Event, program, pid string) {
	if program = strings.TrimSpace(program); program != "" {
		ev.Add(event.LogSyslogProgram, program)
		name := program
		if i := strings.IndexByte(name, '('); i > 0 {
			name = name[:i]
		}
		if strings.HasPrefix(name, "/") {
			name = base(name)
		}
		ev.Add(event.ProcessName, name)
	}
	switch {
	case isDigits(pid) && len(pid) < 12:
		ev.AddKind(event.ProcessPID, pid, event.Number)
	default:
		ev.AddNonEmpty("log.syslog.procid", pid)
	}
}

// setHost sets who wrote the message, which may be given as an address.
func setHost(ev *event.Event, host string) {
	if host == "" {
		return
	}
	if known, ok := ev.Lookup(event.HostName); !ok {
		ev.Add(event.HostName, host)
	} else if known != host {
		ev.SetDefault("log.syslog.hostname", host) // the shipper's host.name stands
	}
	if ip, port := address(host); ip != "" && port == "" {
		ev.Add("host.ip", ip)
	}
}

func isHostname(s string) bool {
	if s == "" || len(s) > 255 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= 0x80:
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '@':
		default:
			return false
		}
	}
	return true
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != ""
}
