package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Attachment is a file that belongs to a record.
type Attachment struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Author  string    `json:"author"`
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Media   string    `json:"media"` // by its first bytes
	Note    string    `json:"note"`
	Place   string    `json:"place"`   // where the original lies
	Holder  string    `json:"holder"`  // who answers for it
	Offered string    `json:"offered"` // who is to take it over
	Damaged string    `json:"damaged"` // the hash of other bytes than those received
	Removed *Removal  `json:"removed"`
}

// Removal is that something was taken away.
type Removal struct {
	At  time.Time `json:"at"`
	By  string    `json:"by"`
	Why string    `json:"why"`
}

// Custody is a link of an attachment's chain of custody.
type Custody struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	From   string    `json:"from"` // a person's id, a place or a hash, as the action has it
	To     string    `json:"to"`
	Note   string    `json:"note"`
}

// Attaching is what goes with a file.
type Attaching struct {
	Name  string
	Note  string
	Place string
}

// Attach sends a file as it is read: memory does not grow with it. Where the file can be read again from its present place (an io.Seeker), it is
// sent again when it was cut off.
func (c *Client) Attach(ctx context.Context, kind, id string, file io.Reader, with Attaching) (a Attachment, err error) {
	query := url.Values{"name": {with.Name}}
	if with.Note != "" {
		query.Set("note", with.Note)
	}
	if with.Place != "" {
		query.Set("place", with.Place)
	}
	err = c.upload(ctx, at(kind, id)+"/attachments", query, file, &a)
	return a, err
}

// Attachments goes through the files of a record, removed ones among them.
func (c *Client) Attachments(ctx context.Context, kind, id string) iter.Seq2[Attachment, error] {
	return List[Attachment](ctx, c, at(kind, id)+"/attachments", nil)
}

// Chain goes through the chain of custody of an attachment, the latest first.
func (c *Client) Chain(ctx context.Context, kind, id, attachment string) iter.Seq2[Custody, error] {
	return List[Custody](ctx, c, at(at(kind, id)+"/attachments", attachment)+"/custody", nil)
}

// Detach takes a file away from its record with the reason; it stays listed.
func (c *Client) Detach(ctx context.Context, kind, id, attachment, why string) error {
	return c.Delete(ctx, at(kind, id)+"/attachments", attachment, 0, why)
}

// Download opens a file for reading, which its chain of custody has. The caller closes it. Reading ends with io.EOF only where all came and is
// what the server says that it keeps: with another SHA-256 it ends with an error.
func (c *Client) Download(ctx context.Context, kind, id, attachment string) (io.ReadCloser, error) {
	path := at(at(kind, id)+"/attachments", attachment) + "/file"
	response, err := c.send(ctx, call{method: http.MethodGet, path: path, accept: "*/*", again: true})
	if err != nil {
		return nil, err
	}
	return &checked{ReadCloser: response.Body, sum: sha256.New(), want: strings.Trim(response.Header.Get("ETag"), `"`)}, nil
}

// checked compares what is read with its hash.
type checked struct {
	io.ReadCloser
	sum  hash.Hash
	want string
}

func (f *checked) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.sum.Write(p[:n]) // a hash takes all
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(f.sum.Sum(nil)); got != f.want {
			return n, fmt.Errorf("the file has the SHA-256 %s, and the server said %q", got, f.want)
		}
	}
	return n, err
}

// upload sends a file by POST and reads the answer.
func (c *Client) upload(ctx context.Context, path string, query url.Values, file io.Reader, into any) error {
	x := call{method: http.MethodPost, path: path, query: query, file: &sending{file: file}, header: make(http.Header)}
	x.header.Set("Idempotency-Key", NewKey())
	if seeker, ok := file.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil { // what cannot go back, as a pipe, is sent once
			x.again, x.file.seeker, x.file.start = true, seeker, start
		}
	}
	_, err := c.ask(ctx, x, into)
	return err
}

// sending is a file on its way, from where it was first, each time that it is sent.
type sending struct {
	file   io.Reader
	seeker io.Seeker // nil where it cannot be sent again
	start  int64
	left   chan struct{} // closed when nobody reads what was sent before any more
}

// begin goes back to the start. A request that failed may be read for a moment yet.
func (s *sending) begin() (io.ReadCloser, error) {
	if s.left != nil {
		<-s.left
	}
	s.left = make(chan struct{})
	if s.seeker != nil {
		if _, err := s.seeker.Seek(s.start, io.SeekStart); err != nil {
			return nil, fmt.Errorf("going back to the start of the file: %w", err)
		}
	}
	left := s.left
	return &body{Reader: s.file, close: sync.OnceFunc(func() { close(left) })}, nil
}

// body is a request's body, whose end leaves the file open: that is its owner's.
type body struct {
	io.Reader
	close func()
}

func (b *body) Close() error {
	b.close()
	return nil
}
