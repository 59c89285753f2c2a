package httpd

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// bodyStart is how long a request's body may take before it must keep the pace of bodyRate bytes a second: enough
	// for the slowest line, too much for a client that holds connections by sending a byte now and then.
	bodyStart = 30 * time.Second
	bodyRate  = 1 << 10
	// stall is how long a client may leave a part of the answer unread.
	stall = 60 * time.Second
)

// paced gives each request deadlines that move with what it sends and reads: a large import may take an hour and a live
// view a day, and a client that does neither loses its connection.
type paced struct {
	http.ResponseWriter
	control *http.ResponseController
	multi   bool // HTTP/2, where a deadline that passes ends the stream even when nobody writes
}

// pace returns what the handler is given (first is how long the body may take before its pace counts), and what is to be called after it.
func pace(w http.ResponseWriter, r *http.Request, first time.Duration) (*paced, *http.Request, func()) {
	p := &paced{ResponseWriter: w, control: http.NewResponseController(w), multi: r.ProtoMajor >= 2}
	if r.Body != nil && r.Body != http.NoBody {
		body := &pacedBody{ReadCloser: r.Body, control: p.control, start: time.Now(), first: first}
		_ = p.control.SetReadDeadline(body.start.Add(first)) // a writer that cannot is a test's
		copied := *r
		copied.Body = body
		r = &copied
	}
	return p, r, func() { _ = p.control.SetWriteDeadline(time.Now().Add(stall)) } // for what is still buffered
}

func (p *paced) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(stall))
	n, err := p.ResponseWriter.Write(b)
	if p.multi {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
	return n, err
}

// FlushError is what http.ResponseController looks for.
func (p *paced) FlushError() error {
	_ = p.control.SetWriteDeadline(time.Now().Add(stall))
	err := p.control.Flush()
	if p.multi {
		_ = p.control.SetWriteDeadline(time.Time{})
	}
	return err
}

// Unwrap lets http.ResponseController reach the rest.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }

type pacedBody struct {
	io.ReadCloser
	control *http.ResponseController
	start   time.Time
	first   time.Duration // before the pace counts
	bytes   int64
}

func (b *pacedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	b.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{}) // the handler may take its time now
	case err == nil:
		_ = b.control.SetReadDeadline(b.start.Add(b.first + time.Duration(b.bytes)*time.Second/bodyRate))
	}
	return n, err
}
