package mail

import (
	"context"
	netmail "net/mail"
	"strings"
	"time"
)

// Round sends what is due once, as the worker does.
func (o *Outbox) Round(ctx context.Context) (int, error) { return o.round(ctx) }

// Recipient returns the bare address and the header that a good address becomes.
func Recipient(text string) (address, header string) {
	parsed, err := parseAddress(text)
	if err != nil {
		return "", ""
	}
	return parsed.Address, parsed.String()
}

// SubjectOf returns a subject as it is sent, and a mail that has it.
func SubjectOf(text string) (subject, wire string) {
	from := &netmail.Address{Address: "a@example.jp"}
	l := letter{To: "b@example.jp", Subject: oneLine(text), Text: "x"}
	m, err := l.compose("id", time.Unix(0, 0), from)
	if err != nil {
		return "", err.Error()
	}
	var b strings.Builder
	if _, err := m.WriteTo(&b); err != nil {
		return "", err.Error()
	}
	return l.Subject, b.String()
}
