// Package i18n says things to people in their language: messages from the catalogues in locale/, numbers, times and
// sizes as they are written there.
//
// A message is found by its key. A key that no catalogue has comes out as the key itself in marks, ⟦key⟧, so that a test
// that renders every page finds it and a reader still sees something; it is never an error.
//
// Bundle and Printer do not change once made and are safe for any number of goroutines.
package i18n

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// Lang is a language people can choose.
type Lang string

// The languages.
const (
	English  Lang = "en"
	Japanese Lang = "ja"
)

// Languages lists them in the order they are offered, with the name each has for itself.
func Languages() []struct {
	Lang Lang
	Name string
} {
	return []struct {
		Lang Lang
		Name string
	}{{Japanese, "日本語"}, {English, "English"}}
}

// Bundle is the catalogues of all languages.
type Bundle struct {
	messages map[Lang]map[string]message
	matcher  language.Matcher
}

// Load reads en.json and ja.json from files: an object of keys to messages each.
func Load(files fs.FS) (*Bundle, error) {
	b := &Bundle{
		messages: make(map[Lang]map[string]message),
		// The first is what a reader gets whose languages we don't speak.
		matcher: language.NewMatcher([]language.Tag{language.English, language.Japanese}),
	}
	for _, l := range Languages() {
		name := string(l.Lang) + ".json"
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("reading catalogue: %w", err)
		}
		texts := make(map[string]string)
		if err := json.Unmarshal(data, &texts); err != nil {
			return nil, fmt.Errorf("catalogue %s: %w", path.Base(name), err)
		}
		compiled := make(map[string]message, len(texts))
		for key, text := range texts {
			if compiled[key], err = parse(text); err != nil {
				return nil, fmt.Errorf("catalogue %s, key %s: %w", name, key, err)
			}
		}
		b.messages[l.Lang] = compiled
	}
	return b, nil
}

// Keys returns the sorted keys of a language.
func (b *Bundle) Keys(lang Lang) []string {
	return slices.Sorted(maps.Keys(b.messages[lang]))
}

// Places returns which arguments a message uses, sorted; nil where there is no such message.
func (b *Bundle) Places(lang Lang, key string) []int {
	return slices.Sorted(maps.Keys(b.messages[lang][key].places()))
}

// Match picks the language for a reader: their choice when it is one we have, else the best of an
// Accept-Language header (RFC 9110, 12.5.4), else English.
func (b *Bundle) Match(choice, acceptLanguage string) Lang {
	if _, ok := b.messages[Lang(choice)]; ok {
		return Lang(choice)
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(tags) == 0 {
		return English
	}
	if _, index, confidence := b.matcher.Match(tags...); confidence > language.No && index == 1 {
		return Japanese
	}
	return English
}

// Printer returns what speaks lang and shows times in zone; nil is UTC.
func (b *Bundle) Printer(lang Lang, zone *time.Location) *Printer {
	if zone == nil {
		zone = time.UTC
	}
	return &Printer{messages: b.messages[lang], lang: lang, zone: zone}
}

// Printer speaks one language in one time zone.
type Printer struct {
	messages map[string]message
	lang     Lang
	zone     *time.Location
	eras     bool
}

// WithEras returns a printer that writes dates by Japanese eras where it speaks Japanese: "令和8年11月23日".
func (p *Printer) WithEras() *Printer {
	with := *p
	with.eras = true
	return &with
}

// Eras reports whether it was asked to write dates by eras.
func (p *Printer) Eras() bool { return p.eras }

// Lang returns the language.
func (p *Printer) Lang() Lang { return p.lang }

// Zone returns the time zone.
func (p *Printer) Zone() *time.Location { return p.zone }

// Has reports whether there is a message of that key.
func (p *Printer) Has(key string) bool {
	_, ok := p.messages[key]
	return ok
}

// T returns the message of key, filled with args: whole numbers and floats as Number writes them, anything
// else as fmt.Sprint does.
func (p *Printer) T(key string, args ...any) string {
	return p.Fill(key, func(text string) string { return text }, args...)
}

// Fill is T with each piece of the message's own text passed through escape, and so are arguments
// unless they are of a type that Escaped marks. It lets markup stand in a message.
func (p *Printer) Fill(key string, escape func(string) string, args ...any) string {
	m, ok := p.messages[key]
	if !ok {
		return escape("⟦" + key + "⟧")
	}
	var out strings.Builder
	p.write(&out, m, escape, args)
	return out.String()
}

// Escaped is text that needs no escaping in the place a message is filled for.
type Escaped string

func (p *Printer) write(out *strings.Builder, m message, escape func(string) string, args []any) {
	for _, part := range m {
		switch {
		case part.arg < 0:
			out.WriteString(escape(part.text))
		case part.arg >= len(args):
			fmt.Fprintf(out, "{%d}", part.arg) // visible, and found by the test of rendered pages
		case part.plural != nil:
			words, ok := part.plural[p.category(args[part.arg])]
			if !ok {
				words = part.plural["other"]
			}
			p.write(out, words, escape, args)
		default:
			if done, ok := args[part.arg].(Escaped); ok {
				out.WriteString(string(done))
				continue
			}
			out.WriteString(escape(p.Any(args[part.arg])))
		}
	}
}

// category is the CLDR plural category of a whole number: English knows one and other, Japanese other alone.
func (p *Printer) category(n any) string {
	if p.lang == English && fmt.Sprint(n) == "1" {
		return "one"
	}
	return "other"
}
