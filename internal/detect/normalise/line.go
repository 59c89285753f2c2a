package normalise

import (
	"strconv"
	"strings"

	"yagura/internal/event"
)

// line recognises one line of text by its looks: an audit record, a web server's access or error log, key=value
// pairs, syslog with or without a priority, Windows' servicing log, Proxifier. A line of nothing known is its own
// message, with the time it begins with.
func (n *Normaliser) line(line []byte, ev *event.Event) error {
	s := strings.TrimRight(alias(line), "\r\n\x00 ")
	s = strings.TrimPrefix(s, "\ufeff")
	if n.knownLine(s, ev) {
		return nil
	}
	if rest, ok := n.leadingTime(strings.TrimLeft(s, "["), ev); ok {
		n.levelOf(rest, ev)
	}
	ev.SetDefault(event.Message, s)
	from(s, ev)
	n.labelByHint(ev)
	return nil
}

// knownLine reads a line only if it is of a format that is known for sure.
func (n *Normaliser) knownLine(s string, ev *event.Event) bool {
	if s == "" {
		return false
	}
	switch c := s[0]; {
	case c == '<' && len(s) > 3 && s[1] >= '0' && s[1] <= '9':
		return n.syslog(asBytes(s), ev) == nil
	case c == '[':
		return n.apacheError(s, ev) || n.proxifier(s, ev)
	case isAudit(s, ""):
		n.audit(s, ev)
		return true
	case n.webLine(s, ev):
		return true
	case c >= 'A' && c <= 'Z' && len(s) > 15 && s[3] == ' ' && monthNumber(s[:3]) != 0:
		if _, _, ok := bsdTime(s, n.received); ok {
			return n.syslog(asBytes(s), ev) == nil
		}
	case c >= '0' && c <= '9':
		if n.servicing(s, ev) || n.isoSyslog(s, ev) {
			return true
		}
	case strings.HasPrefix(s, "CEF:"), strings.HasPrefix(s, "LEEF:"), c == '%':
		n.syslogMessage(s, ev)
		return true
	}
	return n.pairs(s, ev)
}

// isoSyslog reads a line that rsyslog or systemd wrote with an ISO time: "2026-01-02T03:04:05.678+09:00 host
// program[12]: text". Without a host and a tag it is some program's own log.
func (n *Normaliser) isoSyslog(s string, ev *event.Event) bool {
	_, rest, ok := isoTime(s)
	if !ok || s[10] != 'T' || !strings.HasPrefix(rest, " ") {
		return false
	}
	host, after := word(rest[1:])
	if _, _, _, tagged := splitTag(after); !tagged || !isHostname(host) || strings.HasSuffix(host, ":") {
		return false
	}
	return n.syslog(asBytes(s), ev) == nil
}

// servicing reads Windows' CBS and DISM logs: "2016-09-28 04:30:30, Info                  CBS    text".
func (n *Normaliser) servicing(s string, ev *event.Event) bool {
	if len(s) < 24 || !strings.HasPrefix(s[19:], ", ") {
		return false
	}
	t, rest, ok := isoTime(s[:19])
	if !ok || rest != "" {
		return false
	}
	level, rest := word(s[21:])
	component, _ := word(rest)
	if component == "" || len(level) > 12 || len(component) > 24 {
		return false
	}
	ev.Time = t
	ev.Add("log.level", level)
	ev.Add(event.EventProvider, component)
	ev.SetDefault(event.Message, s)
	n.label(ev, "windows", "windows.servicing")
	return true
}

// proxifier reads "[10.30 16:49:06] chrome.exe *64 - host:443 open through proxy proxy:5070 HTTPS".
func (n *Normaliser) proxifier(s string, ev *event.Event) bool {
	stamp, rest, ok := strings.Cut(s[1:], "] ")
	if !ok || len(stamp) != 14 || stamp[2] != '.' || stamp[5] != ' ' {
		return false
	}
	month, day := twoDigits(stamp), twoDigits(stamp[3:])
	hour, minute, second, _, _, timed := clock(stamp[6:])
	if !timed || month < 1 || month > 12 || day < 1 {
		return false
	}
	t, ok := withYear(month, day, hour, minute, second, 0, n.received)
	if !ok {
		return false
	}
	ev.Time = t
	ev.SetDefault(event.Message, s)
	n.label(ev, "proxifier", "proxifier.log")
	program, rest, ok := strings.Cut(rest, " - ")
	if !ok {
		return true
	}
	name, _, _ := strings.Cut(program, " *")
	ev.Add(event.ProcessName, name)
	target, rest := word(rest)
	host, port, hasPort := cutLast(target, ":")
	if hasPort && isPort(port) {
		addEndpoint(ev, "destination", host)
		addNumber(ev, event.DestinationPort, port)
	}
	switch verb, _ := word(rest); strings.TrimRight(verb, ",") {
	case "open":
		classify(ev, "network", "connection start", "open")
		if _, proxy, found := strings.Cut(rest, "through proxy "); found {
			proxy, _ = word(proxy)
			ev.AddNonEmpty("proxifier.proxy", proxy)
		}
	case "close":
		classify(ev, "network", "connection end", "close")
		proxifierBytes(rest, ev)
	case "error":
		classify(ev, "network", "connection error", "error")
		addOutcome(ev, false)
	}
	return true
}

// proxifierBytes reads "close, 1293 bytes (1.26 KB) sent, 2247 bytes (2.19 KB) received, lifetime 00:01".
func proxifierBytes(s string, ev *event.Event) {
	for part := range strings.SplitSeq(s, ", ") {
		count, rest, ok := strings.Cut(part, " bytes")
		if _, err := strconv.ParseUint(count, 10, 63); !ok || err != nil {
			continue
		}
		switch {
		case strings.HasSuffix(rest, "sent"):
			addNumber(ev, "source.bytes", count)
		case strings.HasSuffix(rest, "received"):
			addNumber(ev, "destination.bytes", count)
		}
	}
}

// levelOf reads a level that follows the time: " INFO text", " [error] text", ",123 WARN text".
func (n *Normaliser) levelOf(rest string, ev *event.Event) {
	for range 4 {
		var token string
		token, rest = word(strings.TrimLeft(rest, "] ,"))
		switch t := strings.Trim(token, "[]():,"); strings.ToLower(t) {
		case "trace", "debug", "info", "information", "notice", "warn", "warning", "error", "err", "crit", "critical", "fatal", "alert", "emerg", "severe":
			ev.SetDefault("log.level", t)
			return
		}
	}
}
