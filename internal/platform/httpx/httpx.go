// Package httpx asks other servers over HTTP. Whatever the program fetches from the outside or posts to it goes through here,
// because an address that somebody typed in, or that a log or a page named, may point back into the house.
//
// What it promises:
//
//   - It connects to public addresses only. The address is judged when the connection is made, after the name was resolved, so
//     that a name which resolves to something else the second time gains nothing. Refused are loopback, private, link-local,
//     shared (RFC 6598), documentation, benchmarking, multicast and reserved addresses, their forms within IPv6 (mapped,
//     compatible, NAT64, 6to4, Teredo), and the metadata services of clouds. Options.Allow makes exceptions, but never for
//     metadata services.
//   - Every exchange ends: a limit on its time, on the header and on the body of the answer.
//   - Redirects are followed only where they are asked for, each to an address that is judged in the same way, and never from
//     https to http.
//   - The environment's proxy settings are not read: a proxy is a setting of this program. Through a proxy the names are
//     resolved by it, and it must keep the house itself; addresses that are written out, and names that resolve here to a
//     refused address, are refused all the same.
//
// A Client is safe for concurrent use.
package httpx

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"crypto/tls"

	"yagura/internal/platform/fault"
)

const (
	defaultTimeout = 15 * time.Second
	defaultBody    = 1 << 20
	maxHeader      = 64 << 10
)

// Options are what a Client is made with. The zero value is the strictest.
type Options struct {
	Timeout   time.Duration  // of the whole exchange; 0 is 15 seconds
	MaxBody   int64          // bytes of an answer that are read; 0 is 1 MiB
	Redirects int            // how many are followed; 0: the redirect itself is the answer
	Proxy     string         // URL of a proxy, http or https; "" for none
	Allow     []netip.Prefix // networks that may be reached although they are not public
	Roots     *x509.CertPool // authorities of certificates; nil is the system's
	Agent     string         // User-Agent; "" is "Yagura"
}

// Client asks other servers.
type Client struct {
	opt   Options
	http  *http.Client
	proxy *url.URL
}

// Answer is what a server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool // there was more than MaxBody
}

// New makes a client. A fault.Invalid says that the proxy is no URL of one.
func New(opt Options) (*Client, error) {
	if opt.Timeout <= 0 {
		opt.Timeout = defaultTimeout
	}
	if opt.MaxBody <= 0 {
		opt.MaxBody = defaultBody
	}
	if opt.Agent == "" {
		opt.Agent = "Yagura"
	}
	c := &Client{opt: opt}
	dialer := &net.Dialer{Timeout: opt.Timeout, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: opt.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: opt.Timeout, ResponseHeaderTimeout: opt.Timeout, MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns: 20, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
	}
	if opt.Proxy != "" {
		proxy, err := url.Parse(opt.Proxy)
		if err != nil || proxy.Host == "" || proxy.Scheme != "http" && proxy.Scheme != "https" {
			return nil, fault.New(fault.Invalid, "httpx.fault.proxy", "the proxy is no http or https URL")
		}
		c.proxy, transport.Proxy = proxy, http.ProxyURL(proxy)
	} else {
		dialer.Control = c.control
	}
	c.http = &http.Client{Transport: transport, Timeout: opt.Timeout, CheckRedirect: c.redirect}
	return c, nil
}

// control judges the address of a connection that is about to be made.
func (c *Client) control(network, address string, _ syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("httpx: a connection over %s", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("httpx: the address %q: %w", address, err)
	}
	if Refused(to.Addr(), c.opt.Allow) {
		return refused(to.Addr().String())
	}
	return nil
}

func refused(address string) error {
	return &fault.Error{Code: fault.Forbidden, Key: "httpx.fault.refused", Args: []any{address}, Detail: "connecting to " + address + " is refused: it is no public address"}
}

func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	switch {
	case c.opt.Redirects == 0:
		return http.ErrUseLastResponse
	case len(via) > c.opt.Redirects:
		return fmt.Errorf("more than %d redirects", c.opt.Redirects)
	case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
		return errors.New("a redirect from https to http")
	}
	if _, err := CheckURL(next.URL.String()); err != nil {
		return err
	}
	return c.behindProxy(next.Context(), next.URL.Hostname())
}

// behindProxy judges a host whose connection a proxy will make.
func (c *Client) behindProxy(ctx context.Context, host string) error {
	if c.proxy == nil {
		return nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		if Refused(address, c.opt.Allow) {
			return refused(host)
		}
		return nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil // names of the outside often resolve at the proxy only
	}
	for _, address := range found {
		if Refused(address, c.opt.Allow) {
			return refused(address.String())
		}
	}
	return nil
}

// CheckURL reads the address of a server: http or https, with a host, without a user's name. The error is fault.Invalid.
func CheckURL(text string) (*url.URL, error) {
	invalid := func(why string) error {
		return fault.New(fault.Invalid, "httpx.fault.url", "the address is wrong: %s", why)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsAny(text, " \t\r\n\x00\\"):
		return nil, invalid("it is no URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, invalid("it begins with neither https:// nor http://")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, invalid("it names no host")
	case u.User != nil:
		return nil, invalid("it holds a user's name")
	}
	return u, nil
}

// Do sends a request and reads the answer. An answer of any status is no error. Errors: fault.Invalid for the address of the
// request, fault.Forbidden for one that is refused, fault.Unavailable where no answer came; none of them holds more of the
// address than its host, because the rest may be a secret.
func (c *Client) Do(r *http.Request) (*Answer, error) {
	if _, err := CheckURL(r.URL.String()); err != nil {
		return nil, err
	}
	if err := c.behindProxy(r.Context(), r.URL.Hostname()); err != nil {
		return nil, err
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", c.opt.Agent)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, c.failed(r, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, c.opt.MaxBody+1))
	answer := &Answer{Status: response.StatusCode, Header: response.Header, Body: body}
	if int64(len(body)) > c.opt.MaxBody {
		answer.Body, answer.Cut = body[:c.opt.MaxBody], true
	} else if err != nil {
		return nil, c.failed(r, err)
	}
	return answer, nil
}

// failed says why no answer came, without the address that http.Client puts before it.
func (c *Client) failed(r *http.Request, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	if limit, ok := errors.AsType[net.Error](err); ok && limit.Timeout() {
		return fault.New(fault.Unavailable, "httpx.fault.timeout", "%s did not answer within %v", r.URL.Host, c.opt.Timeout)
	}
	return &fault.Error{Code: fault.Unavailable, Key: "httpx.fault.failed", Args: []any{r.URL.Host, err.Error()}, Detail: r.URL.Host + ": " + err.Error(), Err: err}
}

// Transport is the client's way to other servers, for libraries that speak a protocol of their own over HTTP. It refuses what Do refuses, and reads
// an answer of any length: bound it.
func (c *Client) Transport() http.RoundTripper { return transport{c} }

type transport struct{ *Client }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := CheckURL(r.URL.String()); err != nil {
		return nil, err
	}
	if err := t.behindProxy(r.Context(), r.URL.Hostname()); err != nil {
		return nil, err
	}
	return t.http.Transport.RoundTrip(r)
}
