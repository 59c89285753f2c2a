// Package gate is what every HTTP input does before and after it knows its protocol: who calls, the body
// within its limits, the items into the sink. Inputs whose senders cannot be told to come again use Insist.
//
// What it promises: a request is read only for a caller whose token is known; a body never takes more
// memory than the limit, whatever its compression says, nor do the events that it becomes; all requests together stay below a
// budget, past which callers are told to come again; nothing is reported as accepted before the sink has it
// on disk. A Gate is safe for concurrent use.
package gate

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
)

// Tokens knows the tokens of the inputs.
type Tokens interface {
	// Authenticate returns the id of the source that the secret was given to; fault.Unauthentic where it was
	// given to none.
	Authenticate(ctx context.Context, secret string) (source string, err error)
}

// Observer counts what came through. Its methods are called for every request and must be quick.
type Observer interface {
	Accepted(source, input, remote string, events, bytes int)
	// Refused counts items that were turned away; events is 0 where a whole request was refused before its items
	// were counted. source is "" for a caller without a known token.
	Refused(source, input, remote string, events int, reason string)
}

// Options are a Gate's surroundings and limits; a zero limit means its default.
type Options struct {
	Tokens   Tokens
	Sink     intake.Sink
	Observer Observer
	// Local tells whether a secret is the local administrator's, who may import in the name of any source. Nil:
	// there is none.
	Local func(secret string) bool

	MaxBody     int64 // of one request after decompression; default 64 MiB
	MaxItem     int   // of one event; default LargestItem, and at most that
	MaxInFlight int64 // of all bodies being worked on; default twice MaxBody
	Now         func() time.Time
}

// LargestItem is the largest event in bytes: well below the longest record of the spool.
const LargestItem = 4 << 20

// How many seconds callers are asked to wait: a full spool drains by itself, what is unavailable needs somebody.
const (
	retryBusy        = "1"
	retryUnavailable = "10"
)

// Gate admits requests. See the package comment.
type Gate struct {
	opt      Options
	buffers  sync.Pool // *[]byte
	inflight atomic.Int64
}

// New returns a gate.
func New(opt Options) *Gate {
	if opt.MaxBody <= 0 {
		opt.MaxBody = 64 << 20
	}
	if opt.MaxItem <= 0 || opt.MaxItem > LargestItem {
		opt.MaxItem = LargestItem
	}
	if opt.MaxInFlight <= 0 {
		opt.MaxInFlight = 2 * opt.MaxBody
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Gate{opt: opt}
}

// Caller is who sent a request.
type Caller struct {
	Source string // the source's id; "" for the local administrator
	Remote string // IP address
	Local  bool   // the local administrator
}

// The two ways of not being known; protocols answer them differently.
var (
	errNoToken    = fault.New(fault.Unauthentic, "", "a token is required")
	errWrongToken = fault.New(fault.Unauthentic, "", "the token is not known or was revoked")
)

// NoToken reports whether err says that the request carried no token at all.
func NoToken(err error) bool { return err == error(errNoToken) }

// Admit says who sends r, from its Authorization header: Bearer, ApiKey (as it is or base64 of id:key), Basic
// (the token as password) or Splunk. The error is fault.Unauthentic, or the token store's.
func (g *Gate) Admit(r *http.Request, input string) (Caller, error) {
	c := Caller{Remote: remoteIP(r)}
	secrets := presented(r.Header.Get("Authorization"))
	if len(secrets) == 0 {
		g.opt.Observer.Refused("", input, c.Remote, 0, errNoToken.Detail)
		return c, errNoToken
	}
	for _, secret := range secrets {
		if g.opt.Local != nil && g.opt.Local(secret) {
			c.Local = true
			return c, nil
		}
		source, err := g.opt.Tokens.Authenticate(r.Context(), secret)
		if err == nil {
			c.Source = source
			return c, nil
		}
		if !fault.Is(err, fault.Unauthentic) {
			return c, err
		}
	}
	g.opt.Observer.Refused("", input, c.Remote, 0, errWrongToken.Detail)
	return c, errWrongToken
}

// presented returns the secrets that an Authorization header may mean, none where it has none.
func presented(header string) []string {
	scheme, value, _ := strings.Cut(strings.TrimSpace(header), " ")
	value = strings.TrimSpace(value)
	if value == "" {
		return nil
	}
	switch strings.ToLower(scheme) {
	case "bearer", "splunk":
		return []string{value}
	case "basic":
		if _, password, ok := decodePair(value); ok && password != "" {
			return []string{password}
		}
	case "apikey":
		// Beats are given "id:key" and send its base64; others send whatever they were given.
		if _, key, ok := decodePair(value); ok && key != "" {
			return []string{key, value}
		}
		return []string{value}
	}
	return nil
}

func decodePair(value string) (name, secret string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(raw), ":")
}

// remoteIP is where the request came from, behind the proxies that are believed.
func remoteIP(r *http.Request) string {
	if ip := httpd.ClientIP(r); ip.IsValid() {
		return ip.String()
	}
	return r.RemoteAddr
}

// Batch returns an empty batch that carries who sent it and when.
func (g *Gate) Batch(c Caller, input string, format intake.Format) *intake.Batch {
	return &intake.Batch{Input: input, Source: c.Source, Format: format, Remote: c.Remote, Received: g.opt.Now().UTC()}
}

// MaxItem is the largest event in bytes.
func (g *Gate) MaxItem() int { return g.opt.MaxItem }

// Refused counts items that the protocol turned away.
func (g *Gate) Refused(c Caller, input string, events int, reason string) {
	g.opt.Observer.Refused(c.Source, input, c.Remote, events, reason)
}

// Accept hands the batch to the sink, all of it or nothing, and counts it. A batch without items is nothing to do.
func (g *Gate) Accept(ctx context.Context, b *intake.Batch) error {
	if len(b.Items) == 0 {
		return nil
	}
	err := g.opt.Sink.Accept(ctx, b)
	count(g.opt.Observer, b, err)
	return err
}

// count tells the observer what became of a batch.
func count(observer Observer, b *intake.Batch, err error) {
	if err != nil {
		observer.Refused(b.Source, b.Input, b.Remote, len(b.Items), err.Error())
		return
	}
	bytes := 0
	for i := range b.Items {
		bytes += len(b.Items[i].Data)
	}
	observer.Accepted(b.Source, b.Input, b.Remote, len(b.Items), bytes)
}

// Temporary reports whether err will pass by itself or with somebody's help: the same request may go in later.
func Temporary(err error) bool {
	return fault.Is(err, fault.Busy) || fault.Is(err, fault.Unavailable)
}

// Status returns the HTTP status that answers err and, where the caller should come again, sets Retry-After.
func Status(w http.ResponseWriter, err error) int {
	status := fault.CodeOf(err).HTTPStatus()
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", retryBusy)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryUnavailable)
	}
	return status
}
