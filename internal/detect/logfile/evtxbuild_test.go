package logfile_test

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// chunkBuilder writes a chunk of an EVTX file, for tests: names and templates refer to where they stand in it.
type chunkBuilder struct {
	data  []byte // from the chunk's beginning
	start int    // of the record being written
	next  uint64 // record id
}

func newChunk() *chunkBuilder { return &chunkBuilder{data: make([]byte, 512), next: 1} }

func (c *chunkBuilder) u8(v ...byte) { c.data = append(c.data, v...) }
func (c *chunkBuilder) u16(v int)    { c.data = binary.LittleEndian.AppendUint16(c.data, uint16(v)) }
func (c *chunkBuilder) u32(v int)    { c.data = binary.LittleEndian.AppendUint32(c.data, uint32(v)) }

func (c *chunkBuilder) utf16(s string) {
	for _, u := range utf16.Encode([]rune(s)) {
		c.u16(int(u))
	}
}

// name writes a name that stands right here.
func (c *chunkBuilder) name(s string) {
	c.u32(len(c.data) + 4)
	c.u32(0) // the next name
	c.u16(0) // hash
	c.u16(len(s))
	c.utf16(s)
	c.u16(0)
}

func (c *chunkBuilder) begin() {
	c.start = len(c.data)
	c.u8(0x2a, 0x2a, 0, 0)
	c.u32(0)
	c.data = binary.LittleEndian.AppendUint64(c.data, c.next)
	c.data = binary.LittleEndian.AppendUint64(c.data, 0)
	c.u8(0x0f, 1, 1, 0)
	c.next++
}

func (c *chunkBuilder) end() {
	c.u8(0)
	size := len(c.data) - c.start + 4
	c.u32(size)
	binary.LittleEndian.PutUint32(c.data[c.start+4:], uint32(size))
}

// template writes an instance of a template that is defined right here, with the values of those types.
func (c *chunkBuilder) template(definition func(), values ...typed) {
	c.u8(0x0c, 1)
	c.u32(7)
	c.u32(len(c.data) + 4)
	c.u32(0)
	c.u8(make([]byte, 16)...)
	sizeAt := len(c.data)
	c.u32(0)
	c.u8(0x0f, 1, 1, 0)
	definition()
	c.u8(0)
	binary.LittleEndian.PutUint32(c.data[sizeAt:], uint32(len(c.data)-sizeAt-4))
	c.values(values...)
}

type typed struct {
	kind byte
	data []byte
}

func (c *chunkBuilder) values(values ...typed) {
	c.u32(len(values))
	for _, v := range values {
		c.u16(len(v.data))
		c.u8(v.kind, 0)
	}
	for _, v := range values {
		c.u8(v.data...)
	}
}

// element writes an element of a template's definition.
func (c *chunkBuilder) element(name string, attributes func(), content func()) {
	token := byte(0x01)
	if attributes != nil {
		token = 0x41
	}
	c.u8(token)
	c.u16(0xffff)
	c.u32(0)
	c.name(name)
	if attributes != nil {
		c.u32(0)
		attributes()
	}
	c.u8(0x02)
	if content != nil {
		content()
	}
	c.u8(0x04)
}

func (c *chunkBuilder) attribute(name, value string) {
	c.u8(0x06)
	c.name(name)
	c.text(value)
}

func (c *chunkBuilder) text(s string) {
	c.u8(0x05, 0x01)
	c.u16(len(utf16.Encode([]rune(s))))
	c.utf16(s)
}

func (c *chunkBuilder) value(id int) {
	c.u8(0x0e)
	c.u16(id)
	c.u8(0)
}

// file returns a whole file of the one chunk, with checksums that are right.
func (c *chunkBuilder) file() []byte {
	end := len(c.data)
	chunk := make([]byte, 64<<10)
	copy(chunk, c.data)
	copy(chunk, "ElfChnk\x00")
	binary.LittleEndian.PutUint32(chunk[40:], 128)
	binary.LittleEndian.PutUint32(chunk[48:], uint32(end))
	binary.LittleEndian.PutUint32(chunk[52:], crc32.ChecksumIEEE(chunk[512:end]))
	binary.LittleEndian.PutUint32(chunk[124:], crc32.Update(crc32.ChecksumIEEE(chunk[:120]), crc32.IEEETable, chunk[128:512]))
	header := make([]byte, 4096)
	copy(header, "ElfFile\x00")
	binary.LittleEndian.PutUint16(header[36:], 1)
	binary.LittleEndian.PutUint16(header[38:], 3)
	binary.LittleEndian.PutUint16(header[42:], 1) // chunks
	return append(header, chunk...)
}

// wide is text as the values have it.
func wide(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// sample is a record with a value of each kind.
func sample() *chunkBuilder {
	c := newChunk()
	c.begin()
	values := []typed{
		{0x06, []byte{0x25, 0x12}},                             // EventID 4645
		{0x01, wide("日本語 \"x\"\x00")},                          // a text with its null
		{0x14, []byte{0x10, 0x14, 0, 0}},                       // 0x1410
		{0x15, []byte{0xe3, 0x9a, 0x52, 0, 0, 0, 0, 0}},        // 0x529ae3
		{0x07, []byte{0xff, 0xff, 0xff, 0xff}},                 // -1
		{0x0a, []byte{255, 255, 255, 255, 255, 255, 255, 255}}, // the largest
		{0x0d, []byte{1, 0, 0, 0}},
		{0x0f, []byte{0x5f, 0x38, 0x70, 0x57, 0x2a, 0xc2, 0xe0, 0x43, 0xbf, 0x4c, 0x06, 0xf5, 0x69, 0x8f, 0xfb, 0xd9}},
		{0x11, []byte{0x80, 0x51, 0x01, 0x9f, 0xda, 0x41, 0xdc, 0x01}},
		{0x13, []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0}},
		{0x0e, []byte{0xde, 0xad}},
		{0x81, append(append(wide("one"), 0, 0), append(wide("two"), 0, 0)...)},
		{0x00, nil},
		{0x86, []byte{1, 0, 2, 0}},
		{0x12, []byte{0xea, 0x07, 2, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0}},
		{0x77, []byte{1, 2}},
		{0x08, []byte{1}}, // a size that is not the type's
	}
	names := []string{"", "Text", "Hex32", "Hex64", "Negative", "Large", "Yes", "Guid", "Time", "Sid", "Bytes", "List", "Null", "Numbers", "Clock", "Odd", "Short"}
	c.template(func() {
		c.element("Event", func() { c.attribute("xmlns", "urn:x") }, func() {
			c.element("System", nil, func() {
				c.element("Provider", func() { c.attribute("Name", "P") }, nil)
				c.element("EventID", nil, func() { c.value(0) })
			})
			c.element("EventData", nil, func() {
				for i := 1; i < len(names); i++ {
					c.element("Data", func() { c.attribute("Name", names[i]) }, func() { c.value(i) })
				}
				c.element("Data", nil, func() { c.text("un"); c.text("named") })
				c.element("Data", nil, func() { c.text("&"); c.u8(0x08); c.u16('<') })
			})
		})
	}, values...)
	c.end()
	return c
}
