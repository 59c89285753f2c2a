package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// code is a text with line numbers that can be linked to (#L12). kind "yaml" colours keys, comments and strings; "" does
// not. Lines named in marked are set off.
func (c components) code(kind, text string, marked ...int) template.HTML {
	var b strings.Builder
	b.WriteString(`<div class="code" tabindex="0"><table role="presentation">`)
	number := 0
	for line := range strings.Lines(text) {
		number++
		class := ""
		if slices.Contains(marked, number) {
			class = ` class="marked"`
		}
		line = strings.TrimRight(line, "\r\n")
		shown := template.HTML(template.HTMLEscapeString(line))
		if kind == "yaml" {
			shown = yamlLine(line)
		}
		fmt.Fprintf(&b, `<tr id="L%d"%s><td class="line" data-line="%d"></td><td><code>%s</code></td></tr>`, number, class, number, shown)
	}
	b.WriteString(`</table></div>`)
	return template.HTML(b.String())
}

// yamlLine colours one line of YAML. It reads lines, not documents: a "key:" within a block of text is coloured as a key,
// which misleads nobody.
func yamlLine(line string) template.HTML {
	body := strings.TrimLeft(line, " ")
	indent := template.HTML(line[:len(line)-len(body)])
	if strings.HasPrefix(body, "#") {
		return indent + markup(`<span class="y-comment">%s</span>`, body)
	}
	dashes := ""
	for strings.HasPrefix(body, "- ") {
		dashes, body = dashes+"- ", body[2:]
	}
	lead := indent + template.HTML(dashes)
	colon := strings.Index(body, ":")
	plain := colon > 0 && !strings.ContainsAny(body[:colon], ` "'{[`) && (colon+1 == len(body) || body[colon+1] == ' ')
	if !plain {
		return lead + yamlValue(body)
	}
	return lead + markup(`<span class="y-key">%s</span>:`, body[:colon]) + yamlValue(body[colon+1:])
}

func yamlValue(text string) template.HTML {
	trimmed := strings.TrimLeft(text, " ")
	lead := template.HTML(text[:len(text)-len(trimmed)])
	if comment := strings.Index(trimmed, " #"); comment >= 0 && !strings.ContainsAny(trimmed[:comment], `"'`) {
		return lead + yamlValue(trimmed[:comment]) + markup(`<span class="y-comment">%s</span>`, trimmed[comment:])
	}
	if strings.HasPrefix(trimmed, "'") || strings.HasPrefix(trimmed, `"`) {
		return lead + markup(`<span class="y-string">%s</span>`, trimmed)
	}
	return lead + markup(`%s`, trimmed)
}
