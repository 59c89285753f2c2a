package document

import (
	"strings"

	"github.com/rivo/uniseg"
)

// run is text of one look.
type run struct {
	text         string
	bold, strike bool
	code         bool
	href         string
}

// piece is a part of a run on a line.
type piece struct {
	run
	x, width float64
}

// line is pieces side by side.
type line struct {
	pieces []piece
	width  float64
}

// measurer knows how wide a text is.
type measurer func(text string, r run) float64

// breakLines sets runs into lines of a width, breaking where Unicode's line breaking algorithm lets it: that is what keeps 、and 。from the
// beginning of a line, and 「 from its end. What has no such place is broken between characters.
func breakLines(runs []run, width float64, measure measurer) []line {
	b := &breaker{width: width, measure: measure}
	var text strings.Builder
	for _, r := range runs {
		text.WriteString(r.text)
	}
	rest, state, left := text.String(), -1, cutter{runs, 0}
	for rest != "" {
		var segment string
		var must bool
		segment, rest, must, state = uniseg.FirstLineSegmentInString(rest, state)
		b.add(left.cut(len(segment)))
		if must && strings.HasSuffix(segment, "\n") {
			b.end()
		}
	}
	if len(b.current.pieces) > 0 || len(b.lines) == 0 {
		b.end()
	}
	return b.lines
}

// cutter takes runs apart, from their beginning on.
type cutter struct {
	runs []run
	at   int // in the first
}

// cut takes the next n bytes.
func (c *cutter) cut(n int) []run {
	var out []run
	for n > 0 && len(c.runs) > 0 {
		r := c.runs[0]
		end := min(len(r.text), c.at+n)
		n -= end - c.at
		if r.text = r.text[c.at:end]; r.text != "" {
			out = append(out, r)
		}
		if c.at = end; end == len(c.runs[0].text) {
			c.runs, c.at = c.runs[1:], 0
		}
	}
	return out
}

type breaker struct {
	width   float64
	measure measurer
	lines   []line
	current line
}

// add puts a segment on the line, or on the next where there is no room.
func (b *breaker) add(segment []run) {
	size := b.size(segment, true)
	if b.current.width+size > b.width && len(b.current.pieces) > 0 {
		b.end()
	}
	if size <= b.width {
		b.put(segment)
		return
	}
	for _, r := range segment { // wider than a line
		for characters := uniseg.NewGraphemes(r.text); characters.Next(); {
			one := r
			one.text = characters.Str()
			if b.current.width+b.size([]run{one}, true) > b.width && len(b.current.pieces) > 0 {
				b.end()
			}
			b.put([]run{one})
		}
	}
}

// size measures a segment; blanks at its end hang over the margin.
func (b *breaker) size(segment []run, trim bool) float64 {
	sum := 0.0
	for i, r := range segment {
		text := strings.TrimSuffix(r.text, "\n")
		if trim && i == len(segment)-1 {
			text = strings.TrimRight(text, " ")
		}
		sum += b.measure(text, r)
	}
	return sum
}

func (b *breaker) put(segment []run) {
	for _, r := range segment {
		if r.text = strings.TrimSuffix(r.text, "\n"); r.text == "" {
			continue
		}
		size := b.measure(r.text, r)
		if n := len(b.current.pieces); n > 0 && b.current.pieces[n-1].look() == (piece{run: r}).look() {
			last := &b.current.pieces[n-1]
			last.text += r.text
			last.width += size
		} else {
			b.current.pieces = append(b.current.pieces, piece{r, b.current.width, size})
		}
		b.current.width += size
	}
}

// look is a run without its text.
func (p piece) look() run {
	p.text = ""
	return p.run
}

// end finishes a line without the blanks at its end.
func (b *breaker) end() {
	if n := len(b.current.pieces); n > 0 {
		last := &b.current.pieces[n-1]
		if text := strings.TrimRight(last.text, " "); text != last.text {
			size := b.measure(text, last.run)
			b.current.width -= last.width - size
			last.text, last.width = text, size
		}
	}
	b.lines = append(b.lines, b.current)
	b.current = line{}
}
