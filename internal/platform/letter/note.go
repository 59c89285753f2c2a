package letter

import (
	"embed"
	"fmt"
	"html/template"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/mail"
)

//go:embed templates
var templates embed.FS

// Note is a mail that tells of one thing or of several. Its texts are in the reader's language already.
type Note struct {
	Subject string
	Intro   string // why it was sent, "" for nothing
	Groups  []Group
	Foot    []Link
}

// Group is lines that belong together.
type Group struct {
	Title string // "" for a mail of one thing
	Lines []Line
}

// Line is one thing.
type Line struct {
	Text string
	More string // when, how often
	Link Link   // zero for none
}

// Link leads to a page of ours.
type Link struct{ Text, Path string }

// Tell puts a note into the outbox, as text and as HTML.
func (p *Post) Tell(tx *db.Tx, to auth.Person, note Note) error {
	page, err := template.ParseFS(templates, "templates/note.html")
	if err != nil {
		return fmt.Errorf("the template of notes: %w", err)
	}
	var html strings.Builder
	view := struct {
		Note
		Lang i18n.Lang
		URL  string
	}{note, p.Language(to), p.url}
	if err := page.Execute(&html, view); err != nil {
		return fmt.Errorf("writing a note: %w", err)
	}
	return p.outbox.Enqueue(tx, mail.Message{To: to.Email, Subject: note.Subject, Text: p.text(note), HTML: html.String()})
}

func (p *Post) text(note Note) string {
	var b strings.Builder
	if note.Intro != "" {
		b.WriteString(note.Intro + "\n\n")
	}
	for _, g := range note.Groups {
		if g.Title != "" {
			b.WriteString("■ " + g.Title + "\n\n")
		}
		for _, line := range g.Lines {
			b.WriteString(line.Text + "\n")
			if line.More != "" {
				b.WriteString(line.More + "\n")
			}
			if line.Link.Path != "" {
				b.WriteString(p.url + line.Link.Path + "\n")
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("-- \n")
	for _, link := range note.Foot {
		b.WriteString(link.Text + "\n" + p.url + link.Path + "\n")
	}
	return b.String()
}
