package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"yagura/internal/platform/httpd"
)

// demoName is who a visitor of the demo is.
const demoName = "admin"

// everything is what the demo's visitor and this machine's commands may do.
func everything(string) bool { return true }

// IsLoopback reports whether a listening address can be reached from this machine only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// fromThisMachine reports whether a browser on this machine asked for this machine by its own name. The name matters:
// another site's domain can be pointed at 127.0.0.1, and its page would then speak to us (DNS rebinding).
func fromThisMachine(r *http.Request) bool {
	if httpd.Proxied(r) { // a proxy beside us makes everybody a neighbour
		return false
	}
	host := r.Host
	if !strings.Contains(host, ":") || strings.HasSuffix(host, "]") {
		host += ":80"
	}
	return IsLoopback(r.RemoteAddr) && IsLoopback(host)
}

// DemoVisitor is the person that the demo's visitor would be, had they an account.
func DemoVisitor() Person {
	return Person{ID: demoName, Kind: Human, Name: demoName, State: Active, Roles: []Role{{Name: AdminRole, Origin: ByHand}}}
}
