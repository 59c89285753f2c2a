package mail

import (
	"encoding/json"
	"fmt"
	netmail "net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"yagura/internal/platform/fault"
)

const (
	// maxSubject is the longest subject, in characters; a longer one is cut.
	maxSubject = 200
	// maxBody bounds text and HTML together, in bytes.
	maxBody = 1 << 20
)

// Message is one mail to one person.
type Message struct {
	// To is "person@example.co.jp" or "Name <person@example.co.jp>", with a plain local part (RFC 5321 dot-string).
	To string
	// Subject is text in any language, in one line; what would break the line becomes a space.
	Subject string
	// Text is the plain text, which every mail has. HTML is the same for readers who prefer it, "" for none.
	Text string
	HTML string
	// Until is when the mail has lost its sense: a link in it ends then. The zero time gives it a day.
	Until time.Time
}

// letter is a message as it is sealed: with what makes its second sending the same mail as the first.
type letter struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html,omitempty"`
}

// check returns the message as it will be sent, and its recipient's bare address. Its errors are fault.Invalid or
// fault.TooLarge.
func (m Message) check() (letter, string, error) {
	to, err := parseAddress(m.To)
	if err != nil {
		return letter{}, "", err
	}
	l := letter{To: to.String(), Subject: oneLine(m.Subject), Text: lines(m.Text), HTML: lines(m.HTML)}
	switch {
	case l.Subject == "" || strings.TrimSpace(l.Text) == "":
		return letter{}, "", fault.New(fault.Invalid, "", "a mail needs a subject and a text")
	case len(l.Text)+len(l.HTML) > maxBody:
		return letter{}, "", fault.New(fault.TooLarge, "mail.fault.too_large", "a mail of %d bytes; at most %d", len(l.Text)+len(l.HTML), maxBody)
	}
	return l, to.Address, nil
}

// CheckAddress reports whether mail can be sent to an address: a fault.Invalid says why not.
func CheckAddress(address string) error {
	_, err := parseAddress(address)
	return err
}

// parseAddress reads one address. It is stricter than RFC 5322: a quoted local part would have to be quoted anew at each
// place it goes to, and some place would forget.
func parseAddress(text string) (*netmail.Address, error) {
	invalid := func(why string) error {
		return fault.New(fault.Invalid, "mail.fault.address", "a mail address is wrong: %s", why)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) {
		return nil, invalid("it holds a control character")
	}
	address, err := netmail.ParseAddress(text)
	if err != nil {
		return nil, invalid(`it is not of the form "person@example.com"`)
	}
	at := strings.LastIndexByte(address.Address, '@')
	if at < 0 {
		return nil, invalid("it has no @")
	}
	local, domain := address.Address[:at], address.Address[at+1:]
	if !regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$").MatchString(local) || len(local) > 64 {
		return nil, invalid("before the @ stand letters, digits and dots, at most 64")
	}
	domain, err = idna.New(idna.MapForLookup(), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.BidiRule()).ToASCII(domain)
	if err != nil || domain == "" || len(domain) > 253 || strings.ContainsAny(domain, "[]:") {
		return nil, invalid("what stands behind the @ is no domain")
	}
	address.Address = local + "@" + strings.ToLower(domain)
	return address, nil
}

// oneLine returns text without anything that ends a header's line or that a reader cannot see, cut to a subject's length.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return -1 // could show a subject in another order than it has
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) > maxSubject {
		text = string([]rune(text)[:maxSubject-1]) + "…"
	}
	return text
}

// lines returns a body with line ends as RFC 2046, 4.1.1 asks for.
func lines(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// compose makes the mail. Id and date are those of the outbox's row, so that a mail that is sent twice because nobody
// knows whether the first arrived is recognised by its Message-ID.
func (l letter) compose(id string, written time.Time, from *netmail.Address) (*gomail.Msg, error) {
	encoding := gomail.EncodingQP
	if !ascii(l.Text) {
		encoding = gomail.EncodingB64 // quoted-printable makes nine characters of each Japanese one
	}
	m := gomail.NewMsg(gomail.WithEncoding(encoding), gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(from)
	to, err := netmail.ParseAddress(l.To)
	if err != nil {
		return nil, fmt.Errorf("composing mail %s: its address: %w", id, err)
	}
	m.ToMailAddress(to)
	m.Subject(l.Subject)
	m.SetDateWithValue(written)
	_, domain, _ := strings.Cut(from.Address, "@")
	m.SetMessageIDWithValue(id + "@" + domain)
	// Neither vacation notices nor delivery reports are wanted in answer (RFC 3834, section 5).
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	if l.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	}
	return m, nil
}

func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

func (l letter) encode() ([]byte, error) {
	data, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encoding a mail: %w", err)
	}
	return data, nil
}

func decode(data []byte) (l letter, err error) {
	if err := json.Unmarshal(data, &l); err != nil {
		return letter{}, fmt.Errorf("decoding a mail: %w", err)
	}
	return l, nil
}
