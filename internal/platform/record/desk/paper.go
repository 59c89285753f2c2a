package desk

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"yagura/internal/platform/blob"
	"yagura/internal/platform/document"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// Press makes papers; document.Press does.
type Press interface {
	PDF(ctx context.Context, paper document.Paper) ([]byte, error)
}

// paperEntries is how much of a record's comments and of its history a paper has: the latest.
const paperEntries = 100

// paper sends a record as a PDF: its fields and long texts, what was said, its files with their SHA-256, and its history.
func (x *desk) paper(w http.ResponseWriter, r *http.Request) error {
	view, err := x.view(r, tabHistory)
	if err != nil {
		return err
	}
	p, user := web.T(r), web.User(r)
	b, err := x.newBook(r.Context(), p)
	if err != nil {
		return err
	}
	var m strings.Builder
	x.paperFields(&m, r, b, view.Record)
	comments, err := x.opt.Store.Comments(r.Context(), user, x.kind.Name, view.ID, "", paperEntries)
	if err != nil {
		return err
	}
	if len(comments.Items) > 0 {
		fmt.Fprintf(&m, "\n## %s\n", p.T("record.paper.comments"))
	}
	var mentions []record.Mention
	for _, c := range comments.Items {
		mentions = append(mentions, c.Mentions...)
		fmt.Fprintf(&m, "\n### %s  %s\n\n%s\n", p.Time(c.At), plainMark(x.personName(r, c.Author)), c.Text)
	}
	files, err := x.opt.Store.Attachments(r.Context(), user, x.kind.Name, view.ID)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		fmt.Fprintf(&m, "\n## %s\n\n| %s | SHA-256 |\n| --- | --- |\n", p.T("record.tab.evidence"), p.T("record.paper.file"))
	}
	for _, f := range files {
		fmt.Fprintf(&m, "| %s | `%s` |\n", plainMark(f.Name), f.SHA256)
	}
	fmt.Fprintf(&m, "\n## %s\n\n", p.T("record.tab.history"))
	for _, e := range view.History {
		fmt.Fprintf(&m, "- %s  %s  %s\n", p.Time(e.At), plainMark(x.personName(r, e.Actor)), plainMark(e.What))
	}
	pdf, err := x.opt.Press.PDF(r.Context(), document.Paper{
		Title: view.Name, Classification: view.Class, Number: x.kind.Ref(view.ID).String(), Version: fmt.Sprint(view.Version),
		Author: user.Name, Date: time.Now(), Markdown: m.String(), Words: p,
		Hooks: x.hooks(r, mentions),
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", blob.Disposition(view.Name+".pdf", false))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(pdf) // fails only when the reader has left
	return nil
}

// paperFields writes a record's fields as a table, and its long texts under headings of their own.
func (x *desk) paperFields(m *strings.Builder, r *http.Request, b *book, rec *record.Record) {
	fmt.Fprintf(m, "| %s | %s |\n| --- | --- |\n", b.p.T("record.field"), b.p.T("record.paper.value"))
	var long strings.Builder
	for _, f := range x.kind.All() {
		text := rec.Text(f.Name)
		if text == "" || f.Secret || f.Name == "title" {
			continue
		}
		name := plainMark(label(b.p, x.kind, f.Name))
		if f.Type.Word() == "long" {
			fmt.Fprintf(&long, "\n## %s\n\n%s\n", name, text)
			continue
		}
		switch v := rec.Get(f.Name).(type) {
		case time.Time:
			text = b.p.Time(v)
		default:
			if text = b.plain(x.kind, f, text); f.Type.Word() == "person" {
				text = x.personName(r, rec.Text(f.Name))
			}
		}
		fmt.Fprintf(m, "| %s | %s |\n", name, plainMark(text))
	}
	m.WriteString(long.String())
}

// plainMark writes a text so that Markdown finds nothing in it: one line, with every sign of ASCII escaped.
func plainMark(text string) string {
	var out strings.Builder
	for _, c := range strings.Join(strings.Fields(text), " ") {
		if c < 0x80 && strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) {
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}
