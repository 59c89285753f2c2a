package document

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif"  // a format of pictures
	_ "image/jpeg" // another
	_ "image/png"  // another
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
	_ "golang.org/x/image/webp" // another

	"yagura/internal/platform/fault"
)

// maxPixels of a picture are unpacked: a small file can be a very large picture.
const maxPixels = 40_000_000

// maxQuotes is how many bars of quotations stand side by side.
const maxQuotes = 8

// blocks sets the children of a block.
func (t *typesetter) blocks(parent ast.Node, x, width float64) {
	for n := parent.FirstChild(); n != nil && t.err == nil; n = n.NextSibling() {
		t.inTime()
		t.block(n, x, width)
	}
}

func (t *typesetter) block(n ast.Node, x, width float64) {
	width = max(width, 60) // of what nests too deep
	switch n := n.(type) {
	case *ast.Heading:
		t.heading(n, x, width)
	case *ast.Paragraph, *ast.TextBlock:
		t.paragraph(n, x, width)
	case *ast.List:
		t.list(n, x, width)
	case *ast.Blockquote:
		if len(t.quotes) == maxQuotes {
			t.blocks(n, x, width)
			return
		}
		t.quotes = append(t.quotes, x+2)
		t.blocks(n, x+14, width-14)
		t.quotes = t.quotes[:len(t.quotes)-1]
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		t.code(n, x, width)
	case *ast.ThematicBreak:
		t.room(20)
		t.rule(t.y + 8)
		t.y += 20
	case *extast.Table:
		t.table(n, x, width)
	case *extast.FootnoteList:
		t.room(40)
		t.rule(t.y + 6)
		t.y += 14
		for note := n.FirstChild(); note != nil; note = note.NextSibling() {
			t.item(strconv.Itoa(noteIndex(note))+".", note, x, width)
		}
	default:
		t.blocks(n, x, width)
	}
}

func noteIndex(n ast.Node) int {
	if note, ok := n.(*extast.Footnote); ok {
		return note.Index
	}
	return 0
}

func (t *typesetter) heading(n *ast.Heading, x, width float64) {
	size := []float64{16, 13.5, 11.5, textSize, textSize, textSize}[n.Level-1]
	t.y += size * 0.8
	t.room(size*1.5 + 3*textSize*leading) // not alone at the foot of a page
	if id, ok := n.AttributeString("id"); ok {
		if id, ok := id.([]byte); ok {
			t.found[string(id)] = t.page
			t.pdf.SetY(t.y)
			t.pdf.SetAnchor(string(id))
		}
	}
	runs := t.inline(n)
	for i := range runs {
		runs[i].bold = true
	}
	t.lines(runs, x, width, size, 1.4)
	if n.Level == 2 {
		t.rule(t.y + 1)
		t.y += 3
	}
	t.y += size * 0.35
}

// paragraph sets text, and pictures between its parts.
func (t *typesetter) paragraph(n ast.Node, x, width float64) {
	var runs []run
	flush := func() {
		if len(runs) > 0 {
			t.lines(runs, x, width, textSize, leading)
			runs = nil
		}
	}
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if img, ok := child.(*ast.Image); ok {
			if picture := t.decode(img); picture != nil {
				flush()
				t.picture(picture, x, width)
				continue
			}
		}
		runs = t.add(runs, child, run{})
	}
	flush()
	if n.Kind() == ast.KindParagraph {
		t.y += textSize * 0.7
	}
}

func (t *typesetter) list(n *ast.List, x, width float64) {
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		marker := "・"
		if n.IsOrdered() {
			marker = strconv.Itoa(number) + "."
			number++
		}
		t.item(marker, item, x, width)
	}
	if _, nested := n.Parent().(*ast.ListItem); !nested {
		t.y += textSize * 0.5
	}
}

// item sets a list's item behind its marker.
func (t *typesetter) item(marker string, n ast.Node, x, width float64) {
	indent := max(18, t.measure(textSize)(marker, run{})+6)
	t.room(textSize * leading)
	page, y := t.page, t.y
	t.draw(line{pieces: []piece{{run: run{text: marker}}}}, x, y+(textSize*leading-textSize)/2-textSize*0.1, textSize)
	t.blocks(n, x+indent, width-indent)
	if t.page == page && t.y == y { // an empty item
		t.y += textSize * leading
	}
}

func (t *typesetter) code(n ast.Node, x, width float64) {
	const size, spacing = 9.0, 1.5
	t.y += 2
	lines := n.Lines()
	for i := range lines.Len() {
		segment := lines.At(i)
		text := strings.ReplaceAll(strings.TrimRight(string(segment.Value(t.source)), "\r\n"), "\t", "    ")
		for _, l := range breakLines([]run{{text: printable(text)}}, width-16, t.measure(size)) {
			t.room(size * spacing)
			t.box(x, t.y, width, size*spacing+0.5, 0xf2, 0xf4, 0xf8)
			t.draw(l, x+8, t.y+(size*spacing-size)/2, size)
			t.y += size * spacing
		}
	}
	t.y += textSize * 0.8
}

// inline gathers the runs of a block.
func (t *typesetter) inline(n ast.Node) []run {
	var runs []run
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		runs = t.add(runs, child, run{})
	}
	return runs
}

// add appends a node's text in the look of what is around it.
func (t *typesetter) add(runs []run, n ast.Node, look run) []run {
	put := func(text string) {
		if text = printable(text); text != "" {
			look.text = text
			runs = append(runs, look)
		}
	}
	switch n := n.(type) {
	case *ast.Text:
		put(textOf(n, t.source))
		if n.SoftLineBreak() || n.HardLineBreak() {
			put("\n")
		}
		return runs
	case *ast.String:
		put(string(n.Value))
		return runs
	case *mark:
		put(n.target.Text)
		return runs
	case *ast.AutoLink:
		if href := string(n.URL(t.source)); external(href) {
			look.href = href
		}
		put(string(n.Label(t.source)))
		return runs
	case *extast.TaskCheckBox:
		if n.IsChecked {
			put("[x] ")
		} else {
			put("[ ] ")
		}
		return runs
	case *extast.FootnoteLink:
		put("[" + strconv.Itoa(n.Index) + "]")
		return runs
	case *extast.FootnoteBacklink:
		return runs
	case *ast.CodeSpan:
		look.code = true
	case *ast.Emphasis:
		look.bold = look.bold || n.Level == 2
	case *extast.Strikethrough:
		look.strike = true
	case *ast.Link:
		if external(string(n.Destination)) {
			look.href = string(n.Destination)
		}
	}
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		runs = t.add(runs, child, look)
	}
	return runs
}

// decode reads the picture of an image, nil where there is none that can be set.
func (t *typesetter) decode(n *ast.Image) image.Image {
	reference, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(string(n.Destination), picturePath))
	p, ok := t.pictures[string(reference)]
	if err != nil || !ok {
		return nil
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(p.data))
	if err != nil || config.Width*config.Height > maxPixels || config.Width > 30_000 || config.Height > 30_000 || config.Width == 0 || config.Height == 0 {
		return nil
	}
	if t.placed += config.Width * config.Height; t.placed > maxPlaced {
		t.keep(fault.New(fault.TooLarge, "fault.document.images", "pictures of more than %d points", maxPlaced))
		return nil
	}
	decoded, _, err := image.Decode(bytes.NewReader(p.data))
	if err != nil {
		return nil
	}
	paper := image.NewRGBA(decoded.Bounds()) // what is transparent shows the paper
	draw.Draw(paper, paper.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(paper, paper.Bounds(), decoded, decoded.Bounds().Min, draw.Over)
	return paper
}

// picture sets a picture at 96 dots an inch, smaller where it would not fit.
func (t *typesetter) picture(img image.Image, x, width float64) {
	const maxHeight = 560
	w, h := float64(img.Bounds().Dx())*0.75, float64(img.Bounds().Dy())*0.75
	scale := min(1, width/w, maxHeight/h)
	w, h = w*scale, h*scale
	t.room(h + 8)
	t.place(img, x, t.y, w, h)
	t.y += h + 8
}
