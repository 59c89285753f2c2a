package httpd

import (
	"encoding/json"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/fault"
)

// Class is a kind of request that has limits of its own.
type Class int

// The classes.
const (
	Pages  Class = iota
	API          // paths below /api/
	SignIn       // proving who one is: guessing is what these limits are for
	Exempt       // log shippers, who are told to wait by their own means, and the health check
	classes
)

// Limits say how often requests of each class are answered. The zero Limits have no limits; DefaultLimits have sensible
// ones.
type Limits struct {
	// Address is by client address (IPv6: by /64). A whole company may stand behind one address.
	Address [classes]Rate
	// Person is by who is signed in, whatever the address.
	Person [classes]Rate
	// Classify says of which class a request is; nil is Classify of this package.
	Classify func(*http.Request) Class
}

// DefaultLimits let 200 people behind one address work, and a single one work fast. Signing in is held to what a morning
// of such an office needs: two a second after the first sixty.
func DefaultLimits() Limits {
	var l Limits
	l.Address[Pages] = Rate{Every: 5 * time.Millisecond, Burst: 2000}
	l.Address[API] = Rate{Every: 10 * time.Millisecond, Burst: 1000}
	l.Address[SignIn] = Rate{Every: 500 * time.Millisecond, Burst: 60}
	l.Person[Pages] = Rate{Every: 50 * time.Millisecond, Burst: 200}
	l.Person[API] = Rate{Every: 50 * time.Millisecond, Burst: 200}
	l.Person[SignIn] = Rate{Every: 6 * time.Second, Burst: 20}
	return l
}

// Classify tells the classes apart by path: what is sent to "/signin", "/setup", "/invitation", "/reset" and below them is signing
// in, and so is the answer of an identity provider, which comes as a GET; merely looking at those pages is not.
func Classify(r *http.Request) Class {
	path := r.URL.Path
	for _, prefix := range []string{"/signin", "/setup", "/invitation", "/reset"} {
		if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
			if (r.Method == http.MethodGet || r.Method == http.MethodHead) && path != "/signin/oidc" {
				return Pages
			}
			return SignIn
		}
	}
	switch {
	case strings.HasPrefix(path, "/api/"):
		return API
	case path == "/health":
		return Exempt
	}
	return Pages
}

// Limiter counts requests against limits. It is safe for concurrent use.
type Limiter struct {
	classify func(*http.Request) Class
	address  [classes]*buckets[netip.Prefix]
	person   [classes]*buckets[string]
}

// NewLimiter starts with all buckets full; now is the clock, nil for the system's.
func NewLimiter(limits Limits, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	l := &Limiter{classify: limits.Classify}
	if l.classify == nil {
		l.classify = Classify
	}
	for class := range classes {
		l.address[class] = newBuckets[netip.Prefix](limits.Address[class], now)
		l.person[class] = newBuckets[string](limits.Person[class], now)
	}
	return l
}

// Address takes a token for a request's address. A fault.Busy says that there is none; Retry-After is set then.
func (l *Limiter) Address(w http.ResponseWriter, r *http.Request) error {
	return tell(w, l.address[l.classify(r)].take(network(ClientIP(r))))
}

// Person takes a token for who is signed in, by their id: for the site, once it knows. A fault.Busy says that there is
// none; Retry-After is set then.
func (l *Limiter) Person(w http.ResponseWriter, r *http.Request, id string) error {
	return tell(w, l.person[l.classify(r)].take(id))
}

func tell(w http.ResponseWriter, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	return fault.New(fault.Busy, "fault.rate", "too many requests; again in %d s", seconds)
}

// refuse answers a request before any page or language is known.
func refuse(w http.ResponseWriter, r *http.Request, status int, err error, people string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(people + "\n"))
		return
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // RFC 9457, as the site's own
		"type": "about:blank", "title": http.StatusText(status), "status": status,
		"detail": err.Error(), "code": string(fault.CodeOf(err)), "request": RequestID(r),
	})
}
