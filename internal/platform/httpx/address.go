package httpx

import (
	"net/netip"
	"slices"
)

// Refused reports whether an address may not be connected to: what is not public, unless it lies in allow, and metadata
// services in any case.
func Refused(address netip.Addr, allow []netip.Prefix) bool {
	address = address.WithZone("").Unmap()
	inside := func(p netip.Prefix) bool { return p.Contains(address) }
	switch {
	case !address.IsValid():
		return true
	case slices.ContainsFunc(metadata(), inside):
		return true
	case slices.ContainsFunc(allow, inside):
		return false
	case address.Is4():
		return slices.ContainsFunc(reserved4(), inside)
	}
	if nat64().Contains(address) {
		bytes := address.As16()
		return Refused(netip.AddrFrom4([4]byte(bytes[12:])), allow)
	}
	return !global6().Contains(address) || slices.ContainsFunc(reserved6(), inside)
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// metadata are the services that tell a cloud's machine its secrets: AWS, Google, Azure and most others share the first.
func metadata() []netip.Prefix {
	return prefixes("169.254.169.254/32", "169.254.170.2/32", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128")
}

// reserved4 is what is not public of IPv4: the IANA special-purpose registry (RFC 6890), multicast and class E.
func reserved4() []netip.Prefix {
	return prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")
}

// nat64 is how an IPv6-only network reaches IPv4 (RFC 6052): as public as the address within.
func nat64() netip.Prefix { return netip.MustParsePrefix("64:ff9b::/96") }

// global6 is all of IPv6 that has been given out as public; reserved6 is what of it is not, among it the tunnels that carry
// an IPv4 address within (Teredo in 2001::/23, 6to4 in 2002::/16).
func global6() netip.Prefix { return netip.MustParsePrefix("2000::/3") }

func reserved6() []netip.Prefix {
	return prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
}
