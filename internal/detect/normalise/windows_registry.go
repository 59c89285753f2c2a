package normalise

import (
	"strconv"
	"strings"

	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
)

// deriveRegistry makes ECS' registry fields, and Sysmon's spelling of what the security audit says its own way.
func (n *Normaliser) deriveRegistry(c taxonomy.Copy, value string, ev *event.Event) {
	switch c.How {
	case taxonomy.RegistryKey:
		n.registryParts(c.To, value, false, ev)
	case taxonomy.RegistryValue:
		n.registryParts(c.To, value, true, ev)
	case taxonomy.RegistryData:
		n.registryData(c.To, value, ev)
	case taxonomy.AuditedRegistry:
		n.auditedRegistry(c.To, value, ev)
	case taxonomy.AuditedData:
		n.auditedData(c.To, value, ev)
	}
}

// registryParts splits HKLM\key\value.
func (n *Normaliser) registryParts(to, path string, hasValue bool, ev *event.Event) {
	hive, key, found := strings.Cut(path, `\`)
	if !found || hive == "" || len(hive) > 24 {
		return
	}
	n.sub(to, ".hive", hive, ev)
	if i := strings.LastIndexByte(key, '\\'); hasValue && i > 0 {
		n.sub(to, ".value", key[i+1:], ev)
		key = key[:i]
	}
	n.sub(to, ".key", key, ev)
}

// registryData reads Sysmon's Details: "DWORD (0x00000001)", "QWORD (0x…-0x…)", "Binary Data" or text.
func (n *Normaliser) registryData(to, details string, ev *event.Event) {
	switch {
	case details == "(Empty)":
	case details == "Binary Data":
		n.sub(to, ".type", "REG_BINARY", ev)
	case strings.HasPrefix(details, "DWORD (0x"):
		n.sub(to, ".type", "REG_DWORD", ev)
		if v, err := strconv.ParseUint(strings.TrimSuffix(details[len("DWORD (0x"):], ")"), 16, 64); err == nil {
			n.buf = strconv.AppendUint(n.buf[:0], v, 10)
			n.sub(to, ".strings", ev.Keep(n.buf), ev)
		}
	case strings.HasPrefix(details, "QWORD (0x"):
		n.sub(to, ".type", "REG_QWORD", ev)
	default:
		n.sub(to, ".type", "REG_SZ", ev)
		n.sub(to, ".strings", details, ev)
	}
}

// auditedRegistry writes \REGISTRY\MACHINE\SYSTEM\ControlSet001\… with the value's name as Sysmon does:
// HKLM\System\CurrentControlSet\…\name.
func (n *Normaliser) auditedRegistry(to, object string, ev *event.Event) {
	rest, ok := cutPrefixFold(object, `\registry\`)
	if !ok {
		return
	}
	hive := "HK"
	if inner, ok := cutPrefixFold(rest, `machine\`); ok {
		hive, rest = "HKLM", inner
	} else if inner, ok := cutPrefixFold(rest, `user\`); ok {
		hive, rest = "HKU", inner
	} else {
		hive, rest, _ = strings.Cut(rest, `\`)
	}
	path := append(append(append([]byte(nil), hive...), '\\'), n.currentControlSet(rest)...)
	if name := ev.Get(event.WinlogEventData + "ObjectValueName"); name != "" && name != "-" {
		path = append(append(path, '\\'), name...)
	}
	whole := ev.Keep(path)
	n.sub(to, ".path", whole, ev)
	n.registryParts(to, whole, true, ev)
}

// currentControlSet replaces the numbered control set, which is what the kernel sees, by its alias.
func (n *Normaliser) currentControlSet(path string) string {
	rest, ok := cutPrefixFold(path, `system\controlset`)
	if !ok || len(rest) < 4 || !isDigits(rest[:3]) || rest[3] != '\\' {
		return path
	}
	return `System\CurrentControlSet` + rest[3:]
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// auditedData writes an audited value as Sysmon writes Details, by the event's type of value.
func (n *Normaliser) auditedData(to, value string, ev *event.Event) {
	switch ev.Get(event.WinlogEventData + "NewValueType") {
	case "%%1876": // REG_DWORD
		digits := n.decimal(value, ev)
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return
		}
		hex := strconv.FormatUint(v, 16)
		n.buf = append(append(append(n.buf[:0], "DWORD (0x"...), "00000000"[len(hex):]...), hex...)
		ev.SetDefault(to, ev.Keep(append(n.buf, ')')))
	case "%%1875": // REG_BINARY
		ev.SetDefault(to, "Binary Data")
	default:
		ev.SetDefault(to, value)
	}
}
