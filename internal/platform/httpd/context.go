package httpd

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
)

type contextKey int

const infoKey contextKey = 0

// info is what the front knows about a request.
type info struct {
	id      string
	client  netip.Addr
	secure  bool
	proxied bool
	user    atomic.Pointer[string] // told by the site, once it knows
}

func about(r *http.Request) *info {
	in, _ := r.Context().Value(infoKey).(*info)
	return in
}

// ClientIP returns the address that a request comes from: behind trusted proxies that of their client, else that of the
// peer. An IPv4 address is one (never ::ffff:1.2.3.4), there is no zone; the zero Addr stands for a peer without an
// address. It works for a request that has not come through Front, too.
func ClientIP(r *http.Request) netip.Addr {
	if in := about(r); in != nil {
		return in.client
	}
	return peer(r)
}

// Secure reports whether a request came over HTTPS: to us, or to the trusted proxy that the client spoke to. Cookies are
// Secure and Strict-Transport-Security is sent where it is true.
func Secure(r *http.Request) bool {
	if in := about(r); in != nil {
		return in.secure
	}
	return r.TLS != nil
}

// Proxied reports whether a request says that it passed a proxy, believed or not. What is meant for this machine alone must
// ask: a proxy beside us makes everybody a neighbour.
func Proxied(r *http.Request) bool {
	if in := about(r); in != nil {
		return in.proxied
	}
	return says(r.Header)
}

// RequestID returns the id that the answer's X-Request-Id and the log line carry, "" where a request has not come through
// Front.
func RequestID(r *http.Request) string {
	if in := about(r); in != nil {
		return in.id
	}
	return ""
}

// SetUser has the log line of a request name the person who sent it, by id.
func SetUser(r *http.Request, id string) {
	if in := about(r); in != nil {
		in.user.Store(&id)
	}
}

func withInfo(r *http.Request, in *info) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), infoKey, in))
}

// peer is who holds the other end of the connection.
func peer(r *http.Request) netip.Addr {
	if port, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return clean(port.Addr())
	}
	if address, err := netip.ParseAddr(r.RemoteAddr); err == nil {
		return clean(address)
	}
	return netip.Addr{}
}

func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
