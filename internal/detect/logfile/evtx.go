package logfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// Windows' event log files (EVTX), after Microsoft's MS-EVEN6 and the libevtx format description: a file header, then
// chunks of 64 KiB that stand for themselves, each with records whose content is binary XML.
//
// Why not a library: the one there is hands out values without their type, so that a 32-bit hexadecimal number
// becomes decimal (Sysmon's GrantedAccess, the audit's AccessMask and Status: what rules compare), and it gives up a
// chunk in silence at the first record that it cannot read. The tests compare with it record by record.
const (
	evtxMagic       = "ElfFile\x00"
	chunkMagic      = "ElfChnk\x00"
	recordMagic     = "\x2a\x2a\x00\x00"
	evtxHeaderSize  = 4096
	chunkSize       = 64 << 10
	chunkHeaderSize = 512
	recordOverhead  = 28 // header and the size repeated at its end
)

// evtxReader reads the file front to back, so that it may be a stream.
type evtxReader struct {
	r      io.Reader
	damage func(place, reason string)

	chunk  []byte
	number int // of the chunk, from 1; 0 before the file header has been read
	chunks int // that the file has, as its header says
	offset int // of the next record
	end    int // of the chunk's records
	xml    binXML
}

func (e *evtxReader) next(b *batch) error {
	if e.number == 0 {
		if err := e.header(); err != nil {
			return err
		}
	}
	for {
		if e.offset >= e.end {
			if err := e.nextChunk(); err != nil {
				return err
			}
			continue
		}
		if e.record(b) {
			return nil
		}
	}
}

func (e *evtxReader) header() error {
	head := make([]byte, evtxHeaderSize)
	if _, err := io.ReadFull(e.r, head); err != nil {
		return fmt.Errorf("file header: %w", err)
	}
	if major := binary.LittleEndian.Uint16(head[38:]); major != 3 {
		e.damage("file header", fmt.Sprintf("EVTX version %d.%d is not known; read as version 3", major, binary.LittleEndian.Uint16(head[36:])))
	}
	e.chunks = int(binary.LittleEndian.Uint16(head[42:]))
	// The header's own block size is always 4096; a damaged one must not move the chunks.
	e.chunk = make([]byte, chunkSize)
	return e.nextChunk()
}

// nextChunk finds the next chunk with records. What is none is skipped; what should be one and is damaged, reported.
func (e *evtxReader) nextChunk() error {
	for {
		n, err := io.ReadFull(e.r, e.chunk)
		e.number++
		place := "chunk " + strconv.Itoa(e.number)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			if n <= chunkHeaderSize || string(e.chunk[:8]) != chunkMagic {
				if !zero(e.chunk[:n]) {
					e.damage("", "it breaks off in "+place+", before its first record")
				}
				return io.EOF
			}
			e.damage("", fmt.Sprintf("it breaks off in %s, after %d of %d bytes", place, n, chunkSize))
			clear(e.chunk[n:])
		case err != nil:
			if errors.Is(err, io.EOF) && e.number <= e.chunks {
				e.damage("", fmt.Sprintf("it ends before %s, of %d that its header tells of", place, e.chunks))
			}
			return err
		case string(e.chunk[:8]) != chunkMagic:
			if !zero(e.chunk) {
				e.damage(place, "it does not begin like a chunk")
			}
			continue
		}
		if e.openChunk(place) {
			return nil
		}
	}
}

// openChunk reads the chunk's header and reports whether it has records.
func (e *evtxReader) openChunk(place string) bool {
	head := e.chunk[:chunkHeaderSize]
	end := int(binary.LittleEndian.Uint32(head[48:]))
	sum := crc32.Update(crc32.ChecksumIEEE(head[:120]), crc32.IEEETable, head[128:])
	switch {
	case sum != binary.LittleEndian.Uint32(head[124:]):
		e.damage(place, "its header's checksum is wrong; read as far as its records make sense")
	case end < chunkHeaderSize || end > chunkSize:
		e.damage(place, fmt.Sprintf("its records end at byte %d of %d; read as far as they make sense", end, chunkSize))
	case crc32.ChecksumIEEE(e.chunk[chunkHeaderSize:end]) != binary.LittleEndian.Uint32(head[52:]):
		e.damage(place, "its records' checksum is wrong; read as far as they make sense")
	}
	if end < chunkHeaderSize || end > chunkSize {
		end = chunkSize
	}
	e.offset, e.end = chunkHeaderSize, end
	e.xml.open(e.chunk)
	return end > chunkHeaderSize
}

// record hands out the record at the offset. Where there is none the chunk is at its end.
func (e *evtxReader) record(b *batch) bool {
	data := e.chunk[e.offset:]
	place := fmt.Sprintf("chunk %d, byte %d", e.number, e.offset)
	if len(data) < recordOverhead || string(data[:4]) != recordMagic {
		if !zero(data[:min(len(data), e.end-e.offset)]) {
			e.damage(place, "no record begins here; the rest of the chunk is skipped")
		}
		e.offset = e.end
		return false
	}
	size := int(binary.LittleEndian.Uint32(data[4:]))
	id := binary.LittleEndian.Uint64(data[8:])
	if size < recordOverhead || size > len(data) {
		e.damage(place, fmt.Sprintf("record %d says it is %d bytes long; the rest of the chunk is skipped", id, size))
		e.offset = e.end
		return false
	}
	start := len(b.block)
	block, err := e.xml.appendJSON(b.block, e.offset+24, e.offset+size-4)
	e.offset += size
	if err != nil {
		b.add(data[:size], id, fmt.Sprintf("chunk %d: record %d: %v", e.number, id, err))
		return true
	}
	b.block = block
	b.commit(start, id)
	return true
}

func zero(data []byte) bool {
	for _, c := range data {
		if c != 0 {
			return false
		}
	}
	return true
}
