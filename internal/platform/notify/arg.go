package notify

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/publicsuffix"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
)

// maxText is the longest text of an argument, in characters; a longer one is cut.
const maxText = 300

// Arg is an argument of a notice's words. It keeps what a thing is, so that each reader gets it in their language, time zone and
// with the name that a person has when it is read.
type Arg struct {
	Text    string `json:"text,omitempty"`
	Number  *int64 `json:"number,omitempty"`
	Time    int64  `json:"time,omitempty"`    // microseconds
	Message string `json:"message,omitempty"` // a key of the catalogues
	Person  string `json:"person,omitempty"`  // an id
}

// Text is an argument that reads alike in every language: a title, an account. It may come from outside.
func Text(text string) Arg { return Arg{Text: clean(text)} }

// clean makes text from outside one line of bounded length.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r):
			return -1 // could show a line in another order than it has
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText-1]) + "…"
	}
	return text
}

// Number is a count.
func Number(n int64) Arg { return Arg{Number: &n} }

// Time is a moment, shown in the reader's zone.
func Time(t time.Time) Arg { return Arg{Time: db.Micros(t)} }

// Message is words of the catalogues, such as "severity.high".
func Message(key string) Arg { return Arg{Message: key} }

// Person is a person's name, by id.
func Person(id string) Arg { return Arg{Person: id} }

// Args are the arguments of a notice by their names.
type Args map[string]Arg

func (a Args) encode(topic Topic) (string, error) {
	for _, name := range topic.Args {
		if _, ok := a[name]; !ok {
			return "", fmt.Errorf("a notice %s lacks the argument %q", topic.Name, name)
		}
	}
	if len(a) != len(topic.Args) {
		return "", fmt.Errorf("a notice %s has %d arguments, its topic %d", topic.Name, len(a), len(topic.Args))
	}
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("the arguments of a notice %s: %w", topic.Name, err)
	}
	return string(text), nil
}

func decodeArgs(text string) (a Args, err error) {
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fault.New(fault.Internal, "", "the arguments of a notice: %w", err)
	}
	return a, nil
}

// names of people by id.
type names map[string]string

// wording is how a notice's words come out in one place.
type wording struct {
	speak  *i18n.Printer
	names  names
	escape func(string) string // of what came from outside, for the place it goes to; nil leaves it
}

func (w wording) value(a Arg) any {
	outside := func(text string) any {
		text = clean(text) // names, too, are what somebody typed in
		if w.escape == nil {
			return text
		}
		return w.escape(text)
	}
	switch {
	case a.Number != nil:
		return *a.Number
	case a.Time != 0:
		return w.speak.Time(db.Time(a.Time))
	case a.Message != "":
		return w.speak.T(a.Message)
	case a.Person != "":
		if name, ok := w.names[a.Person]; ok {
			return outside(name)
		}
		return w.speak.T("notify.somebody")
	}
	return outside(a.Text)
}

// say writes what a notice says. A topic that no room declares any more is told by its name alone.
func (n *Notifier) say(w wording, topic string, args Args) string {
	declared, ok := n.topics[topic]
	if !ok {
		return topic
	}
	values := make([]any, len(declared.Args))
	for i, name := range declared.Args {
		values[i] = w.value(args[name])
	}
	return w.speak.T("notify.text."+topic, values...)
}

// people lists the ids of people in a notice's arguments.
func (a Args) people() (ids []string) {
	for _, arg := range a {
		if arg.Person != "" {
			ids = append(ids, arg.Person)
		}
	}
	return ids
}

// Defang makes the addresses in a text unfit for clicking: mail readers and chats make links of whatever looks like one.
func Defang(text string) string {
	address := regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*)(://)`)
	text = address.ReplaceAllStringFunc(text, func(found string) string {
		scheme, _, _ := strings.Cut(found, "://")
		if strings.HasPrefix(strings.ToLower(scheme), "http") {
			scheme = "hxxp" + scheme[len("http"):]
		}
		return scheme + "[://]"
	})
	text = regexp.MustCompile(`(?i)\b(mailto|tel|javascript|data):`).ReplaceAllString(text, "$1[:]")
	return regexp.MustCompile(`[\pL\pN_-]+(\.[\pL\pN_-]+)+`).ReplaceAllStringFunc(text, func(host string) string {
		if suffix, icann := publicsuffix.PublicSuffix(strings.ToLower(host)); icann || strings.HasPrefix(suffix, "xn--") {
			return strings.ReplaceAll(host, ".", "[.]")
		}
		return host
	})
}
