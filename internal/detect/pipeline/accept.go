package pipeline

import (
	"context"
	"slices"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/fault"
)

const (
	// recordBytes is how large a spool record of several items may get: enough to be worth a sync, small enough
	// that workers share a large batch.
	recordBytes = 1 << 20
	// itemOverhead is more than an item's lengths and number take.
	itemOverhead = 32
)

var _ intake.Sink = (*Pipeline)(nil)

// Accept keeps the batch in the spool, all of it or nothing. An item that no record can hold is fault.TooLarge.
func (p *Pipeline) Accept(ctx context.Context, b *intake.Batch) error {
	limit := p.spool.MaxRecord()
	head := headBytes(b)
	for i := range b.Items {
		if need := head + itemBytes(&b.Items[i]); need > limit {
			return fault.New(fault.TooLarge, "fault.spool.too_large", "item %d takes %d bytes; the spool takes %d", i+1, need, limit)
		}
	}
	var records [][]byte
	part := *b
	for rest := b.Items; len(rest) > 0; {
		n, size := 1, head+itemBytes(&rest[0])
		for n < len(rest) && size+itemBytes(&rest[n]) <= min(recordBytes, limit) {
			size += itemBytes(&rest[n])
			n++
		}
		part.Items, rest = rest[:n], rest[n:]
		buf := p.buffer()
		defer p.buffers.Put(buf)
		*buf = part.AppendBinary(slices.Grow((*buf)[:0], size))
		records = append(records, *buf)
	}
	if len(records) == 0 {
		return nil
	}
	_, err := p.spool.Append(ctx, records...)
	return err
}

// buffer returns memory for an encoded record; give it back to buffers.
func (p *Pipeline) buffer() *[]byte {
	if buf, ok := p.buffers.Get().(*[]byte); ok {
		return buf
	}
	return new([]byte)
}

func headBytes(b *intake.Batch) int {
	return itemOverhead*3 + len(b.Input) + len(b.Source) + len(b.Format) + len(b.Dataset) + len(b.Remote) + len(b.File)
}

func itemBytes(it *intake.Item) int { return itemOverhead + len(it.Data) + len(it.Error) }
