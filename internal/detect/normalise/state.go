package normalise

import (
	"net/netip"
	"strings"
	"time"
	"unsafe"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// state is what the normalisers of JSON and text know of the item at hand and reuse from one item to
// the next. Normaliser embeds it and calls begin before each item.
type state struct {
	received time.Time // when the item was accepted: what a time without a year is resolved against
	dataset  string    // the sender's hint: Elastic index, HEC sourcetype, Zeek path, ""

	hintOf, hintIs string // the dataset that hint was last asked for, and what it makes of it

	nested   [maxNested]fastjson.Parser // JSON within JSON, one parser for each level
	level    int                        // how many of them are in use
	textLeft int                        // bytes of JSON text that arrays may still repeat
	path     []byte                     // the dotted name being built
	buf      []byte                     // a value being built
	shapes   *shapes
}

// maxNested is how deep JSON text within JSON strings is followed.
const maxNested = 3

// newState compiles the shapes of known services. It fails only if the data in this package is wrong.
func newState() (state, error) {
	s, err := loadShapes()
	return state{shapes: s, path: make([]byte, 0, 1024), buf: make([]byte, 0, 1024)}, err
}

// begin prepares for the next item.
func (s *state) begin(received time.Time, dataset string) {
	s.received, s.dataset, s.level = received, dataset, 0
}

// alias views b as a string without a copy: valid as long as b is not written.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// asBytes views s as bytes that must not be written.
func asBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// address reads an IP address in the ways logs write one: plain, in brackets, with a port, with a zone,
// IPv4 mapped into IPv6. ip is "" where s holds none; port is "" where it names none.
func address(s string) (ip, port string) {
	if len(s) < 2 || len(s) > 64 || !mayBeAddress(s[0]) {
		return "", ""
	}
	host := s
	if s[0] == '[' {
		inner, rest, ok := strings.Cut(s[1:], "]")
		if !ok {
			return "", ""
		}
		host = inner
		if rest != "" {
			if rest[0] != ':' || !isPort(rest[1:]) {
				return "", ""
			}
			port = rest[1:]
		}
	} else if i := strings.LastIndexByte(s, ':'); i > 0 && strings.IndexByte(s, ':') == i {
		if host = s[:i]; !isPort(s[i+1:]) {
			return "", ""
		}
		port = s[i+1:]
	}
	if !isIPv4(host) {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return "", ""
		}
		if addr.Is4In6() || addr.Zone() != "" {
			return addr.WithZone("").Unmap().String(), port
		}
	}
	return host, port
}

func mayBeAddress(c byte) bool {
	return c >= '0' && c <= '9' || c == '[' || c == ':' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// isIPv4 is netip.ParseAddr for the common case without its allocations on failure.
func isIPv4(s string) bool {
	parts, value, digits := 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if value = value*10 + int(c-'0'); digits == 3 || value > 255 {
				return false
			}
			digits++
		case c == '.' && digits > 0:
			parts, value, digits = parts+1, 0, 0
		default:
			return false
		}
	}
	return parts == 3 && digits > 0
}

func isPort(s string) bool { return len(s) > 0 && len(s) <= 5 && isDigits(s) }

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// addEndpoint adds who is at one end of a connection: prefix ("source", "destination") .ip and .port, or
// .domain where s is a name. Placeholders for "nobody" add nothing.
func addEndpoint(ev *event.Event, prefix, s string) {
	switch s {
	case "", "-", "?", "(null)", "unknown", "UNKNOWN", "none":
		return
	}
	ipName, portName, domainName := event.SourceIP, event.SourcePort, event.SourceDomain
	if prefix == "destination" {
		ipName, portName, domainName = event.DestinationIP, event.DestinationPort, event.DestinationHost
	}
	ip, port := address(s)
	switch {
	case ip != "":
		ev.SetDefault(ipName, ip)
		addNumber(ev, portName, port)
	case len(s) <= 255 && !strings.ContainsAny(s, " \t\"'"):
		ev.SetDefault(domainName, s)
	}
}

// addNumber adds digits as a number, once; "" adds nothing.
func addNumber(ev *event.Event, name, digits string) {
	if digits != "" && !ev.Has(name) {
		ev.AddKind(name, digits, event.Number)
	}
}

// addOutcome sets event.outcome from a word.
func addOutcome(ev *event.Event, success bool) {
	if success {
		ev.SetDefault(event.EventOutcome, "success")
	} else {
		ev.SetDefault(event.EventOutcome, "failure")
	}
}

// classify adds ECS categorisation: category and type may hold several words separated by a space.
func classify(ev *event.Event, category, kind, action string) {
	for c := range strings.FieldsSeq(category) {
		ev.Add(event.EventCategory, c)
	}
	for k := range strings.FieldsSeq(kind) {
		ev.Add(event.EventType, k)
	}
	ev.SetDefault(event.EventAction, action)
}

// word splits s at its first run of spaces.
func word(s string) (first, rest string) {
	i := strings.IndexByte(s, ' ')
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i+1:], " ")
}

// base returns the last element of a Unix path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
