package normalise

import (
	"strings"

	"yagura/internal/event"
)

// cisco reads "%FACILITY-SEVERITY-MNEMONIC: text" of IOS, NX-OS, ASA and FTD. The text stays whole in the message:
// rules for these devices look for words.
func (n *Normaliser) cisco(msg string, ev *event.Event) bool {
	tag, text, ok := strings.Cut(msg[1:], ":")
	facility, rest, hasSeverity := strings.Cut(tag, "-")
	if !ok || len(tag) > 80 || !hasSeverity || facility == "" || strings.ContainsAny(tag, " \t") {
		return false
	}
	i := strings.LastIndexByte(rest, '-')
	if i < 1 {
		return false
	}
	severity, mnemonic := rest[:i], rest[i+1:]
	if j := strings.LastIndexByte(severity, '-'); j >= 0 { // %FACILITY-SUBFACILITY-SEVERITY-MNEMONIC
		facility, severity = tag[:len(facility)+1+j], severity[j+1:]
	}
	if len(severity) != 1 || severity[0] < '0' || severity[0] > '7' {
		return false
	}
	ev.Add("cisco.facility", facility)
	ev.AddKind("cisco.severity", severity, event.Number)
	ev.SetDefault("log.level", severities[severity[0]-'0'])
	ev.Add(event.EventCode, mnemonic)
	ev.SetDefault(event.Message, msg)
	switch facility {
	case "ASA", "PIX", "FWSM":
		n.label(ev, "cisco_asa", "cisco_asa.log")
		ciscoASA(strings.TrimSpace(text), ev)
	case "FTD", "NGIPS":
		n.label(ev, "cisco_ftd", "cisco_ftd.log")
		ciscoASA(strings.TrimSpace(text), ev)
	default:
		n.label(ev, "cisco_ios", "cisco_ios.log")
		from(text, ev)
	}
	return true
}

// ciscoASA reads the addresses of a connection message: "Built inbound TCP connection 1 for outside:192.0.2.1/44
// (192.0.2.1/44) to inside:198.51.100.2/80 (…)", "Deny tcp src outside:192.0.2.1/44 dst inside:198.51.100.2/22 by …".
func ciscoASA(text string, ev *event.Event) {
	first, _ := word(text)
	kind, action := "info", ""
	switch first {
	case "Built":
		kind, action = "connection start allowed", "connection_built"
	case "Teardown":
		kind, action = "connection end", "connection_teardown"
	case "Deny", "Denied":
		kind, action = "connection denied", "deny"
	}
	ends := [...]string{"source", "destination"}
	found := 0
	for token := range strings.FieldsSeq(text) {
		if found == len(ends) {
			break
		}
		if i := strings.IndexByte(token, ':'); i > 0 { // the interface's name
			token = token[i+1:]
		}
		host, port, ok := strings.Cut(strings.Trim(token, ",;()"), "/")
		ip, _ := address(host)
		if ip == "" || !ok || strings.HasPrefix(token, "(") {
			continue
		}
		addEndpoint(ev, ends[found], ip)
		if isPort(port) {
			addNumber(ev, ends[found]+".port", port)
		}
		found++
	}
	if action != "" {
		classify(ev, "network", kind, action)
	}
	if found == 0 {
		from(text, ev)
	}
}
