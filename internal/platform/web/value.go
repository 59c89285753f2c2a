package web

import (
	"fmt"
	"html/template"
	"net/netip"
	"strings"
)

// value is a value that came from a log: a button that opens a menu (search for it, filter in or out, copy). It is never
// a link, whatever it says, and domains and addresses of others are shown defanged.
func (c components) value(field string, v any) template.HTML {
	text := fmt.Sprint(v)
	if v == nil || text == "" {
		return `<span class="none">–</span>`
	}
	shown := text
	if Fangs(field) {
		shown = Defang(text)
	}
	return markup(`<button type="button" class="value" data-field="%s" data-value="%s" aria-haspopup="menu" title="%s">%s</button>`,
		field, text, field, shown)
}

// fangs are the last parts of fields whose values are addresses of others.
var fangs = []string{"domain", "url", "full", "original_url", "registered_domain", "question.name", "referrer", "email"}

// Fangs reports whether values of the field may lead somewhere and are shown defanged.
func Fangs(field string) bool {
	field = strings.ToLower(field)
	for _, end := range fangs {
		if field == end || strings.HasSuffix(field, "."+end) {
			return field != "user.domain" && !strings.HasSuffix(field, ".user.domain")
		}
	}
	return false
}

// Defang writes an address so that no program makes a link of it and no finger opens it: https://a.example/x becomes
// hxxps://a[.]example/x, an e-mail address a[@]b[.]example. Private IP addresses stay as they are.
func Defang(text string) string {
	if ip, err := netip.ParseAddr(text); err == nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()) {
		return text
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := strings.NewReplacer(".", "[.]", "@", "[@]").Replace(rest[:end])
	if !found {
		return host + rest[end:]
	}
	if lower := strings.ToLower(scheme); strings.HasPrefix(lower, "http") {
		scheme = "hxxp" + scheme[len("http"):]
	}
	return scheme + "://" + host + rest[end:]
}
