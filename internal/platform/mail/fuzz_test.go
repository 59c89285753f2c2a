package mail_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"

	"yagura/internal/platform/mail"
)

func decode(encoding string, r io.Reader) (string, error) {
	switch strings.ToLower(encoding) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	default:
		return "", fmt.Errorf("encoding %q", encoding)
	}
	data, err := io.ReadAll(r)
	return string(data), err
}

// FuzzAddress: an address that is taken is one address and brings nothing into a header or an SMTP command.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"a@example.jp", "山田 <a@例え.jp>", `"x" <a@b.jp>`, "a@b\r\nBcc: c@d", `"a>"@b`, "a@[::1]", "<a@b>", "a@b (c)", "=?utf-8?q?a?= <a@b.c>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if mail.CheckAddress(text) != nil {
			return
		}
		address, header := mail.Recipient(text)
		if strings.ContainsAny(address, "\r\n\t <>\",;:\\\x00") || strings.Count(address, "@") != 1 {
			t.Errorf("%q is taken as %q", text, address)
		}
		if list, err := netmail.ParseAddressList(header); err != nil || len(list) != 1 || list[0].Address != address || strings.ContainsAny(header, "\r\n") {
			t.Errorf("%q becomes the header %q: %v", text, header, err)
		}
	})
}

// FuzzSubject: a subject is one line, whatever it is made of.
func FuzzSubject(f *testing.F) {
	for _, seed := range []string{"plain", "a\r\nb", "\u2028\u2029\u0085\x00", "\u202e", "\xff", strings.Repeat("長", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		subject, wire := mail.SubjectOf(text)
		if len([]rune(subject)) > 200 || strings.ContainsAny(subject, "\r\n\x00") {
			t.Errorf("%q becomes %q", text, subject)
		}
		m, err := netmail.ReadMessage(strings.NewReader(wire))
		if err != nil || len(m.Header["Subject"]) > 1 || len(m.Header) > 12 {
			t.Errorf("%q makes the mail %q: %v", text, wire, err)
		}
	})
}
