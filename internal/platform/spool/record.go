package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A record is framed as
//
//	length   uint32  of the payload
//	check    uint32  CRC-32C of the four bytes of length
//	sum      uint32  CRC-32C of the payload
//	payload  length bytes
//
// all little-endian. The length has a checksum of its own, so that a damaged payload costs one record and
// not the rest of the segment; and a stretch of zeros, which file systems leave after a power cut, is no record.
const frameBytes = 12

var (
	errHeader  = errors.New("the record's header is damaged")
	errPayload = errors.New("the record does not match its checksum")
	errCut     = errors.New("the record reaches beyond the end")
)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendFrame appends the payload as a record.
func appendFrame(dst, payload []byte, sum uint32) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, castagnoli(dst[len(dst)-4:]))
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return append(dst, payload...)
}

// parseFrame reads the frameBytes before a payload.
func parseFrame(frame []byte) (length int, sum uint32, err error) {
	if castagnoli(frame[:4]) != binary.LittleEndian.Uint32(frame[4:]) {
		return 0, 0, errHeader
	}
	return int(binary.LittleEndian.Uint32(frame)), binary.LittleEndian.Uint32(frame[8:]), nil
}

// scanner reads records from a segment's file, up to limit and never beyond.
type scanner struct {
	file   io.ReaderAt
	offset int64 // of the next record
	limit  int64

	buf   []byte
	start int64 // the file offset of buf[0]
}

// chunkBytes is how much a scanner reads at once, unless a record is longer.
const chunkBytes = 256 << 10

// next appends the next record's payload to dst[:0]. After an error offset is behind the damage: behind the record where
// its header could be trusted, at limit otherwise. The caller makes sure that offset is before limit.
func (s *scanner) next(dst []byte) ([]byte, error) {
	frame, err := s.view(frameBytes)
	if err != nil {
		s.offset = s.limit
		return dst[:0], err
	}
	length, sum, err := parseFrame(frame)
	if err != nil {
		s.offset = s.limit
		return dst[:0], err
	}
	whole, err := s.view(frameBytes + length)
	s.offset = min(s.offset+int64(frameBytes+length), s.limit)
	if err != nil {
		return dst[:0], err
	}
	if castagnoli(whole[frameBytes:]) != sum {
		return dst[:0], errPayload
	}
	return append(dst[:0], whole[frameBytes:]...), nil
}

// view returns the n bytes at offset, valid until the next call.
func (s *scanner) view(n int) ([]byte, error) {
	if int64(n) > s.limit-s.offset {
		return nil, errCut
	}
	if from := s.offset - s.start; from >= 0 && from+int64(n) <= int64(len(s.buf)) {
		return s.buf[from : from+int64(n)], nil
	}
	size := int(min(int64(max(n, chunkBytes)), s.limit-s.offset))
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	got, err := s.file.ReadAt(s.buf[:size], s.offset)
	s.buf, s.start = s.buf[:got], s.offset
	if got < n {
		return nil, fmt.Errorf("reading: %w", err)
	}
	return s.buf[:n], nil
}
