package sheet

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"yagura/internal/platform/fault"
)

// csvName stands for the sheet's name in faults.
const csvName = "CSV"

// openCSV finds out encoding, line ends and delimiter; it reads the file through for that, and through again for the rows.
func openCSV(r io.ReadSeeker, head []byte, lim Limits) (*Reader, error) {
	enc, err := csvEncoding(r, head)
	if err != nil {
		return nil, err
	}
	look, err := survey(decoded(r, enc, false))
	if err != nil {
		return nil, err
	}
	out := &Reader{Format: CSV, Name: csvName}
	out.rows = func(yield func(Row, error) bool) {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			yield(Row{}, fmt.Errorf("reading the table: %w", err))
			return
		}
		in := csv.NewReader(decoded(r, enc, look.bareCR))
		in.Comma, in.FieldsPerRecord = look.comma, -1
		c := collector{sheet: csvName, lim: lim}
		for {
			fields, err := in.Read()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Row{}, csvFault(err))
				return
			}
			line, _ := in.FieldPos(0)
			for i, field := range fields {
				fields[i] = arm(field)
			}
			row := Row{line, fields}
			keep, err := c.fits(&row)
			if err != nil {
				yield(Row{}, err)
				return
			}
			if keep && !yield(row, nil) {
				return
			}
		}
	}
	return out, nil
}

// csvEncoding is UTF-16 by its mark, UTF-8 where all of it is, or else Shift_JIS where all of it is.
func csvEncoding(r io.ReadSeeker, head []byte) (encoding.Encoding, error) {
	utf8, utf16 := encoding.Encoding(unicode.UTF8), unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	var try []encoding.Encoding
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		try = []encoding.Encoding{utf16}
	case bytes.IndexByte(head, 0) >= 0:
		return nil, fault.New(fault.Invalid, "fault.sheet.format", "the file is neither CSV nor XLSX")
	case bytes.HasPrefix(head, []byte(bom)):
		try = []encoding.Encoding{utf8}
	default:
		try = []encoding.Encoding{utf8, japanese.ShiftJIS}
	}
	first := 0
	for _, enc := range try {
		var text io.Reader = &replaced{r: enc.NewDecoder().Reader(r)}
		if enc == utf8 {
			text = transform.NewReader(r, encoding.UTF8Validator) // the replacement character may be meant
		}
		bad, err := badLine(text)
		if err == nil {
			_, err = r.Seek(0, io.SeekStart)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the table: %w", err)
		}
		if bad == 0 {
			return enc, nil
		}
		first = cmp.Or(first, bad)
	}
	return nil, place{csvName, first, 1}.wrong(fault.Invalid, "fault.sheet.encoding", "neither UTF-8, UTF-16 nor Shift_JIS")
}

// badLine is the line at which a text stops being valid, 0 where it does not.
func badLine(r io.Reader) (int, error) {
	line, buf := 1, make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		line += bytes.Count(buf[:n], []byte("\n"))
		switch {
		case err == io.EOF:
			return 0, nil
		case errors.Is(err, encoding.ErrInvalidUTF8), errors.Is(err, errReplaced):
			return line, nil
		case err != nil:
			return 0, err
		}
	}
}

var errReplaced = errors.New("a character that the encoding does not have")

// replaced fails where a decoder had to put the replacement character.
type replaced struct {
	r    io.Reader
	last []byte // the last two bytes before
}

func (x *replaced) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	x.last = append(x.last, p[:n]...)
	if at := bytes.Index(x.last, []byte("\ufffd")); at >= 0 {
		return max(0, n-(len(x.last)-at)), errReplaced
	}
	x.last = append([]byte(nil), x.last[max(0, len(x.last)-2):]...)
	return n, err
}

// decoded is r as UTF-8 without a mark; with bareCR, line ends of old Macs are as everywhere else.
func decoded(r io.Reader, enc encoding.Encoding, bareCR bool) io.Reader {
	r = transform.NewReader(r, unicode.BOMOverride(enc.NewDecoder()))
	if bareCR {
		return crToLF{r}
	}
	return r
}

type crToLF struct{ r io.Reader }

func (c crToLF) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// surveyed is what a first reading tells.
type surveyed struct {
	comma  rune
	bareCR bool // there are CRs, and no LF
}

// survey counts what could be delimiters in the first record, outside quotes; a comma wins a draw.
func survey(r io.Reader) (surveyed, error) {
	var cr, lf, quoted, done bool
	count := map[byte]int{}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			cr, lf = cr || b == '\r', lf || b == '\n'
			switch {
			case done:
			case b == '"':
				quoted = !quoted
			case quoted:
			case b == ',', b == ';', b == '\t':
				count[b]++
			case b == '\r', b == '\n':
				done = len(count) > 0
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return surveyed{}, fmt.Errorf("reading the table: %w", err)
		}
	}
	best := byte(',')
	for _, b := range []byte{';', '\t'} {
		if count[b] > count[best] {
			best = b
		}
	}
	return surveyed{rune(best), cr && !lf}, nil
}

// csvFault says where quotes are wrong.
func csvFault(err error) error {
	bad, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return fmt.Errorf("reading the table: %w", err)
	}
	return place{csvName, bad.Line, bad.Column}.wrong(fault.Invalid, "fault.sheet.quote", bad.Err.Error())
}
