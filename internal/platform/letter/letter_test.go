package letter_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/letter"
	"yagura/internal/platform/mail"
	"yagura/internal/platform/seal"
)

// write has a letter written and returns what waits in the outbox, opened.
func write(t *testing.T, l auth.Letter) string {
	t.Helper()
	d, keys := dbtest.New(t), seal.Generate()
	outbox, err := mail.Open(t.Context(), mail.Options{DB: d, Keys: keys, SMTP: mail.SMTP{Server: "127.0.0.1:1", Security: mail.Plain, From: "yagura@example.co.jp"}})
	if err != nil {
		t.Fatal(err)
	}
	post, err := letter.New(outbox, "https://yagura.example.co.jp/")
	if err != nil {
		t.Fatal(err)
	}
	if !post.Enabled() {
		t.Fatal("the post is closed")
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return post.Enqueue(tx, l) }); err != nil {
		t.Fatal(err)
	}
	var id, sealed string
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT id, sealed FROM mail_outbox`).Scan(&id, &sealed)
	}); err != nil {
		t.Fatal(err)
	}
	text, err := keys.Open(mail.Columns()[0].Purpose(id), sealed)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLettersAreInTheirReadersLanguage(t *testing.T) {
	t.Parallel()
	hana := auth.Person{ID: "p", Name: "田中 花子", Email: "hana@example.co.jp", Zone: "Asia/Tokyo"}
	john := auth.Person{ID: "q", Name: "John", Email: "john@example.com", Lang: "en"}
	expiry := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		letter auth.Letter
		want   []string
	}{
		{auth.Letter{Kind: auth.InviteTicket, To: hana, Token: "a/b+c", Expiry: expiry}, []string{"田中 花子 様", "https://yagura.example.co.jp/invitation?ticket=" + url.QueryEscape("a/b+c"), "12:00"}},
		{auth.Letter{Kind: auth.ResetTicket, To: john, Token: "t", Expiry: expiry}, []string{"Hello John", "https://yagura.example.co.jp/reset?ticket=t"}},
	} {
		text := write(t, row.letter)
		for _, want := range row.want {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in\n%s", want, text)
			}
		}
		for _, sign := range []string{"⟦", "{0}", "{1}", "%!"} {
			if strings.Contains(text, sign) {
				t.Errorf("%q is in\n%s", sign, text)
			}
		}
	}
}
