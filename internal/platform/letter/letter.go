// Package letter writes the mails that accounts send: invitations and links to another password, in the reader's language.
package letter

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/mail"
	"yagura/locale"
)

// Post writes letters and puts them into the outbox. It implements auth.Mailer.
type Post struct {
	outbox *mail.Outbox
	bundle *i18n.Bundle
	url    string
}

var _ auth.Mailer = (*Post)(nil)

// New makes a post. publicURL is where people find the server: without it no link can be mailed.
func New(outbox *mail.Outbox, publicURL string) (*Post, error) {
	bundle, err := i18n.Load(locale.Files)
	return &Post{outbox: outbox, bundle: bundle, url: strings.TrimSuffix(publicURL, "/")}, err
}

// Enabled implements auth.Mailer.
func (p *Post) Enabled() bool { return p.outbox.Enabled() && p.url != "" }

// Enqueue implements auth.Mailer.
func (p *Post) Enqueue(tx *db.Tx, letter auth.Letter) error {
	// The pages that links lead to are package account's.
	path, ok := map[auth.TicketKind]string{auth.InviteTicket: "/invitation", auth.ResetTicket: "/reset"}[letter.Kind]
	if !ok {
		return fmt.Errorf("there is no letter of the kind %q", letter.Kind)
	}
	zone, err := time.LoadLocation(letter.To.Zone) // "" is UTC
	if err != nil {
		zone = time.UTC
	}
	speak := p.bundle.Printer(p.Language(letter.To), zone)
	key := "letter." + string(letter.Kind)
	link := p.url + path + "?ticket=" + url.QueryEscape(letter.Token)
	return p.outbox.Enqueue(tx, mail.Message{
		To: letter.To.Email, Subject: speak.T(key + ".subject"),
		Text:  speak.T(key+".text", letter.To.Name, link, speak.Exact(letter.Expiry), p.url),
		Until: letter.Expiry,
	})
}

// Language is the person's, Japanese where they have chosen none.
func (p *Post) Language(to auth.Person) i18n.Lang {
	if to.Lang != "" {
		return i18n.Lang(to.Lang)
	}
	return i18n.Japanese
}
