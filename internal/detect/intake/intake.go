// Package intake is what an input hands over: raw items as they came, in batches, to a Sink that answers
// only once they are safe on disk.
//
// An input knows its protocol and nothing about events; what an item means is decided later by
// package normalise, from the batch's Format and hints. So nothing that an input accepts can be lost to a
// parser's bug: the spool holds the original.
package intake

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Format says how an item is to be read.
type Format string

// The formats. An input uses the most exact one it knows.
const (
	JSON   Format = "json"   // one JSON object: whatever shape, recognised by its fields
	Line   Format = "line"   // one line of text: recognised by its looks (syslog, access log, auditd, …)
	Syslog Format = "syslog" // one syslog message, RFC 3164 or RFC 5424, without its transport framing
	HEC    Format = "hec"    // one Splunk HEC envelope: {"time","host","source","sourcetype","index","event","fields"}
	OTLP   Format = "otlp"   // one OpenTelemetry log record with its resource and scope, as this program's otlp input writes it
	// Zeek is one JSON object made from a line of a Zeek TSV file: the header's field names and the
	// line's values, "_path" from the header's #path.
	Zeek Format = "zeek"
)

// Batch is what one request, one connection's flush or one chunk of a file brought.
type Batch struct {
	Input    string    // the kind of input: elastic, hec, otlp, api, syslog, file, import
	Source   string    // the source's id: the token's or the listener's name
	Format   Format    // how to read every item
	Dataset  string    // a hint where the sender gave one: Elastic index, HEC sourcetype, Zeek path, ""
	Remote   string    // the sender's IP address, "" for local files
	File     string    // the file's path as the user named it, "" otherwise
	Received time.Time // when the input accepted it
	Items    []Item
}

// Item is one event as it came.
type Item struct {
	Data []byte
	// Record is the item's number in File: the line, or the EVTX record id. 0 where it has none.
	Record uint64
	// Error, if not empty, says that the input's reader could not make sense of Data, which is then stored as it
	// came with event.kind pipeline_error.
	Error string
}

// Sink takes batches. Accept returns nil only once the batch is on disk; a fault.Busy error means "full for
// now", fault.TooLarge "never". Safe for concurrent use. The batch may be reused after Accept returns.
type Sink interface {
	Accept(ctx context.Context, b *Batch) error
}

const encodingVersion = 1

// AppendBinary appends the batch's encoding for the spool: length-prefixed, without reflection.
func (b *Batch) AppendBinary(dst []byte) []byte {
	dst = append(dst, encodingVersion)
	for _, s := range [...]string{b.Input, b.Source, string(b.Format), b.Dataset, b.Remote, b.File} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	dst = binary.AppendVarint(dst, b.Received.UnixMicro())
	dst = binary.AppendUvarint(dst, uint64(len(b.Items)))
	for _, it := range b.Items {
		dst = binary.AppendUvarint(dst, it.Record)
		dst = binary.AppendUvarint(dst, uint64(len(it.Error)))
		dst = append(dst, it.Error...)
		dst = binary.AppendUvarint(dst, uint64(len(it.Data)))
		dst = append(dst, it.Data...)
	}
	return dst
}

// Decode reads what AppendBinary wrote. The items' data point into src.
func (b *Batch) Decode(src []byte) error {
	d := decoder{rest: src}
	if v := d.byte(); v != encodingVersion {
		return fmt.Errorf("batch: encoding version %d, want %d", v, encodingVersion)
	}
	b.Input, b.Source, b.Format = d.string(), d.string(), Format(d.string())
	b.Dataset, b.Remote, b.File = d.string(), d.string(), d.string()
	b.Received = time.UnixMicro(d.varint()).UTC()
	n := d.uvarint()
	if n > uint64(len(d.rest)) { // each item takes at least three bytes
		return fmt.Errorf("batch: %d items in %d bytes", n, len(d.rest))
	}
	b.Items = b.Items[:0]
	for range n {
		b.Items = append(b.Items, Item{Record: d.uvarint(), Error: d.string(), Data: d.bytes()})
	}
	if d.failed || len(d.rest) > 0 {
		return fmt.Errorf("batch: damaged encoding, %d bytes left", len(d.rest))
	}
	return nil
}

// decoder reads length-prefixed values and remembers that something was missing.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.failed = true
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.failed, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.failed, d.rest = true, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes()) }
