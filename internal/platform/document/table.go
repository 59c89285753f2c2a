package document

import (
	"image"
	"math"

	"github.com/signintech/gopdf"
	extast "github.com/yuin/goldmark/extension/ast"
)

const (
	cellSize    = 9.5
	cellSpacing = 1.5
	cellPad     = 5.0
)

// tableCell is a cell before it is set.
type tableCell struct {
	runs  []run
	align extast.Alignment
}

// table sets a table; its heading stands on every page that it goes over.
func (t *typesetter) table(n *extast.Table, x, width float64) {
	var rows [][]tableCell
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		_, head := row.(*extast.TableHeader)
		var cells []tableCell
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cell := tableCell{runs: t.inline(c)}
			if c, ok := c.(*extast.TableCell); ok {
				cell.align = c.Alignment
			}
			for i := range cell.runs {
				cell.runs[i].bold = cell.runs[i].bold || head
			}
			cells = append(cells, cell)
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		return
	}
	if len(rows[0]) > maxColumns {
		t.wide(rows, x, width)
		return
	}
	widths := t.columns(rows, width)
	t.y += 2
	for i, row := range rows {
		t.row(rows[0], row, widths, x, i == 0)
	}
	t.y += textSize
}

// wide sets a table that has more columns than a page has room for row by row, its cells one after another.
func (t *typesetter) wide(rows [][]tableCell, x, width float64) {
	for _, row := range rows {
		var runs []run
		for i, cell := range row {
			if i > 0 {
				runs = append(runs, run{text: " | "})
			}
			runs = append(runs, cell.runs...)
		}
		t.inTime()
		t.lines(runs, x, width, cellSize, cellSpacing)
	}
	t.y += textSize
}

// columns shares the width among columns by what stands in them: each gets what it needs where that is less than its even share,
// and the rest share the rest.
func (t *typesetter) columns(rows [][]tableCell, width float64) []float64 {
	need := make([]float64, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			if i >= len(need) {
				break
			}
			for _, l := range breakLines(cell.runs, pageWidth, t.measure(cellSize)) {
				need[i] = max(need[i], l.width+2*cellPad+1)
			}
		}
	}
	sum := 0.0
	for _, w := range need {
		sum += w
	}
	widths := make([]float64, len(need))
	if sum <= width {
		for i, w := range need {
			widths[i] = w * width / max(sum, 1)
		}
		return widths
	}
	left, open := width, len(need)
	for changed := true; changed; {
		changed = false
		for i, w := range need {
			if widths[i] == 0 && w <= left/float64(open) {
				widths[i], changed = w, true
				left -= w
				open--
			}
		}
	}
	large := 0.0
	for i, w := range need {
		if widths[i] == 0 {
			large += w
		}
	}
	for i, w := range need {
		if widths[i] == 0 {
			widths[i] = left * w / large
		}
	}
	return widths
}

// row sets a row, over pages where it is higher than one.
func (t *typesetter) row(heading, cells []tableCell, widths []float64, x float64, isHeading bool) {
	rest := make([][]line, len(widths))
	tallest := 0
	for i := range widths {
		if i < len(cells) {
			rest[i] = breakLines(cells[i].runs, max(widths[i]-2*cellPad, cellSize), t.measure(cellSize))
		}
		tallest = max(tallest, len(rest[i]))
	}
	const step = cellSize * cellSpacing
	fits := func() int { return int((pageHeight - bottom - t.y - 2*cellPad) / step) }
	for first := true; tallest > 0 && t.err == nil; first = false {
		t.inTime()
		pageLines := int(math.Floor((pageHeight - bottom - top - 2*cellPad) / step))
		if fits() < min(tallest, pageLines) && (first && tallest <= pageLines || fits() < 1) && t.y > top {
			t.newPage()
			if !isHeading {
				t.row(heading, heading, widths, x, true)
			}
		}
		n := max(1, min(tallest, fits()))
		t.strip(rest, cells, widths, x, n, isHeading)
		tallest -= n
		for i := range rest {
			rest[i] = rest[i][min(n, len(rest[i])):]
		}
	}
}

// strip draws the next n lines of a row.
func (t *typesetter) strip(rest [][]line, cells []tableCell, widths []float64, x float64, n int, isHeading bool) {
	const step = cellSize * cellSpacing
	height := float64(n)*step + 2*cellPad - 2
	for i, width := range widths {
		if isHeading {
			t.box(x, t.y, width, height, 0xe7, 0xec, 0xf3)
		}
		t.pdf.SetLineWidth(0.5)
		t.pdf.SetStrokeColor(0xb8, 0xc0, 0xcc)
		t.pdf.RectFromUpperLeftWithStyle(x, t.y, width, height, "D")
		for k, l := range rest[i][:min(n, len(rest[i]))] {
			at := x + cellPad
			switch {
			case i >= len(cells):
			case cells[i].align == extast.AlignRight:
				at = x + width - cellPad - l.width
			case cells[i].align == extast.AlignCenter:
				at = x + (width-l.width)/2
			}
			t.draw(l, at, t.y+cellPad-1+float64(k)*step+(step-cellSize)/2-cellSize*0.1, cellSize)
		}
		x += width
	}
	t.y += height
}

// place puts a picture on the page.
func (t *typesetter) place(img image.Image, x, y, width, height float64) {
	t.keep(t.pdf.ImageFrom(img, x, y, &gopdf.Rect{W: width, H: height}))
}
