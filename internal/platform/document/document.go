// Package document makes what people write in Markdown into pages (HTML) and papers (PDF).
//
// What it promises of HTML:
//
//   - Whatever was written, nothing of it runs, loads from elsewhere, or looks like a part of the program: HTML is shown as text, links
//     lead to http, https, mailto and our own pages, pictures are attachments that the caller vouches for. goldmark makes the HTML,
//     bluemonday takes out whatever should not have come through; a fuzz target holds both to it.
//   - Links out of the house do not tell where they came from (noreferrer) and give nothing to whom they lead to (nofollow).
//   - Ids carry the caller's prefix, so that two texts on a page do not share one.
//
// What it promises of PDF (Press):
//
//   - A title block and, on every page, header and footer with classification, number, version and date, and page of pages; a table
//     of contents where it is long; Japanese lines broken by the rules (kinsoku).
//   - Chromium prints where it is installed: in a process of its own with an empty profile, its sandbox on unless we run as root,
//     without network and scripts, for a bounded time. Where it is not, we set the pages ourselves with a Japanese TrueType font of
//     the machine: plainer, and with page numbers in the table of contents. Where there is neither, a fault says what to install.
package document

import (
	"html/template"

	"yagura/internal/platform/fault"
)

// MaxMarkdown is the longest text in bytes that is made into anything: some forty pages. Longer ones are shown as they are. The most
// hostile text of this length takes a second or two.
const MaxMarkdown = 128 << 10

// Target is where a mention or a reference leads.
type Target struct {
	Text string // what it reads
	Href string // one of our own pages; "" leaves it without a link
}

// Hooks tie a text to the program around it. Any may be nil.
type Hooks struct {
	// Mention knows the person of "@name". A name that it does not know stays text.
	Mention func(name string) (Target, bool)
	// Record knows the record of "[[reference]]".
	Record func(reference string) (Target, bool)
	// Image gives the address, on our own pages, of an attachment: "![what](reference)". What is none shows its words.
	Image func(reference string) (src string, ok bool)
	// Anchor is put before all ids.
	Anchor string
}

// HTML makes a page's part of a text: headings, tables, lists with boxes to tick, footnotes, pictures.
func HTML(markdown string, hooks Hooks) template.HTML {
	if len(markdown) > MaxMarkdown {
		return template.HTML("<pre>" + template.HTMLEscapeString(markdown) + "</pre>") //nolint:gosec // escaped
	}
	return template.HTML(policy.SanitizeBytes(render(markdown, hooks))) //nolint:gosec // sanitised
}

func tooLong(n int) error {
	return fault.New(fault.TooLarge, "fault.document.too_long", "a text of %d bytes; %d are printed", n, MaxMarkdown)
}
