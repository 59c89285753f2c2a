package sheet

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"yagura/internal/platform/fault"
)

const (
	maxParts  = 4096    // files in an XLSX
	maxMerged = 100_000 // merged ranges in a sheet
	maxShared = 2_000_000
	maxSmall  = 16 << 20 // bytes of a part that is read as a whole
)

// workbook is an XLSX that is read (ECMA-376). excelize would give texts as they look, dates in any form among them, and
// keep whole sheets in memory; we want values, row by row.
type workbook struct {
	parts   map[string]*zip.File
	left    int64 // bytes that may still be unpacked
	shared  []string
	dates   []dateKind // of each cell style
	from    epoch
	sheet   string
	merged  []mergedRange
	lim     Limits
	content string // name of the sheet's part
}

// relationship ties an id to a part.
type relationship struct {
	ID     string `xml:"Id,attr"`
	Type   string `xml:"Type,attr"`
	Target string `xml:"Target,attr"`
}

func openXLSX(r io.ReaderAt, size int64, lim Limits) (*Reader, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, damaged("the archive", err)
	}
	if len(z.File) > maxParts {
		return nil, fault.New(fault.TooLarge, "fault.sheet.unpacked", "an archive of %d files", len(z.File))
	}
	b := &workbook{parts: make(map[string]*zip.File, len(z.File)), left: lim.Unpacked, lim: lim}
	for _, f := range z.File {
		b.parts[strings.ToLower(strings.TrimPrefix(path.Clean("/"+f.Name), "/"))] = f // names are compared without case
	}
	if err := b.findSheet(); err != nil {
		return nil, err
	}
	budget := b.left
	return &Reader{Format: XLSX, Name: b.sheet, rows: func(yield func(Row, error) bool) {
		b.left = budget
		b.read(yield)
	}}, nil
}

// findSheet reads all but the sheet itself.
func (b *workbook) findSheet() error {
	var top struct {
		All []relationship `xml:"Relationship"`
	}
	if err := b.decode("_rels/.rels", &top); err != nil {
		return err
	}
	main := ""
	for _, rel := range top.All {
		if strings.HasSuffix(rel.Type, "/officeDocument") {
			main = target("", rel.Target)
		}
	}
	var book struct {
		Properties struct {
			Date1904 string `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
			ID    string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	if err := b.decode(main, &book); err != nil {
		return err
	}
	b.from = epoch(book.Properties.Date1904 == "1" || book.Properties.Date1904 == "true")
	var rels struct {
		All []relationship `xml:"Relationship"`
	}
	if err := b.decode(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), &rels); err != nil {
		return err
	}
	byID := make(map[string]string, len(rels.All))
	for _, rel := range rels.All {
		at := target(path.Dir(main), rel.Target)
		byID[rel.ID] = at
		var err error
		switch {
		case strings.HasSuffix(rel.Type, "/sharedStrings"):
			err = b.readShared(at)
		case strings.HasSuffix(rel.Type, "/styles"):
			err = b.readStyles(at)
		}
		if err != nil {
			return err
		}
	}
	for _, s := range book.Sheets {
		if at := byID[s.ID]; at != "" && s.State != "hidden" && s.State != "veryHidden" {
			b.sheet, b.content = s.Name, at
			return b.readMerged()
		}
	}
	return fault.New(fault.Invalid, "fault.sheet.none", "the workbook has no sheet that can be seen")
}

// target is a part's name, lower case, of what a relationship of a part in dir says.
func target(dir, name string) string {
	if !strings.HasPrefix(name, "/") {
		name = dir + "/" + name
	}
	return strings.ToLower(strings.TrimPrefix(path.Clean("/"+name), "/"))
}

// open unpacks a part, as far as the budget goes.
func (b *workbook) open(name string) (io.ReadCloser, error) {
	f := b.parts[strings.ToLower(name)]
	if f == nil {
		return nil, damaged(name, errors.New("it is not there"))
	}
	r, err := f.Open()
	if err != nil {
		return nil, damaged(name, err)
	}
	return budgeted{r, &b.left}, nil
}

// budgeted fails where more is unpacked than there may be.
type budgeted struct {
	io.ReadCloser
	left *int64
}

func (r budgeted) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if *r.left -= int64(n); *r.left < 0 {
		return n, fault.New(fault.TooLarge, "fault.sheet.unpacked", "the file grows too large when it is unpacked")
	}
	return n, err
}

// decode reads a small part as a whole.
func (b *workbook) decode(name string, into any) error {
	r, err := b.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	return damaged(name, xml.NewDecoder(io.LimitReader(r, maxSmall)).Decode(into))
}

// damaged says what an XLSX lacks. Faults of ours and nil stay.
func damaged(part string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.New(fault.Invalid, "fault.sheet.damaged", "the XLSX cannot be read: %s: %w", part, err)
}

// readShared reads the texts that cells share. Readings of characters (furigana) are no part of them.
func (b *workbook) readShared(name string) error {
	r, err := b.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	d := xml.NewDecoder(r)
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return damaged(name, err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "si" {
			text, err := richText(d, "si")
			if err != nil {
				return damaged(name, err)
			}
			if len(b.shared) == maxShared {
				return fault.New(fault.TooLarge, "fault.sheet.unpacked", "more than %d shared texts", maxShared)
			}
			b.shared = append(b.shared, text)
		}
	}
}

// richText gathers the texts up to the end of an element that has begun.
func richText(d *xml.Decoder, until string) (string, error) {
	var text strings.Builder
	inText, phonetic := false, 0
	for {
		token, err := d.RawToken()
		if err != nil {
			return "", unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "t":
				inText = phonetic == 0
			case "rPh":
				phonetic++
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "t":
				inText = false
			case "rPh":
				phonetic--
			case until:
				return unescapeText(text.String()), nil
			}
		case xml.CharData:
			if inText {
				text.Write(t)
			}
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// mergedRange is cells that look like one.
type mergedRange struct {
	left, top, right, bottom int
	text                     string // of its first cell, once read
}

// readMerged finds merged ranges, which stand behind all rows. Most sheets have none, and only bytes are looked at.
func (b *workbook) readMerged() error {
	r, err := b.open(b.content)
	if err != nil {
		return err
	}
	found, err := mentions(r, "mergeCell")
	if err := errors.Join(err, r.Close()); err != nil {
		return damaged(b.content, err)
	}
	if !found {
		return nil
	}
	if r, err = b.open(b.content); err != nil {
		return err
	}
	defer r.Close()
	d := xml.NewDecoder(r)
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			slices.SortStableFunc(b.merged, func(x, y mergedRange) int { return cmp.Compare(x.top, y.top) })
			return nil
		}
		if err != nil {
			return damaged(b.content, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "mergeCell" {
			continue
		}
		from, to, _ := strings.Cut(attribute(start, "ref"), ":")
		var m mergedRange
		var okFrom, okTo bool
		m.left, m.top, okFrom = cellAt(from)
		m.right, m.bottom, okTo = cellAt(to)
		if !okFrom || !okTo || m.right < m.left || m.bottom < m.top || len(b.merged) == maxMerged {
			return damaged(b.content, fmt.Errorf("the merged range %q", attribute(start, "ref")))
		}
		b.merged = append(b.merged, m)
	}
}

// mentions reports whether a word is in what r gives.
func mentions(r io.Reader, word string) (bool, error) {
	buf, kept := make([]byte, 64<<10), 0
	for {
		n, err := r.Read(buf[kept:])
		if bytes.Contains(buf[:kept+n], []byte(word)) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		from := max(0, kept+n-len(word)+1)
		kept = copy(buf, buf[from:kept+n])
	}
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// cellAt reads a reference, "BC12": column and row from 1.
func cellAt(ref string) (column, row int, ok bool) {
	ref = strings.ReplaceAll(ref, "$", "")
	i := 0
	for ; i < len(ref) && ref[i] >= 'A' && ref[i] <= 'Z'; i++ {
		if column = column*26 + int(ref[i]-'A') + 1; column > maxColumn {
			return 0, 0, false
		}
	}
	for j := i; j < len(ref); j++ {
		if ref[j] < '0' || ref[j] > '9' {
			return 0, 0, false
		}
		if row = row*10 + int(ref[j]-'0'); row > maxRow {
			return 0, 0, false
		}
	}
	return column, row, column > 0 && row > 0
}

// Excel's own bounds.
const (
	maxColumn = 16_384
	maxRow    = 1_048_576
)
