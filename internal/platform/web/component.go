package web

import (
	"fmt"
	"html/template"
	"reflect"
	"strings"
	"time"
)

// markup builds HTML in which everything that varies is escaped: verbs in format take only what was escaped before.
func markup(format string, args ...any) template.HTML {
	for i, arg := range args {
		switch v := arg.(type) {
		case template.HTML:
		case string:
			args[i] = template.HTMLEscapeString(v)
		default:
			args[i] = template.HTMLEscapeString(fmt.Sprint(v))
		}
	}
	return template.HTML(fmt.Sprintf(format, args...))
}

// ago is a time as a distance from now, exact on hover.
func (c components) ago(v any) (template.HTML, error) {
	return c.time(v, func(t time.Time) string { return c.printer.Ago(t, c.now()) }, "ago")
}

// at is a time to the second, exact on hover.
func (c components) at(v any) (template.HTML, error) { return c.time(v, c.printer.Time, "at") }

// day is a date, exact on hover.
func (c components) day(v any) (template.HTML, error) { return c.time(v, c.printer.Date, "day") }

func (c components) time(v any, write func(time.Time) string, class string) (template.HTML, error) {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v != nil {
			t = *v
		}
	default:
		return "", fmt.Errorf("%T is no time", v)
	}
	if t.IsZero() {
		return `<span class="none">–</span>`, nil
	}
	return markup(`<time class="%s" datetime="%s" title="%s">%s</time>`,
		class, t.UTC().Format(time.RFC3339Nano), c.printer.Exact(t), write(t)), nil
}

// shapes tell a severity without colour.
var shapes = map[string]string{
	"critical":      `<circle cx="6" cy="6" r="5"/>`,
	"high":          `<path d="M6 1 11.5 11H.5Z"/>`,
	"medium":        `<path d="M1.5 1.5h9v9h-9Z"/>`,
	"low":           `<path d="M1.2 1.8h9.6L6 10.4Z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/>`,
	"informational": `<circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6"/>`,
}

// level reads a severity; what is none counts as informational.
func level(v any) string {
	name := strings.ToLower(fmt.Sprint(v))
	if _, ok := shapes[name]; ok {
		return name
	}
	return "informational"
}

// severity is shape, word and colour.
func (c components) severity(v any) template.HTML {
	name := level(v)
	return markup(`<span class="sev sev-%s">%s%s</span>`, name, shape(name), c.printer.T("severity."+name))
}

// mark is the shape alone, with the word for those who cannot see it.
func (c components) mark(v any) template.HTML {
	name := level(v)
	word := c.printer.T("severity." + name)
	return markup(`<span class="sev sev-%s" role="img" aria-label="%s" title="%s">%s</span>`, name, word, word, shape(name))
}

func shape(name string) template.HTML {
	return template.HTML(`<svg viewBox="0 0 12 12" width="10" height="10" fill="currentColor" aria-hidden="true">` + shapes[name] + `</svg>`)
}

// pill is a state in a word: kinds are "", new, active, good, warn, bad.
func (c components) pill(kind, text any) template.HTML {
	return markup(`<span class="pill pill-%s">%s</span>`, fmt.Sprint(kind), fmt.Sprint(text))
}

// toFloat reads any number.
func toFloat(v any) (float64, bool) {
	rv := reflect.ValueOf(v)
	switch {
	case !rv.IsValid():
		return 0, false
	case rv.CanInt():
		return float64(rv.Int()), true
	case rv.CanUint():
		return float64(rv.Uint()), true
	case rv.CanFloat():
		return rv.Float(), true
	}
	return 0, false
}
