package event

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// ObservableType says what an observable is.
type ObservableType string

// The types of observables that indicators exist for.
const (
	IPAddress ObservableType = "ip"
	Domain    ObservableType = "domain"
	URL       ObservableType = "url"
	Email     ObservableType = "email"
	MD5       ObservableType = "md5"
	SHA1      ObservableType = "sha1"
	SHA256    ObservableType = "sha256"
	SHA512    ObservableType = "sha512"
)

// Observable is something in an event that an indicator may name.
type Observable struct {
	Type ObservableType
	// Value is in one form whatever the log wrote: IP addresses as RFC 5952 has them and IPv4 unmapped; domains, hosts in URLs,
	// addresses' domains and hashes in lower case; domains without a trailing dot
	// and in ASCII (RFC 5890).
	Value string
	Field string // where it was found first
}

// Bounds of what is drawn from one event; what lies beyond is not looked at.
const (
	maxObservables   = 256
	maxObservedField = 32 << 10 // bytes of one value
	maxObservedEvent = 256 << 10
)

// Observables appends to dst each IP address, domain, URL, hash and e-mail address that the event holds, once, whatever the
// field is called: a value that is one as well as those inside a command line or a message. A URL and an e-mail
// address give their host too. Fields of what is written down twice (message, event.original) come last, so that Field is
// the most telling one.
//
// A name in free text counts as a domain only if its top-level domain is one of the ICANN's and is not rather a
// file's extension ("setup.py", "run.sh"); in a field for names (dns.question.name, url.domain) any such name counts.
// Values may live in the event's memory: they are valid until Reset.
func (e *Event) Observables(dst []Observable) []Observable {
	d := drawing{e: e, dst: dst, start: len(dst), left: maxObservedEvent}
	for pass := range 2 {
		for i := range e.fields {
			f := &e.fields[i]
			if f.Kind != String || len(f.Value) < 4 || isCopy(f.Name) != (pass == 1) || strings.HasPrefix(f.Name, "yagura.") && f.Name != Overflow {
				continue
			}
			if d.left <= 0 || len(d.dst)-d.start >= maxObservables {
				return d.dst
			}
			value := f.Value[:min(len(f.Value), maxObservedField, d.left)]
			d.left -= len(value)
			d.field, d.named = f.Name, isNameField(f.Name)
			if d.named && !isASCII(value) {
				d.domain(value)
			}
			d.scan(value)
		}
	}
	return d.dst
}

func isCopy(name string) bool { return name == Message || name == Original }

// isNameField reports whether the field's name says that its value is a host or domain.
func isNameField(name string) bool {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "domain", "hostname", "fqdn", "server_name", "registered_domain", "query", "QueryName", "DestinationHostname", "rrname", "rdata", "host":
		return true
	}
	return name == "dns.question.name" || name == "dns.answers.data"
}

// drawing is one pass over an event.
type drawing struct {
	e     *Event
	dst   []Observable
	start int
	left  int
	field string
	named bool
}

func (d *drawing) add(t ObservableType, value string) {
	if len(d.dst)-d.start >= maxObservables {
		return
	}
	for i := d.start; i < len(d.dst); i++ {
		if d.dst[i].Type == t && d.dst[i].Value == value {
			return
		}
	}
	d.dst = append(d.dst, Observable{Type: t, Value: value, Field: d.field})
}

// scan splits a value into runs of the characters that observables are made of and looks at each.
func (d *drawing) scan(s string) {
	for i := 0; i < len(s); {
		if !isToken(s[i]) {
			i++
			continue
		}
		start := i
		var seen tokenMarks
		for i < len(s) && isToken(s[i]) {
			if s[i] == ':' && strings.HasPrefix(s[i:], "://") {
				if n := d.url(s, start, i); n > 0 {
					start, i, seen = n, n, tokenMarks{}
					continue
				}
			}
			seen.note(s[i])
			i++
		}
		if i > start {
			d.token(s[start:i], seen)
		}
	}
}

// tokenMarks counts what tells tokens apart, so that most are dismissed without a second look.
type tokenMarks struct {
	dots, colons, ats, letters, digits int
	other                              bool // than hexadecimal digits
}

func (m *tokenMarks) note(c byte) {
	switch {
	case c >= '0' && c <= '9':
		m.digits++
	case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		m.letters++
	case c == '.':
		m.dots++
		m.other = true
	case c == ':':
		m.colons++
		m.other = true
	case c == '@':
		m.ats++
		m.other = true
	default:
		m.letters++
		m.other = true
	}
}

// isToken: letters, digits and the punctuation of addresses and names in ASCII. Other scripts end a token: Japanese has no
// spaces around a name. Their domains are found where a field or a URL says that there is one.
func isToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '.' || c == '-' || c == '_' || c == ':' || c == '@' || c == '+' || c == '%'
}

func (d *drawing) token(s string, m tokenMarks) {
	switch {
	case !m.other:
		d.hash(s, m)
	case m.ats == 1:
		d.email(s)
	case m.ats > 1:
	case m.dots == 3 && m.letters == 0, m.colons >= 2, m.dots == 3 && m.colons == 1 && m.letters == 0:
		d.ip(s)
	case m.dots >= 1 && m.letters > 0:
		if m.colons == 1 { // a port, a Windows drive, a label
			host, port, _ := strings.Cut(s, ":")
			if strings.Trim(port, "0123456789") != "" {
				d.part(host)
				d.part(port)
				return
			}
			s = host
		}
		d.domain(s)
	}
}

// part looks at a piece of a token again.
func (d *drawing) part(s string) {
	var m tokenMarks
	for i := range len(s) {
		m.note(s[i])
	}
	if m.colons == 0 {
		d.token(s, m)
	}
}

// hash takes hexadecimal digits of a known length, unless they are a mere number or a mere word.
func (d *drawing) hash(s string, m tokenMarks) {
	if m.digits == 0 || m.letters == 0 {
		return
	}
	switch len(s) {
	case 32:
		d.add(MD5, d.lower(s))
	case 40:
		d.add(SHA1, d.lower(s))
	case 64:
		d.add(SHA256, d.lower(s))
	case 128:
		d.add(SHA512, d.lower(s))
	}
}

// ip takes an address, also with a port. It reports whether s is one.
func (d *drawing) ip(s string) bool {
	s = strings.Trim(s, ".-_")
	addr, err := netip.ParseAddr(s)
	if err != nil {
		i := strings.LastIndexByte(s, ':')
		if i < 0 || strings.IndexByte(s, ':') != i {
			return false
		}
		if addr, err = netip.ParseAddr(s[:i]); err != nil {
			return false
		}
	}
	addr = addr.WithZone("").Unmap()
	if addr.IsUnspecified() || addr.Is6() && (len(s) < 6 || !strings.ContainsAny(s, "0123456789")) && s != "::1" {
		return false // "a::b" is C++ rather than an address
	}
	canonical := addr.String()
	if canonical == s {
		canonical = s
	}
	d.add(IPAddress, canonical)
	return true
}

// email takes an address with a domain, and the domain.
func (d *drawing) email(s string) {
	s = strings.Trim(s, ".-:+%")
	local, domain, _ := strings.Cut(s, "@")
	if i := strings.LastIndexByte(local, ':'); i >= 0 { // mailto:, smtp:
		local = local[i+1:]
	}
	if local == "" || len(local) > 64 {
		return
	}
	host, ok := d.hostname(strings.TrimRight(domain, "."), true)
	if !ok {
		return
	}
	d.add(Email, d.keep(local, "@", host))
	d.add(Domain, host)
}

func (d *drawing) domain(s string) {
	if host, ok := d.hostname(strings.Trim(s, ".-_+%"), d.named); ok {
		d.add(Domain, host)
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// hostname normalises a name whose top-level domain exists; lenient takes those that look like a file's name too.
func (d *drawing) hostname(s string, lenient bool) (host string, ok bool) {
	if len(s) < 4 || len(s) > 253 {
		return "", false
	}
	if !isASCII(s) {
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil || len(ascii) > 253 {
			return "", false
		}
		s = ascii
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 || label > 63 {
				return "", false
			}
			label = 0
		case c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z'):
			return "", false
		default:
			label++
		}
	}
	dot := strings.LastIndexByte(s, '.')
	if dot < 1 || label < 2 || label > 63 {
		return "", false
	}
	s = d.lower(s)
	if !lenient && isExtension(s[dot+1:]) {
		return "", false
	}
	suffix, icann := publicsuffix.PublicSuffix(s)
	if !icann && !strings.Contains(suffix, ".") || suffix == s { // a private suffix such as github.io has a dot
		return "", false
	}
	return s, true
}

// isExtension: top-level domains that in free text are the end of a file's name, or of a program's identifier.
func isExtension(tld string) bool {
	switch tld {
	case "sh", "py", "pl", "rs", "so", "ps", "md", "zip", "mov", "app", "bat", "cab", "prof", "win", "name", "info", "dev", "do", "in", "id", "is",
		"java", "cc", "cx", "st", "pub", "ai", "ms", "tf", "la", "pm", "data", "run", "bin", "properties", "services", "system", "network",
		"windows", "microsoft", "office", "map", "log", "exe", "dll", "hm", "am", "vi", "as", "int", "ax", "tab", "lock", "cat", "foo", "click", "call", "new":
		return true
	}
	return false
}

// url takes a URL whose scheme stands at s[start:colon] and returns where it ends, 0 where there is none.
func (d *drawing) url(s string, start, colon int) (end int) {
	from := colon
	for from > start && isSchemeByte(s[from-1]) {
		from--
	}
	scheme := s[from:colon]
	if len(scheme) < 2 || len(scheme) > 16 {
		return 0
	}
	end = colon + len("://")
	inHost := true
	for end < len(s) && !isURLEnd(s[end]) && (inHost || s[end] < 0x80) {
		inHost = inHost && s[end] != '/'
		end++
	}
	text := withoutPunctuation(s[from:end])
	rest := text[min(len(text), len(scheme)+len("://")):]
	host, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		host, tail = rest[:i], rest[i:]
	}
	if i := strings.IndexByte(tail, '#'); i >= 0 {
		tail = tail[:i]
	}
	if i := strings.IndexFunc(host, func(r rune) bool { return r >= 0x80 }); i >= 0 {
		if ascii, ok := d.hostname(host, true); ok {
			host = ascii
		} else { // the sentence goes on without a space
			host, tail = host[:i], ""
		}
	}
	if !d.urlHost(host) {
		return end
	}
	if tail == "" {
		tail = "/"
	}
	d.add(URL, d.keep(d.lower(scheme), "://", d.withoutPort(scheme, d.lower(host)), tail))
	return end
}

// withoutPunctuation drops what ends the sentence around a URL; a closing parenthesis stays where the URL opened it.
func withoutPunctuation(s string) string {
	surplus := strings.Count(s, ")") - strings.Count(s, "(")
	for s != "" {
		switch s[len(s)-1] {
		case '.', ',', ';', ':', '!', '?', '\'':
		case ')':
			if surplus <= 0 {
				return s
			}
			surplus--
		default:
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

// urlHost adds the host of a URL and reports whether it can be one.
func (d *drawing) urlHost(host string) bool {
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if strings.HasPrefix(host, "[") {
		inner, _, ok := strings.Cut(host[1:], "]")
		return ok && d.ip(inner)
	}
	name, _, _ := strings.Cut(host, ":")
	if name == "" || strings.ContainsAny(name, "${}%*<>|") {
		return false
	}
	if strings.Trim(name, "0123456789.") == "" && d.ip(name) {
		return true
	}
	if host, ok := d.hostname(strings.TrimRight(name, "."), true); ok {
		d.add(Domain, host)
	}
	return true // an intranet's name is a URL all the same
}

// withoutPort drops the port that the scheme implies.
func (d *drawing) withoutPort(scheme, host string) string {
	switch {
	case strings.EqualFold(scheme, "http"):
		return strings.TrimSuffix(host, ":80")
	case strings.EqualFold(scheme, "https"):
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

func isSchemeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'
}

func isURLEnd(c byte) bool {
	switch c {
	case '"', '<', '>', '`', '|', '^', '{', '}':
		return true
	}
	return c <= ' ' || c == 0x7f
}

// lower returns s in lower case, s itself where it is already.
func (d *drawing) lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			buf := make([]byte, 0, 128)
			for j := range len(s) {
				c := s[j]
				if c >= 'A' && c <= 'Z' {
					c |= 0x20
				}
				buf = append(buf, c)
			}
			return d.e.Keep(buf)
		}
	}
	return s
}

// keep joins parts in the event's memory.
func (d *drawing) keep(parts ...string) string {
	buf := make([]byte, 0, 256)
	for _, p := range parts {
		buf = append(buf, p...)
	}
	return d.e.Keep(buf)
}
