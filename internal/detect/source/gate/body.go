package gate

import (
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"yagura/internal/platform/fault"
)

const (
	firstBuffer = 64 << 10
	keptBuffer  = 8 << 20 // larger buffers are left to the garbage collector
	bodyTime    = 5 * time.Minute
)

// Body is a request's body, decompressed, in memory until Release.
type Body struct {
	Data    []byte
	gate    *Gate
	charged int64
	made    int64 // of it, by Charge
}

// ItemBytes is what an event takes in memory besides its data.
const ItemBytes = 64

// Charge counts memory that is made of the body: a small one may become many events, or large ones. The error is
// fault.TooLarge where that is more than a body may have, fault.Busy past the limit of all bodies.
func (b *Body) Charge(bytes int) error {
	b.made += int64(bytes)
	if b.made > b.gate.opt.MaxBody {
		return fault.New(fault.TooLarge, "", "the events of the body take more than %d bytes: send fewer at once", b.gate.opt.MaxBody)
	}
	return b.charge(int64(bytes))
}

// charge adds to the budget of all bodies. One that would go past it fails: waiting for others to end could make all of
// them wait for each other.
func (b *Body) charge(bytes int64) error {
	b.charged += bytes
	if b.gate.inflight.Add(bytes) > b.gate.opt.MaxInFlight {
		return fault.New(fault.Busy, "", "too many requests are being worked on")
	}
	return nil
}

// Release gives the memory back; nothing of Data may be used afterwards.
func (b *Body) Release() {
	b.gate.inflight.Add(-b.charged)
	if cap(b.Data) <= keptBuffer {
		data := b.Data[:0]
		b.gate.buffers.Put(&data)
	}
	b.Data, b.charged, b.made = nil, 0, 0
}

// Read reads the body of r, decompressed as Content-Encoding says (gzip, deflate, zstd). The error is
// fault.TooLarge past the limit of one body, fault.Busy past that of all, fault.Invalid where the body is broken or
// its encoding unknown.
func (g *Gate) Read(w http.ResponseWriter, r *http.Request) (*Body, error) {
	if r.ContentLength > g.opt.MaxBody {
		return nil, g.tooLarge()
	}
	// Not every ResponseWriter can do this (tests); the server's own limits then hold.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))

	src, closer, err := decompress(r)
	if err != nil {
		return nil, err
	}
	defer closer()
	body := &Body{gate: g}
	if kept, ok := g.buffers.Get().(*[]byte); ok {
		body.Data = *kept
	}
	if err := body.fill(src, r.ContentLength); err != nil {
		body.Release()
		return nil, err
	}
	return body, nil
}

func (b *Body) fill(src io.Reader, hint int64) error {
	b.Data = b.Data[:0]
	if err := b.grow(max(hint+1, firstBuffer)); err != nil { // one more than the length, to meet EOF without growing
		return err
	}
	for {
		if len(b.Data) == cap(b.Data) {
			if err := b.grow(2 * int64(cap(b.Data))); err != nil {
				return err
			}
		}
		n, err := src.Read(b.Data[len(b.Data):cap(b.Data)])
		b.Data = b.Data[:len(b.Data)+n]
		if int64(len(b.Data)) > b.gate.opt.MaxBody {
			return b.gate.tooLarge()
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fault.New(fault.Invalid, "", "the body cannot be read: %w", err)
		}
	}
}

// grow makes room for size bytes.
func (b *Body) grow(size int64) error {
	size = max(min(size, b.gate.opt.MaxBody+1), int64(cap(b.Data)))
	if err := b.charge(size - b.charged); err != nil {
		return err
	}
	if int64(cap(b.Data)) < size {
		grown := make([]byte, len(b.Data), size)
		copy(grown, b.Data)
		b.Data = grown
	}
	return nil
}

func (g *Gate) tooLarge() error {
	return fault.New(fault.TooLarge, "", "the body is larger than %d bytes after decompression", g.opt.MaxBody)
}

// decompress wraps the request's body as its Content-Encoding says.
func decompress(r *http.Request) (io.Reader, func(), error) {
	nothing := func() {}
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return r.Body, nothing, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, nil, fault.New(fault.Invalid, "", "the body is no gzip: %w", err)
		}
		return z, func() { _ = z.Close() }, nil
	case "deflate", "zlib":
		z, err := zlib.NewReader(r.Body)
		if err != nil {
			return nil, nil, fault.New(fault.Invalid, "", "the body is no zlib stream: %w", err)
		}
		return z, func() { _ = z.Close() }, nil
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, fault.New(fault.Invalid, "", "the body is no zstd: %w", err)
		}
		return z, z.Close, nil
	default:
		return nil, nil, fault.New(fault.Invalid, "", "Content-Encoding %.40q is not known: gzip, deflate and zstd are", encoding)
	}
}
