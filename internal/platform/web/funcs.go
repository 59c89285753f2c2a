package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yagura/internal/platform/i18n"
)

// funcs are what templates can call, bound to a reader's language and zone. README.md describes them for page writers.
func (p *pages) funcs(printer *i18n.Printer) template.FuncMap {
	c := components{printer: printer, now: p.site.opt.Now, icon: icons, name: p.site.opt.Name}
	return template.FuncMap{
		"t":         c.text,
		"languages": i18n.Languages,
		"lang":      func() string { return string(printer.Lang()) },
		"num":       printer.Number,
		"bytes":     c.bytes,
		"percent":   printer.Percent,
		"span":      printer.Duration,
		"ago":       c.ago,
		"at":        c.at,
		"day":       c.day,
		"person":    c.person,
		"severity":  c.severity,
		"mark":      c.mark,
		"pill":      c.pill,
		"value":     c.value,
		"defang":    Defang,
		"icon":      c.drawIcon,
		"code":      c.code,
		"spark":     c.sparkline,
		"bar":       c.bar,
		"histogram": c.histogram,
		"href":      href,
		"asset":     p.site.assets.url,
		"dict":      dict,
		"list":      func(items ...any) []any { return items },
		"has":       printer.Has,
		"join":      strings.Join,
	}
}

// components writes the small pieces of a page.
type components struct {
	printer *i18n.Printer
	now     func() time.Time
	icon    map[string]string
	name    func(id string) string
}

// NameOf is what the person of an id is called, as {{person}} writes it.
func (s *Site) NameOf(r *http.Request, id string) string {
	return components{printer: T(r), name: s.opt.Name}.person(id)
}

// person is what somebody is called whose id a record keeps: "local" is whoever sits at the server, "system" the program itself.
func (c components) person(id string) string {
	switch id {
	case "":
		return "–"
	case "local", "system":
		return c.printer.T("person." + id)
	}
	if c.name != nil {
		if name := c.name(id); name != "" {
			return name
		}
	}
	return id
}

// text is {{t}}: a message, escaped by the template like any text, unless an argument is markup: then the message is
// markup, with everything but that argument escaped here.
func (c components) text(key string, args ...any) any {
	markup := false
	for i, arg := range args {
		if html, ok := arg.(template.HTML); ok {
			if !markup {
				args = append([]any(nil), args...)
			}
			args[i], markup = i18n.Escaped(html), true
		}
	}
	if !markup {
		return c.printer.T(key, args...)
	}
	return template.HTML(c.printer.Fill(key, template.HTMLEscapeString, args...))
}

func (c components) bytes(n any) (string, error) {
	size, ok := toFloat(n)
	if !ok {
		return "", fmt.Errorf("bytes wants a number, not %T", n)
	}
	return c.printer.Bytes(int64(size)), nil
}

// href builds an address from a path and pairs of query names and values; pairs with an empty value are left out.
func href(path string, pairs ...any) (string, error) {
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("href %s: a name without a value", path)
	}
	base, old, _ := strings.Cut(path, "?")
	query, err := url.ParseQuery(old)
	if err != nil {
		return "", err
	}
	for i := 0; i < len(pairs); i += 2 {
		name, value := fmt.Sprint(pairs[i]), ""
		if pairs[i+1] != nil {
			value = fmt.Sprint(pairs[i+1])
		}
		query.Del(name)
		if value != "" {
			query.Set(name, value)
		}
	}
	if len(query) == 0 {
		return base, nil
	}
	return base + "?" + query.Encode(), nil
}

// dict makes a map from pairs, for partials that take more than one thing.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
