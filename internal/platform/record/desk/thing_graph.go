package desk

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"golang.org/x/text/width"
)

// graphDrawing is a neighbourhood to be drawn: the record on the left, others in columns by how many links away they are.
type graphDrawing struct {
	Label string // what the drawing is called to who cannot see it
	Nodes []graphNode
	Edges []graphEdge
}

type graphNode struct {
	related
	Depth int

	row  int
	x, y int // of its upper left corner
}

type graphEdge struct {
	From, To int
	Words    string
	Same     bool // it has no direction
}

// Measures of the drawing, in points.
const (
	boxWidth  = 196
	boxHeight = 44
	columnGap = 132 // room for the words of a link
	rowGap    = 18
	margin    = 10
	bow       = 76 // of a link within a column, with its words
	lineRoom  = 26 // half-width characters of a title in a box
)

// SVG draws it: the same for the same records and links, with a link to each record. The page's styles colour it.
func (g *graphDrawing) SVG() template.HTML {
	columns := g.place()
	tallest := 0
	for _, column := range columns {
		tallest = max(tallest, len(column))
	}
	w := 2*margin + len(columns)*boxWidth + (len(columns)-1)*columnGap
	if slices.ContainsFunc(g.Edges, func(e graphEdge) bool { return g.Nodes[e.From].Depth == g.Nodes[e.To].Depth }) {
		w += bow // within the last column they need room
	}
	h := 2*margin + tallest*boxHeight + (tallest-1)*rowGap
	for depth, column := range columns {
		top := (h - len(column)*boxHeight - (len(column)-1)*rowGap) / 2
		for row, at := range column {
			g.Nodes[at].x, g.Nodes[at].y = margin+depth*(boxWidth+columnGap), top+row*(boxHeight+rowGap)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="graph" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`, w, h, w, h, template.HTMLEscapeString(g.Label))
	b.WriteString(`<defs><marker id="graph-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0.5 8 4 0 7.5Z"/></marker></defs>`)
	for _, e := range g.Edges {
		g.edge(&b, e)
	}
	for i := range g.Nodes {
		g.Nodes[i].draw(&b, i == 0)
	}
	for _, e := range g.Edges {
		g.words(&b, e)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // every text in it is escaped
}

// place puts nodes into columns, each beside those of the column before that it is linked to, so that few links cross.
func (g *graphDrawing) place() (columns [][]int) {
	for i, n := range g.Nodes {
		for len(columns) <= n.Depth {
			columns = append(columns, nil)
		}
		columns[n.Depth] = append(columns[n.Depth], i)
	}
	for depth, column := range columns {
		if depth > 0 {
			slices.SortStableFunc(column, func(a, b int) int { return g.pull(a) - g.pull(b) })
		}
		for row, at := range column {
			g.Nodes[at].row = row
		}
	}
	return columns
}

// pull is where a node's neighbours of the column before stand, in thousandths of a row.
func (g *graphDrawing) pull(at int) int {
	sum, n := 0, 0
	for _, e := range g.Edges {
		for _, pair := range [][2]int{{e.From, e.To}, {e.To, e.From}} {
			if pair[0] == at && g.Nodes[pair[1]].Depth == g.Nodes[at].Depth-1 {
				sum, n = sum+g.Nodes[pair[1]].row, n+1
			}
		}
	}
	if n == 0 {
		return 0
	}
	return 1000 * sum / n
}

// ends are where a link's line begins and ends: at the sides that face each other, or, within a column, at the right of both.
func (g *graphDrawing) ends(e graphEdge) (x1, y1, x2, y2, bend int) {
	from, to := g.Nodes[e.From], g.Nodes[e.To]
	y1, y2 = from.y+boxHeight/2, to.y+boxHeight/2
	switch {
	case from.Depth < to.Depth:
		return from.x + boxWidth, y1, to.x, y2, columnGap / 2
	case from.Depth > to.Depth:
		return from.x, y1, to.x + boxWidth, y2, -columnGap / 2
	}
	return from.x + boxWidth, y1, to.x + boxWidth, y2, 0
}

func (g *graphDrawing) edge(b *strings.Builder, e graphEdge) {
	x1, y1, x2, y2, bend := g.ends(e)
	c1, c2 := x1+bend, x2-bend
	if bend == 0 {
		c1, c2 = x1+48, x2+48
	}
	arrow := ` marker-end="url(#graph-arrow)"`
	if e.Same {
		arrow = ""
	}
	fmt.Fprintf(b, `<path class="graph-edge" d="M%d %dC%d %d %d %d %d %d"%s/>`, x1, y1, c1, y1, c2, y2, x2, y2, arrow)
}

// words write what a link means near the record that is further away, where lines are apart.
func (g *graphDrawing) words(b *strings.Builder, e graphEdge) {
	x1, y1, x2, y2, bend := g.ends(e)
	x, y := (x1+x2)/2, (y1+y2)/2
	switch {
	case bend == 0:
		x += 36
	case g.Nodes[e.To].Depth > g.Nodes[e.From].Depth:
		x, y = x2-columnGap*3/8, y2-(y2-y1)/8
	default:
		x, y = x1-columnGap*3/8, y1-(y1-y2)/8
	}
	fmt.Fprintf(b, `<text class="graph-words" x="%d" y="%d" text-anchor="middle">%s</text>`, x, y-4, template.HTMLEscapeString(clip(e.Words, 18)))
}

func (n *graphNode) draw(b *strings.Builder, self bool) {
	class := "graph-node"
	if self {
		class += " graph-self"
	}
	if n.Deleted {
		class += " graph-gone"
	}
	title := template.HTMLEscapeString(n.One + ": " + n.Title)
	fmt.Fprintf(b, `<a href="%s" class="%s"><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="6"/>`,
		template.HTMLEscapeString(n.Href), class, title, n.x, n.y, boxWidth, boxHeight)
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`, n.x+10, n.y+18, template.HTMLEscapeString(clip(n.Title, lineRoom)))
	fmt.Fprintf(b, `<text class="graph-kind" x="%d" y="%d">%s</text></a>`, n.x+10, n.y+35, template.HTMLEscapeString(clip(n.One+" · "+n.State, lineRoom+4)))
}

// clip shortens a text to as many half-width characters; a full-width one counts twice.
func clip(text string, room int) string {
	used := 0
	for at, c := range text {
		size := 1
		switch width.LookupRune(c).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth, width.EastAsianAmbiguous:
			size = 2
		}
		if used += size; used > room {
			return strings.TrimRight(text[:at], " ") + "…"
		}
	}
	return text
}
