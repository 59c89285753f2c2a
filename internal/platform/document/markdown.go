package document

import (
	"bytes"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxNesting is how deep quotes and lists go; what is deeper is text. Without a bound, a few kilobytes of ">" cost seconds.
const maxNesting = 100

// engine is goldmark with our dialect: CommonMark without HTML, with tables, strikethrough, boxes to tick, bare addresses and
// footnotes, mentions and references.
func engine(hooks Hooks) goldmark.Markdown {
	md := goldmark.New(goldmark.WithParser(parser.NewParser(
		// All of goldmark's own but HTML: what looks like a tag is text, and shown as it was typed.
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(&referenceParser{hooks}, 150),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(parser.NewEmphasisParser(), 500),
			util.Prioritized(&mentionParser{hooks}, 600),
		),
		parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		parser.WithAutoHeadingID(),
		parser.WithASTTransformers(util.Prioritized(&vetting{hooks}, 900)),
	)), goldmark.WithRendererOptions(html.WithHardWraps())) // a line ends where it was ended, as people expect of a form's field
	for _, e := range []goldmark.Extender{
		extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
		extension.Strikethrough,
		extension.TaskList,
		extension.NewLinkify(extension.WithLinkifyAllowedProtocols([]string{"http:", "https:"})),
		extension.NewFootnote(extension.WithFootnoteIDPrefix(hooks.Anchor)),
		markRenderer{},
	} {
		e.Extend(md)
	}
	return md
}

// parse reads a text into its tree.
func parse(markdown string, hooks Hooks) (goldmark.Markdown, ast.Node, []byte) {
	md, source := engine(hooks), []byte(flatten(markdown))
	tree := md.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(&ids{hooks.Anchor, map[string]bool{}, map[string]int{}}))))
	return md, tree, source
}

func render(markdown string, hooks Hooks) []byte {
	md, tree, source := parse(markdown, hooks)
	var out bytes.Buffer
	if err := md.Renderer().Render(&out, source, tree); err != nil {
		return nil // a bytes.Buffer takes everything
	}
	return out.Bytes()
}

// maxLine is how many bytes of a line are read as one; what is longer goes on in the next. goldmark's time grows with the square of the
// length for some lines: at this length, by milliseconds.
const maxLine = 4 << 10

// flatten escapes the signs of lines that nest too deep, and parts lines that are too long.
func flatten(markdown string) string {
	if len(markdown) > maxLine {
		markdown = partLines(markdown)
	}
	if strings.Count(markdown, ">")+strings.Count(markdown, "-")+strings.Count(markdown, "*")+strings.Count(markdown, "+") < maxNesting {
		return markdown
	}
	lines := strings.SplitAfter(markdown, "\n")
	for i, line := range lines {
		depth := 0
		for at := range len(line) {
			if c := line[at]; strings.IndexByte(">-*+", c) >= 0 {
				depth++
			} else if c != ' ' && c != '\t' && (c < '0' || c > '9') && c != '.' && c != ')' {
				break
			}
			if depth > maxNesting {
				lines[i] = line[:at] + "\\" + line[at:]
				break
			}
		}
	}
	return strings.Join(lines, "")
}

// partLines ends lines that are too long, between characters.
func partLines(markdown string) string {
	var out strings.Builder
	for line := range strings.Lines(markdown) {
		for len(line) > maxLine {
			cut := maxLine
			for cut > maxLine-utf8.UTFMax && !utf8.RuneStart(line[cut]) {
				cut--
			}
			out.WriteString(line[:cut] + "\n")
			line = line[cut:]
		}
		out.WriteString(line)
	}
	return out.String()
}

// ids makes the ids of headings: their words, in any script, behind the prefix.
type ids struct {
	anchor string
	taken  map[string]bool
	next   map[string]int // number of the next heading with these words: thousands may have the same
}

func (x *ids) Generate(value []byte, _ ast.NodeKind) []byte {
	word := strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case unicode.IsLetter(c), unicode.IsDigit(c), unicode.Is(unicode.M, c):
			return unicode.ToLower(c)
		case unicode.IsSpace(c), c == '-', c == '_':
			return '-'
		}
		return -1
	}, string(value)), "-")
	base := x.anchor + "s-" + word // never an id that a page or a script uses
	id := base
	for x.taken[id] {
		n := max(2, x.next[base])
		id, x.next[base] = base+"-"+strconv.Itoa(n), n+1
	}
	x.taken[id] = true
	return []byte(id)
}

func (x *ids) Put(value []byte) { x.taken[string(value)] = true }

// vetting changes what links and pictures lead to before anything is made of them.
type vetting struct{ hooks Hooks }

func (v *vetting) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var drop []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			if !allowed(string(n.Destination)) {
				drop = append(drop, n)
			} else if external(string(n.Destination)) {
				n.SetAttributeString("rel", []byte(outwards))
			}
		case *ast.AutoLink:
			if !allowed(string(n.URL(reader.Source()))) && n.AutoLinkType != ast.AutoLinkEmail {
				drop = append(drop, n)
			} else {
				n.SetAttributeString("rel", []byte(outwards))
			}
		case *ast.Image:
			src, ok := "", false
			if v.hooks.Image != nil {
				src, ok = v.hooks.Image(string(n.Destination))
			}
			if ok && own(src) {
				n.Destination = []byte(src)
			} else {
				drop = append(drop, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range drop {
		unwrap(n, reader.Source())
	}
}

// unwrap leaves the words of a node in its place.
func unwrap(n ast.Node, source []byte) {
	parent := n.Parent()
	if auto, ok := n.(*ast.AutoLink); ok {
		parent.ReplaceChild(parent, n, ast.NewString(auto.Label(source)))
		return
	}
	for child := n.FirstChild(); child != nil; {
		next := child.NextSibling()
		parent.InsertBefore(parent, n, child)
		child = next
	}
	parent.RemoveChild(parent, n)
}

const outwards = "noopener noreferrer nofollow"

// allowed reports whether a link may lead there: http, https, mailto, a place in the text or one of our own pages.
func allowed(href string) bool {
	return external(href) || own(href) || (strings.HasPrefix(href, "#") && len(href) > 1)
}

func external(href string) bool {
	u, err := url.Parse(href)
	if err != nil || strings.ContainsFunc(href, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }) {
		return false
	}
	switch u.Scheme { // in lower case
	case "http", "https":
		return u.Host != ""
	case "mailto":
		return u.Opaque != ""
	}
	return false
}

// own reports whether an address is a path on our own pages, whichever way a browser may read it.
func own(href string) bool {
	return strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "//") && !strings.ContainsFunc(href, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' })
}

// policy is the second lock: it lets through what engine makes of any text, and nothing else.
var policy = newPolicy()

func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	id := regexp.MustCompile(`^[\p{L}\p{M}\p{N}:_-]+$`)
	ownPath := regexp.MustCompile(`^/(?:[^/\\\s][^\\\s]*)?$`)
	p.AllowElements("p", "br", "hr", "em", "strong", "del", "code", "pre", "blockquote", "ul", "sup", "div", "section",
		"table", "thead", "tbody", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "li", "span")
	p.AllowAttrs("id").Matching(id).OnElements("h1", "h2", "h3", "h4", "h5", "h6", "li", "sup")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowElements("ol", "th", "td")
	p.AllowAttrs("align").Matching(regexp.MustCompile(`^(left|center|right)$`)).OnElements("th", "td")
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^(language-[\w+#.-]{1,40}|footnotes|footnote-ref|footnote-backref|mention|record)$`)).
		OnElements("code", "div", "section", "a", "span")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("rel").Matching(regexp.MustCompile("^" + outwards + "$")).OnElements("a")
	p.AllowAttrs("title").OnElements("a", "img")
	p.AllowAttrs("src").Matching(ownPath).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input")
	p.AllowAttrs("checked", "disabled").OnElements("input")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	return p
}
