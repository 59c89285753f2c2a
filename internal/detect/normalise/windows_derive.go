package normalise

import (
	"net/netip"
	"strconv"
	"strings"

	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
)

// derive adds what the taxonomy wants made of one value. The value itself stands in the event already; a value
// that does not have the form adds nothing, and what the shipper has given stays.
func (n *Normaliser) derive(p *pendingCopy, ev *event.Event) {
	for _, c := range p.copies {
		switch c.How {
		case taxonomy.Same:
			n.same(c.To, p.value, ev)
		case taxonomy.Base:
			ev.SetDefault(c.To, windowsBase(p.value))
		case taxonomy.File:
			n.fileName(c.To, p.value, ev)
		case taxonomy.Account:
			n.principal(c.To, p.value, ev)
		case taxonomy.Join:
			n.joined(c.To, ev.Get(event.WinlogEventData+"SubjectDomainName"), p.value, ev)
		case taxonomy.Hashes:
			n.hashes(c.To, p.value, ev)
		case taxonomy.Answers:
			n.answers(c.To, p.value, ev)
		case taxonomy.Direction:
			ev.SetDefault(c.To, wordOf(p.value, "true", "egress", "false", "ingress", "%%14593", "egress", "%%14592", "ingress"))
		case taxonomy.Initiated:
			ev.SetDefault(c.To, wordOf(p.value, "%%14593", "true", "%%14592", "false"))
		case taxonomy.Protocol:
			ev.SetDefault(c.To, wordOf(p.value, "6", "tcp", "17", "udp", "1", "icmp", "58", "ipv6-icmp", "2", "igmp", "47", "gre", "50", "esp"))
		case taxonomy.Logon:
			ev.SetDefault(c.To, logonType(p.value))
		case taxonomy.Integrity:
			ev.SetDefault(c.To, wordOf(p.value, "S-1-16-0", "Untrusted", "S-1-16-4096", "Low", "S-1-16-8192", "Medium", "S-1-16-8448", "Medium",
				"S-1-16-12288", "High", "S-1-16-16384", "System", "S-1-16-20480", "Protected"))
		case taxonomy.AuditedOperation:
			ev.SetDefault(c.To, wordOf(p.value, "%%1904", "SetValue", "%%1905", "SetValue", "%%1906", "DeleteValue"))
		case taxonomy.DN:
			ev.SetDefault(c.To, commonName(p.value))
		case taxonomy.FileObject:
			if ev.Get(event.WinlogEventData+"ObjectType") == "File" {
				ev.SetDefault(c.To, p.value)
			}
		case taxonomy.DefenderPath:
			n.defenderPath(c.To, p.value, ev)
		case taxonomy.Context:
			n.powershellContext(c.To, p.value, ev)
		default:
			n.deriveRegistry(c, p.value, ev)
		}
	}
}

// wordOf returns what stands after s in the list of pairs, "" where it is not in it.
func wordOf(s string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.EqualFold(pairs[i], s) {
			return pairs[i+1]
		}
	}
	return ""
}

// same copies a value; a field whose name says that it is a number or an address takes only those.
func (n *Normaliser) same(to, value string, ev *event.Event) {
	switch {
	case ev.Has(to):
	case isNumberName(to):
		if digits := n.decimal(value, ev); digits != "" && digits != "0" {
			ev.AddKind(to, digits, event.Number)
		}
	case strings.HasSuffix(to, ".ip"):
		if ip, _ := address(value); ip != "" {
			ev.Add(to, ip)
		}
	case strings.HasSuffix(to, ".id") && (value == "S-1-0-0" || value == "S-1-5-7"): // nobody
	case strings.HasSuffix(to, "source.domain"):
		ev.Add(to, strings.TrimPrefix(value, `\\`))
	default:
		ev.Add(to, value)
	}
}

// decimal writes a number in decimal: "0x1f4" is 500. "" where s is none.
func (n *Normaliser) decimal(s string, ev *event.Event) string {
	hex, ok := strings.CutPrefix(s, "0x")
	if !ok {
		if isDigits(s) && len(s) < 20 {
			return s
		}
		return ""
	}
	v, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return ""
	}
	n.buf = strconv.AppendUint(n.buf[:0], v, 10)
	return ev.Keep(n.buf)
}

// windowsBase is the last element of a path, whichever way its slashes lean.
func windowsBase(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }

func (n *Normaliser) fileName(to, path string, ev *event.Event) {
	name := windowsBase(path)
	if name == "" {
		return
	}
	n.sub(to, ".name", name, ev)
	if i := strings.LastIndexByte(name, '.'); i > 0 && i < len(name)-1 && len(name)-i <= 12 {
		n.sub(to, ".extension", name[i+1:], ev)
	}
}

// sub adds a field under a prefix unless it is there.
func (n *Normaliser) sub(prefix, name, value string, ev *event.Event) {
	if value == "" {
		return
	}
	n.path = append(append(n.path[:0], prefix...), name...)
	if !ev.Has(alias(n.path)) {
		ev.Add(ev.Keep(n.path), value)
	}
}

// principal splits DOMAIN\name; a name without a domain is a name.
func (n *Normaliser) principal(to, value string, ev *event.Event) {
	domain, name, found := strings.Cut(value, `\`)
	if !found {
		domain, name = "", value
	}
	n.sub(to, ".domain", domain, ev)
	n.sub(to, ".name", name, ev)
}

func (n *Normaliser) joined(to, domain, name string, ev *event.Event) {
	if domain == "" || domain == "-" {
		ev.SetDefault(to, name)
		return
	}
	n.buf = append(append(append(n.buf[:0], domain...), '\\'), name...)
	ev.SetDefault(to, ev.Keep(n.buf))
}

// hashes reads Sysmon's "SHA1=…,MD5=…,SHA256=…,IMPHASH=…".
func (n *Normaliser) hashes(to, list string, ev *event.Event) {
	for pair := range strings.SplitSeq(list, ",") {
		name, value, found := strings.Cut(pair, "=")
		if !found || value == "" || strings.Trim(value, "0") == "" {
			continue
		}
		switch name {
		case "MD5":
			n.hash(to, ".hash.md5", value, ev)
		case "SHA1":
			n.hash(to, ".hash.sha1", value, ev)
		case "SHA256":
			n.hash(to, ".hash.sha256", value, ev)
		case "IMPHASH":
			n.hash(to, ".pe.imphash", value, ev)
		}
	}
}

// hash adds one, in lower case as ECS and indicators have them.
func (n *Normaliser) hash(to, name, value string, ev *event.Event) {
	n.buf = appendLower(n.buf[:0], value)
	n.sub(to, name, ev.Keep(n.buf), ev)
}

// maxAnswers is how many answers of one query are drawn apart.
const maxAnswers = 64

// answers reads Sysmon's query results: "type:  5 host.example;::ffff:192.0.2.1;".
func (n *Normaliser) answers(to, list string, ev *event.Event) {
	for i, answer := range strings.SplitN(list, ";", maxAnswers) {
		if i == maxAnswers-1 {
			return // the rest stands in the native field
		}
		answer = strings.TrimSpace(answer)
		if rest, ok := strings.CutPrefix(answer, "type:"); ok {
			rest = strings.TrimLeft(rest, " ")
			_, answer, _ = strings.Cut(rest, " ")
		}
		if answer = strings.TrimSpace(answer); answer == "" || answer == "-" {
			continue
		}
		name := ".answers.data"
		if addr, err := netip.ParseAddr(answer); err == nil {
			name, answer = ".resolved_ip", addr.Unmap().WithZone("").String()
		}
		n.path = append(append(n.path[:0], to...), name...)
		ev.Add(ev.Keep(n.path), answer)
	}
}

// logonType names the types of a logon (SECURITY_LOGON_TYPE).
func logonType(number string) string {
	return wordOf(number, "0", "System", "2", "Interactive", "3", "Network", "4", "Batch", "5", "Service", "7", "Unlock",
		"8", "NetworkCleartext", "9", "NewCredentials", "10", "RemoteInteractive", "11", "CachedInteractive",
		"12", "CachedRemoteInteractive", "13", "CachedUnlock")
}

// commonName is the first CN of a distinguished name, "" where it has none.
func commonName(dn string) string {
	if len(dn) < 4 || !strings.EqualFold(dn[:3], "CN=") {
		return ""
	}
	name, _, _ := strings.Cut(dn[3:], ",")
	return name
}

// defenderPath reads what Defender calls Path: "file:_C:\a.exe; containerfile:_C:\b.zip".
func (n *Normaliser) defenderPath(to, value string, ev *event.Event) {
	for part := range strings.SplitSeq(value, "; ") {
		kind, path, found := strings.Cut(part, ":_")
		if !found || kind != "file" && kind != "containerfile" {
			continue
		}
		path, _, _ = strings.Cut(path, "->")
		n.sub(to, ".path", path, ev)
		n.fileName(to, path, ev)
		return
	}
}

// contextKeys are the lines of the context of event 4103 in their order: the text is in the system's language, the
// order is not.
var contextKeys = [...]string{
	"severity", "host_name", "host_version", "host_id", "host_application", "engine_version", "runspace_id", "pipeline_id",
	"command_name", "command_type", "script_name", "command_path", "sequence_number", "user", "connected_user", "shell_id",
}

// maxContext is how many lines of a context are drawn apart.
const maxContext = 40

// powershellContext reads "Host Application = powershell.exe" (event 4103) and "HostApplication=powershell.exe"
// (events 400, 403, 600, 800) on lines of their own.
func (n *Normaliser) powershellContext(to, text string, ev *event.Event) {
	localised := false
	line := 0
	for raw := range strings.SplitSeq(text, "\n") {
		raw = strings.TrimSpace(raw)
		name, value, found := strings.Cut(raw, "=")
		if !found {
			continue
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		key := n.snake(name)
		if key == "" && line == 0 {
			localised = true
		}
		if localised {
			if key = ""; line < len(contextKeys) {
				key = contextKeys[line]
			}
		}
		if line++; line > maxContext {
			return
		}
		if key != "" {
			n.path = append(append(append(n.path[:0], to...), '.'), key...)
			if value != "" && !ev.Has(alias(n.path)) {
				ev.Add(ev.Keep(n.path), value)
			}
		}
	}
}

// snake writes "Host Application" and "HostApplication" as host_application; "" for what is no such name.
func (n *Normaliser) snake(name string) string {
	if name == "" || len(name) > 40 {
		return ""
	}
	n.buf = n.buf[:0]
	lower := false // the character before was a lower-case letter
	for i := range len(name) {
		c := name[i]
		switch {
		case c == ' ':
			n.buf = append(n.buf, '_')
			lower = false
		case c >= 'A' && c <= 'Z':
			if lower {
				n.buf = append(n.buf, '_')
			}
			n.buf = append(n.buf, c|0x20)
			lower = false
		case c >= 'a' && c <= 'z':
			n.buf = append(n.buf, c)
			lower = true
		default:
			return ""
		}
	}
	return alias(n.buf)
}
