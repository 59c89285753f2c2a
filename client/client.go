// Package client speaks to a Yagura server's API. It needs only the standard library.
//
// What it promises: an error of the server is a *Problem; a request that may have been carried out is sent again only where that is safe: what
// reads, and what carries an idempotency key, which all that makes or moves something gives itself; a wait that the server asks for
// (Retry-After) is kept. Files are streamed in both directions, and a download that is not what the server keeps ends with an error. A Client is
// safe for concurrent use.
//
// Kinds are named as in the addresses of their API: "alerts".
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer = 32 << 20 // of an answer that is read as a whole
	maxWait   = time.Minute
	firstWait = 500 * time.Millisecond
)

// Options change how a client works. Zero values have the defaults that stand beside them.
type Options struct {
	HTTP     *http.Client // http.DefaultClient
	Attempts int          // 4: how often a request is sent at most; 1 never sends again
	Language string       // of what is meant for people: "ja", "en"; "" is the server's choice
}

// Client is a server and who asks it.
type Client struct {
	base  string
	token string
	opt   Options
}

// New makes a client. base is the server's address, "https://yagura.example". The error says what is wrong with it; a token goes over
// plain http only to this machine.
func New(base, token string, opt Options) (*Client, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the server's address: %w", err)
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "":
		return nil, fmt.Errorf("the server's address %q is not like https://yagura.example", u.Redacted())
	case u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1":
		return nil, fmt.Errorf("%s would have the token in plain text: use https", u.Redacted())
	}
	opt.HTTP = cmp.Or(opt.HTTP, http.DefaultClient)
	opt.Attempts = cmp.Or(opt.Attempts, 4)
	return &Client{strings.TrimSuffix(u.String(), "/"), token, opt}, nil
}

// Problem is an error of the server (RFC 9457).
type Problem struct {
	Status  int               `json:"status"`
	Code    string            `json:"code"`    // "invalid", "not_found", "outdated", …
	Title   string            `json:"title"`   // the status in words
	Detail  string            `json:"detail"`  // in English
	Message string            `json:"message"` // in the language of who asks
	Errors  map[string]string `json:"errors"`  // what is wrong with each field
	Request string            `json:"request"` // the id that the server's log has
}

// Error implements error.
func (p *Problem) Error() string {
	text := fmt.Sprintf("the server answered %d %s", p.Status, cmp.Or(p.Detail, p.Message, p.Title))
	if p.Request != "" {
		text += " (request " + p.Request + ")"
	}
	return text
}

// IsCode reports whether an error is a problem of a code.
func IsCode(err error, code string) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code == code
}

// call is a request, and what may be done with it.
type call struct {
	method, path string
	query        url.Values
	body         []byte
	header       http.Header
	accept       string
	again        bool // sending it twice does what sending it once does

	file *sending // a body that is sent as it is read, instead of body
}

// NewKey makes an idempotency key.
func NewKey() string { return rand.Text() }

// send sends a call, again where that is safe and may help, and returns an answer of success, whose body the caller closes.
func (c *Client) send(ctx context.Context, x call) (*http.Response, error) {
	pause := firstWait
	for attempt := 1; ; attempt++ {
		response, err := c.once(ctx, x)
		wait, again := retry(response, err, pause, x.again)
		if !again || attempt >= c.opt.Attempts || ctx.Err() != nil {
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", x.method, x.path, err)
			}
			if response.StatusCode >= 300 {
				return nil, problemOf(response)
			}
			return response, nil
		}
		if response != nil {
			response.Body.Close()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		pause = min(2*pause, maxWait)
	}
}

// retry says whether a request is sent again, and after how long. What the server turned away with 429 was not carried out; of a 503 that somebody
// between here and the server may have made, that is not known.
func retry(response *http.Response, err error, pause time.Duration, safe bool) (time.Duration, bool) {
	if err != nil {
		return pause, safe
	}
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		pause = min(time.Duration(min(seconds, 3600))*time.Second, maxWait)
	}
	return pause, safe || response.StatusCode == http.StatusTooManyRequests
}

func (c *Client) once(ctx context.Context, x call) (*http.Response, error) {
	address := c.base + "/api/v1/" + x.path
	if len(x.query) > 0 {
		address += "?" + x.query.Encode()
	}
	body := io.Reader(bytes.NewReader(x.body))
	if x.file != nil {
		from, err := x.file.begin()
		if err != nil {
			return nil, err
		}
		body = from
	}
	r, err := http.NewRequestWithContext(ctx, x.method, address, body)
	if err != nil {
		return nil, err
	}
	for name, values := range x.header {
		r.Header[name] = values
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Accept", cmp.Or(x.accept, "application/json"))
	switch {
	case x.file != nil:
		r.Header.Set("Content-Type", "application/octet-stream")
	case x.body != nil:
		r.Header.Set("Content-Type", "application/json")
	}
	if c.opt.Language != "" {
		r.Header.Set("Accept-Language", c.opt.Language)
	}
	return c.opt.HTTP.Do(r)
}

// problemOf reads an error, also one that something between here and the server made.
func problemOf(response *http.Response) error {
	defer response.Body.Close()
	p := new(Problem)
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || json.Unmarshal(text, p) != nil || p.Code == "" {
		p = &Problem{Title: http.StatusText(response.StatusCode)}
	}
	p.Status = response.StatusCode
	return p
}

// ask sends a call and reads its JSON answer into a value; nil takes none. It returns the version that the answer has.
func (c *Client) ask(ctx context.Context, x call, into any) (version int64, err error) {
	response, err := c.send(ctx, x)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if into != nil {
		if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
			return 0, fmt.Errorf("reading the answer to %s %s: %w", x.method, x.path, err)
		}
	}
	if tag := response.Header.Get("ETag"); tag != "" {
		version, err = strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	}
	return version, err
}
