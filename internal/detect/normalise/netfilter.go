package normalise

import (
	"strings"

	"yagura/internal/event"
)

// netfilter reads what the kernel's LOG target writes:
// "[12.3] [UFW BLOCK] IN=eth0 OUT= MAC=… SRC=192.0.2.1 DST=198.51.100.2 LEN=60 … PROTO=TCP SPT=1 DPT=22 … SYN".
func netfilter(msg string, ev *event.Event) bool {
	i := strings.Index(msg, "IN=")
	if i < 0 || !strings.Contains(msg[i:], " SRC=") || !strings.Contains(msg[i:], " DST=") {
		return false
	}
	prefix := strings.TrimSpace(msg[:i])
	if strings.HasPrefix(prefix, "[") { // the time since the boot
		if stamp, rest, ok := strings.Cut(prefix[1:], "]"); ok && isDigits(strings.ReplaceAll(strings.TrimSpace(stamp), ".", "")) {
			prefix = strings.TrimSpace(rest)
		}
	}
	for pair := range strings.FieldsSeq(msg[i:]) {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" {
			continue
		}
		switch name {
		case "SRC":
			addEndpoint(ev, "source", value)
		case "DST":
			addEndpoint(ev, "destination", value)
		case "SPT":
			if isPort(value) {
				addNumber(ev, event.SourcePort, value)
			}
		case "DPT":
			if isPort(value) {
				addNumber(ev, event.DestinationPort, value)
			}
		case "PROTO":
			ev.SetDefault("network.transport", strings.ToLower(value))
		case "IN":
			ev.SetDefault("observer.ingress.interface.name", value)
		case "OUT":
			ev.SetDefault("observer.egress.interface.name", value)
		case "MAC":
			ev.SetDefault("iptables.mac", value)
		}
	}
	ev.AddNonEmpty("rule.name", strings.Trim(prefix, "[] :"))
	kind, action := "connection", "log"
	switch upper := strings.ToUpper(prefix); {
	case strings.Contains(upper, "BLOCK"), strings.Contains(upper, "DROP"), strings.Contains(upper, "REJECT"), strings.Contains(upper, "DENY"), strings.Contains(upper, "DENIED"):
		kind, action = "connection denied", "block"
	case strings.Contains(upper, "ALLOW"), strings.Contains(upper, "ACCEPT"):
		kind, action = "connection allowed", "allow"
	}
	classify(ev, "network", kind, action)
	ev.SetDefault(event.EventModule, "iptables")
	ev.SetDefault(event.EventDataset, "iptables.log")
	return true
}
