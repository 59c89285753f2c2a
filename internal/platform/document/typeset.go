package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/signintech/gopdf"
	"github.com/yuin/goldmark/ast"

	"yagura/internal/platform/fault"
)

// The paper, in points.
const (
	pageWidth, pageHeight = 595.28, 841.89
	side                  = 57.0
	top, bottom           = 74.0, 66.0
	textSize              = 10.5
	leading               = 1.65
	maxPages              = 2000
	maxColumns            = 50          // of a table that is set as one: more are narrower than a character
	maxPlaced             = 200_000_000 // points of all pictures, each as often as it is shown
)

// typesetter sets a paper page by page.
type typesetter struct {
	ctx      context.Context // of one paper: how long it may take
	pdf      *gopdf.GoPdf
	paper    Paper
	faces    faces
	source   []byte
	pictures map[string]picture

	y      float64
	page   int
	pages  int            // of the pass before: 0 in the first
	starts map[string]int // page of each heading, from the pass before
	found  map[string]int
	placed int       // points of pictures
	quotes []float64 // where the bars of quotations stand
	err    error     // the first of what the PDF refused; all others follow from it
}

// typeset sets a paper without a browser. It goes over the text until the page numbers in the table of contents are those of the
// headings: the first time they are not known, the second they are, unless their width has moved a line.
func (p *Press) typeset(ctx context.Context, paper Paper, pictures map[string]picture) ([]byte, error) {
	faces, err := p.faces()
	if err != nil {
		return nil, err
	}
	_, tree, source := parse(paper.Markdown, paper.printHooks())
	last := &typesetter{}
	for range 3 {
		t := &typesetter{ctx: ctx, paper: paper, faces: faces, source: source, pictures: pictures, pages: last.page, starts: last.found, found: make(map[string]int)}
		if err := t.set(tree); err != nil {
			return nil, err
		}
		if settled := t.pages == t.page && equal(t.starts, t.found); settled {
			return t.bytes()
		}
		last = t
	}
	return last.bytes()
}

func equal(a, b map[string]int) bool {
	for id, page := range b {
		if a[id] != page {
			return false
		}
	}
	return true
}

func (t *typesetter) bytes() ([]byte, error) {
	var out bytes.Buffer
	if _, err := t.pdf.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("writing the paper: %w", err)
	}
	return out.Bytes(), nil
}

// set goes over the whole paper once.
func (t *typesetter) set(tree ast.Node) error {
	t.pdf = &gopdf.GoPdf{}
	t.pdf.Start(gopdf.Config{PageSize: gopdf.Rect{W: pageWidth, H: pageHeight}})
	if err := t.faces.load(t.pdf); err != nil {
		return fault.New(fault.Unavailable, "fault.document.font", "the font cannot be read: %w", err)
	}
	t.pdf.SetInfo(gopdf.PdfInfo{Title: t.paper.Title, Author: t.paper.Author, Producer: "Yagura", CreationDate: t.paper.Date})
	t.newPage()
	t.front()
	t.contents(contents(tree, t.source))
	t.blocks(tree, side, pageWidth-2*side)
	return t.err
}

func (t *typesetter) keep(err error) {
	if t.err == nil && err != nil {
		t.err = fmt.Errorf("setting the paper: %w", err)
	}
}

// newPage begins a page with its head and foot.
func (t *typesetter) newPage() {
	if t.page++; t.page > maxPages {
		t.keep(fault.New(fault.TooLarge, "fault.document.too_long", "more than %d pages", maxPages))
		t.y = top
		return
	}
	t.inTime()
	t.pdf.AddPage()
	const small = 8
	t.color(0x3a, 0x46, 0x57)
	width := pageWidth - 2*side
	class := []run{{text: printable(t.paper.Classification), bold: true}}
	title := breakLines([]run{{text: printable(t.paper.Title)}}, width-t.measure(small)(class[0].text, class[0])-20, t.measure(small))[0]
	t.draw(title, side, 36, small)
	t.rule(52)
	t.draw(breakLines([]run{{text: t.paper.edge()}}, width-80, t.measure(small))[0], side, pageHeight-44, small)
	number := strconv.Itoa(t.page) + " / " + strconv.Itoa(max(t.pages, t.page))
	t.right(number, run{}, pageHeight-44, small)
	t.color(0xa3, 0x20, 0x1d)
	t.right(class[0].text, class[0], 36, small)
	t.color(0x16, 0x20, 0x2e)
	t.y = top
}

// inTime ends what takes longer than a paper may: what follows is neither measured nor drawn.
func (t *typesetter) inTime() {
	if err := t.ctx.Err(); err != nil {
		t.keep(fault.New(fault.TooLarge, "fault.document.too_long", "the paper was not set in time: %w", err))
	}
}

func (t *typesetter) right(text string, look run, y, size float64) {
	look.text = text
	l := breakLines([]run{look}, math.Inf(1), t.measure(size))[0]
	t.draw(l, pageWidth-side-l.width, y, size)
}

// rule draws a thin line over the page.
func (t *typesetter) rule(y float64) {
	t.pdf.SetLineWidth(0.6)
	t.pdf.SetStrokeColor(0xb8, 0xc0, 0xcc)
	t.pdf.Line(side, y, pageWidth-side, y)
}

// front sets title and facts.
func (t *typesetter) front() {
	width := pageWidth - 2*side
	t.lines([]run{{text: printable(t.paper.Title), bold: true}}, side, width, 20, 1.35)
	t.y += 8
	for _, f := range t.paper.facts() {
		y := t.y
		t.color(0x55, 0x60, 0x6f)
		t.lines([]run{{text: f.Label}}, side, 110, 9, 1.5)
		t.color(0x16, 0x20, 0x2e)
		t.y = y
		t.lines([]run{{text: printable(f.Value)}}, side+115, width-115, 9, 1.5)
	}
	t.y += 8
	t.rule(t.y)
	t.y += 18
}

// contents sets the table of contents, on pages of its own.
func (t *typesetter) contents(list []heading) {
	if len(list) == 0 {
		return
	}
	t.lines([]run{{text: t.paper.Words.T("document.contents"), bold: true}}, side, pageWidth-2*side, 13.5, 1.8)
	for _, h := range list {
		indent := side + float64(h.Level-1)*16
		t.room(textSize * leading)
		number := strconv.Itoa(t.starts[h.ID])
		l := breakLines([]run{{text: printable(h.Text)}}, pageWidth-side-40-indent, t.measure(textSize))[0]
		t.draw(l, indent, t.y, textSize)
		t.right(number, run{}, t.y, textSize)
		for x := indent + l.width + 6; x < pageWidth-side-t.measure(textSize)(number, run{})-6; x += 5 {
			t.draw(line{pieces: []piece{{run: run{text: "."}}}}, x, t.y, textSize)
		}
		t.pdf.AddInternalLink(h.ID, indent, t.y, pageWidth-side-indent, textSize*leading)
		t.y += textSize * leading
	}
	t.newPage()
}

// room begins a new page where so much does not fit on this one.
func (t *typesetter) room(height float64) {
	if t.y+height > pageHeight-bottom && t.y > top {
		t.newPage()
	}
}

// lines sets runs at x, line after line, over pages.
func (t *typesetter) lines(runs []run, x, width, size, spacing float64) {
	for _, l := range breakLines(runs, width, t.measure(size)) {
		height := size * spacing
		t.room(height)
		for _, bar := range t.quotes {
			t.box(bar, t.y-1, 2.5, height+1, 0xb8, 0xc0, 0xcc)
		}
		t.draw(l, x, t.y+(height-size)/2-size*0.1, size)
		t.y += height
	}
}

// draw puts a line on the page, its upper left corner at x and y.
func (t *typesetter) draw(l line, x, y, size float64) {
	for _, p := range l.pieces {
		if p.text == "" || t.err != nil {
			continue
		}
		if p.code {
			t.box(x+p.x, y-1, p.width, size*1.3, 0xf2, 0xf4, 0xf8)
		}
		if p.href != "" {
			t.pdf.SetTextColor(0x1a, 0x4f, 0x9c)
			t.pdf.AddExternalLink(p.href, x+p.x, y, p.width, size*1.2)
		}
		t.text(p, x+p.x, y, size)
		if p.href != "" {
			t.pdf.SetTextColor(0x16, 0x20, 0x2e)
		}
		if p.strike {
			t.pdf.SetLineWidth(0.6)
			t.pdf.SetStrokeColor(0x16, 0x20, 0x2e)
			t.pdf.Line(x+p.x, y+size*0.6, x+p.x+p.width, y+size*0.6)
		}
	}
}

func (t *typesetter) text(p piece, x, y, size float64) {
	t.keep(t.font(p.run, size))
	t.pdf.SetXY(x, y)
	t.keep(t.pdf.Cell(nil, p.text))
	if p.bold && t.faces.bold == nil {
		t.pdf.SetXY(x+0.3, y)
		t.keep(t.pdf.Cell(nil, p.text))
	}
}

func (t *typesetter) font(r run, size float64) error {
	style := gopdf.Regular
	if r.bold && t.faces.bold != nil {
		style = gopdf.Bold
	}
	return t.pdf.SetFontWithStyle(family, style, size)
}

func (t *typesetter) measure(size float64) measurer {
	return func(text string, r run) float64 {
		if text == "" || t.err != nil {
			return 0
		}
		err := t.font(r, size)
		width, failed := t.pdf.MeasureTextWidth(text)
		t.keep(errors.Join(err, failed))
		return width
	}
}

func (t *typesetter) color(r, g, b uint8) { t.pdf.SetTextColor(r, g, b) }

// box fills an area.
func (t *typesetter) box(x, y, width, height float64, r, g, b uint8) {
	t.pdf.SetFillColor(r, g, b)
	t.pdf.RectFromUpperLeftWithStyle(x, y, width, height, "F")
	t.pdf.SetFillColor(0x16, 0x20, 0x2e)
}
