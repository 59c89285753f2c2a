package record

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Type is what a field's values are. There are as many as this package has.
type Type interface {
	// Word names the type: for forms, which have an input for each, and for the API's document.
	Word() string
	// Parse reads what people type, and what Text wrote; "" is the empty value. Errors are fault.Invalid.
	Parse(text string, env *Env) (any, error)
	// Text writes a value so that Parse reads it: the same text for the same value, whoever reads it. The empty value is "".
	Text(value any) string
	// toDB and fromDB say how the database keeps a value: as a text or a number, never NULL.
	toDB(value any) any
	fromDB(raw any) (any, error)
	// where adds the condition that the column is one of the texts of a filter.
	where(w *db.Where, column string, texts []string, env *Env) error
}

// Empty is a filter's word for records that have nothing in a field.
const Empty = "-"

const (
	maxText = 1_000
	maxLong = 100_000
	maxTags = 50
	maxTag  = 60
)

func invalid(key string, args []any, format string, detail ...any) error {
	return &fault.Error{Code: fault.Invalid, Key: key, Args: args, Detail: fmt.Sprintf(format, detail...)}
}

// clean makes a text fit to be kept: no NUL, which PostgreSQL refuses, no broken characters, line ends as "\n".
func clean(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
	return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"))
}

func fromText(raw any) (any, error) {
	switch v := raw.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	}
	return "", fmt.Errorf("a text is kept as %T", raw)
}

func fromInt(raw any) (any, error) {
	if n, ok := raw.(int64); ok {
		return n, nil
	}
	return int64(0), fmt.Errorf("a number is kept as %T", raw)
}

// Text is one line.
type Text struct{ textual }

// Word implements Type; so do the methods of the other types.
func (Text) Word() string { return "text" }

// textual is what all types have whose values are texts.
type textual struct{}

func (textual) Parse(text string, _ *Env) (any, error) {
	text = strings.Join(strings.Fields(clean(text)), " ")
	return text, tooLong(text, maxText)
}

func tooLong(text string, most int) error {
	if n := utf8.RuneCountInString(text); n > most {
		return invalid("record.fault.long", []any{most}, "%d characters, more than %d", n, most)
	}
	return nil
}

func (textual) Text(v any) string           { s, _ := v.(string); return s }
func (textual) toDB(v any) any              { s, _ := v.(string); return s }
func (textual) fromDB(raw any) (any, error) { return fromText(raw) }
func (textual) where(w *db.Where, column string, texts []string, _ *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) {
		if exact, ok := strings.CutPrefix(text, "="); ok {
			return column + " = ?", []any{exact}, nil
		}
		return "LOWER(" + column + `) LIKE LOWER(?) ESCAPE '\'`, []any{db.Contains(clean(text))}, nil
	})
}

// Long is a text of many lines, in Markdown.
type Long struct{ textual }

func (Long) Word() string { return "long" }

func (Long) Parse(text string, _ *Env) (any, error) {
	text = clean(text)
	return text, tooLong(text, maxLong)
}

// Email is a mail address; Link an address of the web.
type Email struct{ textual }

func (Email) Word() string { return "email" }

func (Email) Parse(text string, env *Env) (any, error) {
	v, err := textual{}.Parse(norm.NFKC.String(text), env)
	local, domain, ok := strings.Cut(v.(string), "@")
	if err == nil && v != "" && (!ok || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(v.(string), " <>\"'")) {
		err = invalid("record.fault.email", nil, "%q is no mail address", v)
	}
	return v, err
}

// Link is an address of the web, shown as text that can be copied, and followed only where it is https or http.
type Link struct{ textual }

func (Link) Word() string { return "link" }

func (Link) Parse(text string, env *Env) (any, error) {
	v, err := textual{}.Parse(text, env)
	lower := strings.ToLower(v.(string))
	if err == nil && v != "" && !strings.HasPrefix(lower, "https://") && !strings.HasPrefix(lower, "http://") {
		err = invalid("record.fault.link", nil, "%q begins with neither https:// nor http://", v)
	}
	return v, err
}

// Logged is a value that came from a log: shown defanged, with the menu that all such values have. It is the name of the value's ECS
// field ("host.name"), by which its events are searched for.
type Logged string

func (Logged) Word() string                             { return "logged" }
func (Logged) Parse(text string, env *Env) (any, error) { return textual{}.Parse(text, env) }
func (Logged) Text(v any) string                        { return textual{}.Text(v) }
func (Logged) toDB(v any) any                           { return textual{}.toDB(v) }
func (Logged) fromDB(raw any) (any, error)              { return fromText(raw) }
func (Logged) where(w *db.Where, column string, texts []string, _ *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) { return column + " = ?", []any{text}, nil })
}

// Choice is one of some words.
type Choice []string

func (Choice) Word() string { return "choice" }

func (c Choice) Parse(text string, _ *Env) (any, error) {
	if text = strings.TrimSpace(text); text != "" && !slices.Contains(c, text) {
		return "", invalid("record.fault.choice", []any{strings.Join(c, ", ")}, "%.80q is none of %s", text, strings.Join(c, ", "))
	}
	return text, nil
}

func (Choice) Text(v any) string           { return textual{}.Text(v) }
func (Choice) toDB(v any) any              { return textual{}.toDB(v) }
func (Choice) fromDB(raw any) (any, error) { return fromText(raw) }

func (c Choice) where(w *db.Where, column string, texts []string, env *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) {
		_, err := c.Parse(text, env)
		return column + " = ?", []any{text}, err
	})
}

// Choices is any number of some words.
type Choices []string

func (Choices) Word() string { return "choices" }

func (c Choices) Parse(text string, env *Env) (any, error) {
	words := strings.FieldsFunc(text, separates)
	for _, word := range words {
		if _, err := Choice(c).Parse(word, env); err != nil {
			return []string(nil), err
		}
	}
	return inOrder(words, c), nil
}

// inOrder has each word once, in the order in which they are declared.
func inOrder(words, declared []string) (list []string) {
	for _, word := range declared {
		if slices.Contains(words, word) {
			list = append(list, word)
		}
	}
	return list
}

func (Choices) Text(v any) string           { return Tags{}.Text(v) }
func (Choices) toDB(v any) any              { return Tags{}.toDB(v) }
func (Choices) fromDB(raw any) (any, error) { return Tags{}.fromDB(raw) }

func (c Choices) where(w *db.Where, column string, texts []string, env *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) {
		_, err := Choice(c).Parse(text, env)
		return column + ` LIKE ? ESCAPE '\'`, []any{db.Contains(" " + text + " ")}, err
	})
}

// Tags are words that people choose freely. They are kept with a space before and after each.
type Tags struct{}

func (Tags) Word() string { return "tags" }

func separates(r rune) bool { return strings.ContainsRune(",、; 　\t\n", r) }

func (Tags) Parse(text string, _ *Env) (any, error) {
	words := strings.FieldsFunc(strings.ToLower(norm.NFKC.String(clean(text))), separates)
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) > maxTags {
		return []string(nil), invalid("record.fault.tags", []any{maxTags}, "%d tags, more than %d", len(words), maxTags)
	}
	for _, word := range words {
		if utf8.RuneCountInString(word) > maxTag || word == Empty || word[0] == '!' {
			return []string(nil), invalid("record.fault.tag", []any{maxTag}, "%.80q is no tag", word)
		}
	}
	return words, nil
}

func (Tags) Text(v any) string { list, _ := v.([]string); return strings.Join(list, ", ") }

func (Tags) toDB(v any) any {
	list, _ := v.([]string)
	if len(list) == 0 {
		return ""
	}
	return " " + strings.Join(list, " ") + " "
}

func (Tags) fromDB(raw any) (any, error) {
	text, err := fromText(raw)
	return strings.Fields(text.(string)), err
}

func (Tags) where(w *db.Where, column string, texts []string, _ *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) {
		return column + ` LIKE ? ESCAPE '\'`, []any{db.Contains(" " + strings.ToLower(norm.NFKC.String(text)) + " ")}, nil
	})
}

// either adds one condition: that any of the texts holds, and none of those with "!" before them. Empty is what Empty stands for.
func either(w *db.Where, texts []string, empty string, one func(text string) (condition string, args []any, err error)) error {
	var some []string
	var args []any
	for _, text := range texts {
		word, not := strings.CutPrefix(text, "!")
		condition, with := empty, []any(nil)
		if word != Empty {
			var err error
			if condition, with, err = one(word); err != nil {
				return err
			}
		}
		if not {
			w.And("NOT ("+condition+")", with...)
			continue
		}
		some, args = append(some, condition), append(args, with...)
	}
	if len(some) > 0 {
		w.And("("+strings.Join(some, " OR ")+")", args...)
	}
	return nil
}
