package httpd

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"yagura/internal/platform/fault"
)

// The headers in which a proxy says whose request it passes on.
const (
	XForwardedFor = "X-Forwarded-For" // with X-Forwarded-Proto
	Forwarded     = "Forwarded"       // RFC 7239
)

// maxHops is how many proxies are followed back; more are an attack or a loop.
const maxHops = 16

// Proxies are the proxies whose word is taken. Only one of the two headers is read: a proxy that writes one passes the
// other on as its client sent it, and what a client sends is no proof of anything.
type Proxies struct {
	networks []netip.Prefix
	header   string
}

// ParseProxies reads networks ("10.0.0.0/8") and addresses, and the header that they write, "" for X-Forwarded-For. No
// network at all trusts nobody.
func ParseProxies(networks []string, header string) (Proxies, error) {
	p := Proxies{header: header}
	switch {
	case header == "" || strings.EqualFold(header, XForwardedFor):
		p.header = XForwardedFor
	case strings.EqualFold(header, Forwarded):
		p.header = Forwarded
	default:
		return Proxies{}, fault.New(fault.Invalid, "fault.proxies", "%q is neither %s nor %s", header, XForwardedFor, Forwarded)
	}
	for _, text := range networks {
		network, err := parseNetwork(strings.TrimSpace(text))
		if err != nil {
			return Proxies{}, fault.New(fault.Invalid, "fault.proxies", "a trusted proxy: %w", err)
		}
		if network.Bits() == 0 {
			return Proxies{}, fault.New(fault.Invalid, "fault.proxies", "%s would let anybody claim any address", text)
		}
		p.networks = append(p.networks, network)
	}
	return p, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		address = clean(address)
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}

func (p Proxies) trust(a netip.Addr) bool {
	for _, network := range p.networks {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// hop is one step of a request's way, as the proxy that it reached wrote it down.
type hop struct {
	from  netip.Addr // zero where it is hidden or unreadable
	proto string     // "https", "http" or "" where the proxy does not say
}

// resolve returns where a request comes from and whether it came over HTTPS. It goes back from the peer as long as the
// step was written by a proxy that is trusted: what stands left of that was sent by the client.
func (p Proxies) resolve(r *http.Request) (client netip.Addr, secure bool) {
	client, secure = peer(r), r.TLS != nil
	if !client.IsValid() || !p.trust(client) {
		return client, secure
	}
	hops := p.hops(r)
	for i := len(hops) - 1; i >= 0 && len(hops)-i <= maxHops; i-- {
		if hops[i].proto != "" {
			secure = hops[i].proto == "https"
		}
		if !hops[i].from.IsValid() {
			return client, secure // hidden: the proxy that hides it answers for it
		}
		client = hops[i].from
		if !p.trust(client) {
			return client, secure
		}
	}
	return client, secure
}

// hops returns the steps that the proxies wrote down, the nearest last.
func (p Proxies) hops(r *http.Request) (hops []hop) {
	if p.header == Forwarded {
		for _, line := range r.Header.Values(Forwarded) { // each by itself: a quote that a client left open ends with its line
			hops = append(hops, parseForwarded(line)...)
		}
		return hops
	}
	for _, text := range split(r.Header.Values(XForwardedFor)) {
		hops = append(hops, hop{from: parseNode(text)})
	}
	protos := split(r.Header.Values("X-Forwarded-Proto"))
	if len(hops) == 0 && len(protos) > 0 {
		hops = append(hops, hop{})
	}
	// Proxies either add a value each, or the first of ours sets the only one, which then holds for every step before.
	for i := range hops {
		if at := len(protos) - len(hops) + i; at >= 0 {
			hops[i].proto = proto(protos[at])
		}
	}
	return hops
}

// split takes a list that may stand in several headers apart.
func split(values []string) []string {
	joined := strings.Join(values, ",")
	if strings.TrimSpace(joined) == "" {
		return nil
	}
	list := strings.Split(joined, ",")
	for i, text := range list {
		list[i] = strings.TrimSpace(text)
	}
	return list
}

// proto returns "https" or "http"; whatever is not plainly HTTPS is not.
func proto(text string) string {
	switch {
	case text == "":
		return ""
	case strings.EqualFold(text, "https"):
		return "https"
	}
	return "http"
}

// parseNode reads an address as proxies write it: 192.0.2.1, 192.0.2.1:4711, 2001:db8::1, [2001:db8::1], [2001:db8::1]:4711.
// The zero Addr stands for anything else: "unknown", "_hidden".
func parseNode(text string) netip.Addr {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inner, _, ok = strings.Cut(inner, "]")
		if !ok {
			return netip.Addr{}
		}
		text = inner
	} else if strings.Count(text, ":") == 1 {
		text, _, _ = strings.Cut(text, ":")
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return clean(address)
}

// words lists the headers in which proxies say something.
func words() []string {
	return []string{XForwardedFor, "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-Ip", "True-Client-Ip", Forwarded, "Via"}
}

// says reports whether any of them is there.
func says(h http.Header) bool {
	return slices.ContainsFunc(words(), func(name string) bool { return len(h.Values(name)) > 0 })
}

// strip removes them, so that nobody behind takes them for true by mistake.
func strip(h http.Header) {
	for _, name := range words() {
		h.Del(name)
	}
}
