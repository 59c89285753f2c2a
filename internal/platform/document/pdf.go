package document

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	stdhtml "html"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer/html"

	"yagura/internal/platform/blob"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
)

const (
	maxPrinting = 2                // papers that are made at a time; others wait
	patience    = 60 * time.Second // for one paper
	maxPDF      = 64 << 20
	maxImages   = 16 << 20 // bytes of all pictures of a paper
	maxShown    = 64 << 20 // bytes of them, each as often as it is shown
	// A paper of so many headings and characters (three pages or so) gets a table of contents.
	longHeadings, longRunes = 5, 4000
)

// Paper is a text on its way to PDF.
type Paper struct {
	Title          string
	Classification string    // such as 社外秘, on every page; "" is none
	Number         string    // of the document
	Version        string    //
	Author         string    // who issues it
	Date           time.Time // of issue
	Markdown       string
	Words          *i18n.Printer // language and zone of the paper
	Hooks          Hooks         // Mention and Record; their Href is not used
	// Image gives the content of an attachment by its reference: PNG, JPEG, GIF or WebP. nil is without pictures.
	Image func(ctx context.Context, reference string) (io.ReadCloser, error)
}

// Options say what papers are made with.
type Options struct {
	Chromium string // program; "" looks for one, "none" goes without
	Font     string // Japanese TrueType font where there is no Chromium; "" looks for one
	Log      *slog.Logger
}

// Press makes PDF. It is safe for concurrent use.
type Press struct {
	opt  Options
	slot chan struct{}
}

// NewPress makes a press. Chromium and fonts are looked for when they are needed.
func NewPress(opt Options) *Press {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	return &Press{opt, make(chan struct{}, maxPrinting)}
}

// PDF makes an A4 paper. Errors are faults: TooLarge for a text or pictures that are, Unavailable where neither Chromium nor a font
// is there.
func (p *Press) PDF(ctx context.Context, paper Paper) ([]byte, error) {
	if len(paper.Markdown) > MaxMarkdown {
		return nil, tooLong(len(paper.Markdown))
	}
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case p.slot <- struct{}{}:
		defer func() { <-p.slot }()
	case <-ctx.Done():
		return nil, fault.New(fault.Busy, "fault.document.busy", "other papers are being made: %w", ctx.Err())
	}
	pictures, err := paper.pictures(ctx)
	if err != nil {
		return nil, err
	}
	if program := p.chromium(); program != "" {
		pdf, err := printChromium(ctx, program, paper, pictures)
		if err != nil && ctx.Err() != nil && asked.Err() == nil {
			return nil, fault.New(fault.TooLarge, "fault.document.too_long", "the paper was not printed in time: %w", err)
		}
		if err == nil || fault.Is(err, fault.TooLarge) || ctx.Err() != nil {
			return pdf, err
		}
		p.opt.Log.Warn("Chromium did not print; setting the pages without it", "error", err)
	}
	return p.typeset(ctx, paper, pictures)
}

// picture is an attachment that was read.
type picture struct {
	kind string // media type
	data []byte
}

// pictures reads all that the text shows, each once. What is no picture, or is gone, shows its words.
func (paper Paper) pictures(ctx context.Context) (map[string]picture, error) {
	all := make(map[string]picture)
	if paper.Image == nil {
		return all, nil
	}
	var wanted []string
	parse(paper.Markdown, Hooks{Image: func(reference string) (string, bool) {
		wanted = append(wanted, reference)
		return "", false
	}})
	left := int64(maxImages)
	for _, reference := range wanted {
		if _, ok := all[reference]; ok {
			continue
		}
		content, err := paper.Image(ctx, reference)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			continue
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.LimitReader(content, left+1))
		if err := errors.Join(err, content.Close()); err != nil {
			return nil, fmt.Errorf("reading a picture of the paper: %w", err)
		}
		if left -= int64(len(data)); left < 0 {
			return nil, fault.New(fault.TooLarge, "fault.document.images", "the pictures have more than %d bytes", maxImages)
		}
		if kind, ok := blob.Kind("", data[:min(len(data), 512)]); ok && strings.HasPrefix(kind, "image/") {
			all[reference] = picture{kind, data}
		}
	}
	shown := 0
	for _, reference := range wanted {
		if shown += len(all[reference].data); shown > maxShown {
			return nil, fault.New(fault.TooLarge, "fault.document.images", "the pictures, as often as they are shown, have more than %d bytes", maxShown)
		}
	}
	return all, nil
}

// heading is a line of a table of contents; the highest level that there is counts as 1.
type heading struct {
	Level int
	ID    string
	Text  string
}

// contents lists the headings of a long text down to the third level; of a short one none.
func contents(tree ast.Node, source []byte) []heading {
	var list []heading
	_ = ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		h, ok := n.(*ast.Heading)
		if !ok || !entering || h.Level > 3 {
			return ast.WalkContinue, nil
		}
		id, _ := h.AttributeString("id")
		text, _ := id.([]byte)
		list = append(list, heading{h.Level, string(text), plain(h, source)})
		return ast.WalkSkipChildren, nil
	})
	if len(list) < longHeadings || utf8.RuneCount(source) < longRunes {
		return nil
	}
	highest := slices.MinFunc(list, func(a, b heading) int { return cmp.Compare(a.Level, b.Level) }).Level
	for i := range list {
		list[i].Level -= highest - 1
	}
	return list
}

// plain is the words of a node.
func plain(n ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			out.WriteString(textOf(n, source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				out.WriteByte(' ')
			}
		case *ast.String:
			out.Write(n.Value)
		case *ast.AutoLink:
			out.Write(n.Label(source))
		case *mark:
			out.WriteString(n.target.Text)
		}
		return ast.WalkContinue, nil
	})
	return out.String()
}

// textOf is a text as it reads: without the backslashes and entities that Markdown has in it.
func textOf(n *ast.Text, source []byte) string {
	value := n.Segment.Value(source)
	if n.IsRaw() {
		return string(value)
	}
	var out bytes.Buffer
	buf := bufio.NewWriter(&out)
	html.DefaultWriter.Write(buf, value)
	_ = buf.Flush() // a bytes.Buffer takes everything
	return stdhtml.UnescapeString(out.String())
}

// fact is a line of the title block.
type fact struct{ Label, Value string }

func (paper Paper) facts() []fact {
	t := paper.Words.T
	list := []fact{
		{t("document.classification"), paper.Classification}, {t("document.number"), paper.Number}, {t("document.version"), paper.Version},
		{t("document.date"), paper.date()}, {t("document.author"), paper.Author},
	}
	kept := list[:0]
	for _, f := range list {
		if f.Value != "" {
			kept = append(kept, f)
		}
	}
	return kept
}

func (paper Paper) date() string {
	if paper.Date.IsZero() {
		return ""
	}
	return paper.Words.Date(paper.Date)
}

// edge is what stands at the foot of every page on the left.
func (paper Paper) edge() string {
	var parts []string
	if paper.Number != "" {
		parts = append(parts, paper.Number)
	}
	if paper.Version != "" {
		parts = append(parts, paper.Words.T("document.version")+" "+paper.Version)
	}
	if date := paper.date(); date != "" {
		parts = append(parts, date)
	}
	return strings.Join(parts, "  ·  ")
}
