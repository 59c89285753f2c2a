package document

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// mark is a mention or a reference that a hook knew.
type mark struct {
	ast.BaseInline
	target Target
	class  string // mention or record
}

// markKind is the kind of marks among goldmark's nodes.
var markKind = ast.NewNodeKind("Mark")

func (*mark) Kind() ast.NodeKind { return markKind }
func (m *mark) Dump(source []byte, level int) {
	ast.DumpHelper(m, source, level, map[string]string{"text": m.target.Text}, nil)
}

const (
	maxName      = 64  // bytes of a name
	maxReference = 300 // of a reference
)

// mentionParser reads "@name" where a word could begin: letters of any script, digits, ".", "_" and "-"; or "@" and a whole mail address,
// where that is somebody's.
type mentionParser struct{ hooks Hooks }

func (*mentionParser) Trigger() []byte { return []byte{'@'} }

func (x *mentionParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	if c := block.PrecendingCharacter(); x.hooks.Mention == nil || (c < utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c))) {
		return nil // an e-mail address
	}
	line, _ := block.PeekLine()
	for _, name := range namesAt(line[1:]) {
		if target, ok := x.hooks.Mention(name); ok {
			block.Advance(1 + len(name))
			return &mark{target: target, class: "mention"}
		}
	}
	return nil
}

// namesAt are the names that a line may begin with, the longest first: a mail address, and its first part.
func namesAt(line []byte) (names []string) {
	first := nameAt(line)
	if first == "" {
		return nil
	}
	if rest, ok := bytes.CutPrefix(line[len(first):], []byte("@")); ok {
		if domain := nameAt(rest); domain != "" {
			names = append(names, first+"@"+domain)
		}
	}
	return append(names, first)
}

func nameAt(line []byte) string {
	n := 0
	for n < len(line) {
		c, size := utf8.DecodeRune(line[n:])
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-", c) || n+size > maxName {
			break
		}
		n += size
	}
	return strings.TrimRight(string(line[:n]), ".-") // the end of a sentence
}

// referenceParser reads "[[reference]]".
type referenceParser struct{ hooks Hooks }

func (*referenceParser) Trigger() []byte { return []byte{'['} }

func (x *referenceParser) Parse(_ ast.Node, block text.Reader, _ parser.Context) ast.Node {
	line, _ := block.PeekLine()
	if x.hooks.Record == nil || !bytes.HasPrefix(line, []byte("[[")) {
		return nil
	}
	end := bytes.Index(line[:min(len(line), maxReference)], []byte("]]"))
	if end < 3 || bytes.ContainsAny(line[2:end], "[]") {
		return nil
	}
	target, ok := x.hooks.Record(string(bytes.TrimSpace(line[2:end])))
	if !ok {
		return nil
	}
	block.Advance(end + 2)
	return &mark{target: target, class: "record"}
}

// markRenderer makes links of marks.
type markRenderer struct{}

func (m markRenderer) Extend(md goldmark.Markdown) {
	md.Renderer().AddOptions(renderer.WithNodeRenderers(util.Prioritized(m, 500)))
}

func (markRenderer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(markKind, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		m, ok := n.(*mark)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		element := "span"
		_, _ = w.WriteString("<")
		if own(m.target.Href) {
			element = "a"
			_, _ = w.WriteString(`a href="`)
			_, _ = w.Write(util.EscapeHTML([]byte(m.target.Href)))
			_, _ = w.WriteString(`"`)
		} else {
			_, _ = w.WriteString(element)
		}
		_, _ = w.WriteString(` class="` + m.class + `">`)
		_, _ = w.Write(util.EscapeHTML([]byte(m.target.Text)))
		_, _ = w.WriteString("</" + element + ">")
		return ast.WalkContinue, nil
	})
}

// Mentions lists the names after "@" in a text, each once, in their order; not those in code.
func Mentions(markdown string) []string {
	if len(markdown) > MaxMarkdown {
		return nil
	}
	var names []string
	parse(markdown, Hooks{Mention: func(name string) (Target, bool) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		return Target{}, true
	}})
	return names
}
