package httpd

import "strings"

// parseForwarded reads the value of a Forwarded header (RFC 7239, section 4), the nearest step last. A step that cannot be
// read is one without an address; what is right of it keeps its meaning, and nobody looks left of it.
func parseForwarded(value string) []hop {
	var hops []hop
	for _, element := range splitQuoted(value, ',') {
		if strings.TrimSpace(element) == "" {
			continue // empty list elements mean nothing (RFC 9110, section 5.6.1)
		}
		hops = append(hops, parseElement(element))
	}
	return hops
}

// parseElement reads "for=192.0.2.60;proto=http;by=203.0.113.43". A parameter that is there twice, which the RFC forbids, makes
// the step unreadable: two readers might take two different ones.
func parseElement(element string) hop {
	var h hop
	seen := make(map[string]bool)
	for _, pair := range splitQuoted(element, ';') {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		name = strings.ToLower(name)
		if value, ok = unquote(value, ok); !ok || name == "" || seen[name] {
			return hop{}
		}
		seen[name] = true
		switch name {
		case "for":
			h.from = parseNode(value)
		case "proto":
			h.proto = proto(value)
		}
	}
	return h
}

// splitQuoted splits at a separator that stands outside of quoted strings.
func splitQuoted(text string, separator byte) []string {
	var list []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == separator && !quoted:
			list = append(list, text[start:i])
			start = i + 1
		}
	}
	return append(list, text[start:])
}

// unquote returns a token as it is and a quoted string without its quotes.
func unquote(text string, ok bool) (string, bool) {
	if !ok || !strings.HasPrefix(text, `"`) {
		return text, ok && !strings.ContainsAny(text, "\" \t")
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), i == len(text)-1
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", false
}
