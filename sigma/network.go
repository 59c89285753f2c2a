package sigma

import (
	"fmt"
	"net/netip"
	"strings"
)

// parseNetwork reads the value of a cidr modifier: a network in CIDR notation (RFC 4632, RFC 4291), or one
// address. Bits behind the prefix must be zero, as a network's are.
func parseNetwork(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("modifier cidr: %q is no network", s)
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("modifier cidr: %q is no network", s)
	}
	if p.Masked() != p {
		return netip.Prefix{}, fmt.Errorf("modifier cidr: %q has bits behind its prefix; write %s", s, p.Masked())
	}
	return p, nil
}

// parseAddress reads an event's address. An IPv4 address mapped into IPv6 counts as IPv4, a zone is left
// out of account. Most values that are no address are refused without an allocation.
func parseAddress(s string) (netip.Addr, bool) {
	if len(s) < 2 || len(s) > 64 {
		return netip.Addr{}, false
	}
	separators := 0
	for i := 0; i < len(s) && s[i] != '%'; i++ {
		switch c := s[i]; {
		case c == '.' || c == ':':
			separators++
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return netip.Addr{}, false
		}
	}
	if separators < 2 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
