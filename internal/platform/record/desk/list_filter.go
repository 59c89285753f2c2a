package desk

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// chip is a condition that is in force.
type chip struct {
	Label  string
	Text   string
	Change string // where it is asked for again
	Remove string // the list without it
}

// condition is a field's filter as a form asks for it. The form sends "_field", "_mode", "_value", "_from" and "_to", of which composed makes the
// address that people share.
type condition struct {
	input
	Keep    []web.Option
	Cancel  string
	Modes   []option
	Presets []option // values that have a name of their own: me, overdue
	From    string
	To      string
	Ranged  bool
}

// Modes of a condition.
const (
	modeIs     = "is"
	modeNot    = "not"
	modeExact  = "exact"
	modeEmpty  = "empty"
	modeFilled = "filled"
)

// filterable reports whether people can filter by a field in the list.
func filterable(f *record.Field) bool { return !f.Secret }

// filters says what can be filtered by, and opens what is asked for.
func (x *desk) filters(r *http.Request, in *inputs, l look, v *listView) {
	asked := r.URL.Query()
	for _, f := range x.kind.All() {
		if filterable(f) {
			v.Fields = append(v.Fields, web.Option{Label: label(in.p, x.kind, f.Name), Value: x.address(l.query, l.view.ID, "columns", asked.Get("columns"), "_add", f.Name)})
		}
	}
	if f := x.kind.Field(asked.Get("_add")); f != nil && filterable(f) {
		v.Panel, v.Adding = "add", x.condition(in, l, f, asked.Get("columns"))
	}
	if asked.Get("_save") != "" {
		v.Panel = "save"
	}
	v.CanAdd = v.MayWrite
}

// condition is the form of a field's filter, filled in with what is in force.
func (x *desk) condition(in *inputs, l look, f *record.Field, columns string) *condition {
	now := filterOf(l.query, f.Name)
	q := without(l.query, f.Name)
	keep := q.Values()
	keep.Set("view", l.view.ID)
	if columns != "" {
		keep.Set("columns", columns)
	}
	c := &condition{input: in.field(f, ""), Keep: hidden(keep), Cancel: x.address(l.query, l.view.ID, "columns", columns)}
	mode, values := modeOf(now)
	c.Options = slices.DeleteFunc(c.Options, func(o option) bool { return o.Value == "" && f.Type.Word() != "unit" })
	if f.Type.Word() == "state" {
		c.Options = []option{{Value: record.Open, Label: in.p.T("record.list.open")}, {Value: record.Done, Label: in.p.T("record.list.done")}}
		for _, s := range x.kind.States {
			c.Options = append(c.Options, option{Value: s.Name, Label: stateWord(in.p, x.kind, s.Name)})
		}
	}
	for i := range c.Options {
		c.Options[i].Chosen = slices.Contains(values, c.Options[i].Value)
	}
	c.Presets = presets(in.p, f, values)
	values = slices.DeleteFunc(values, func(v string) bool {
		return slices.ContainsFunc(c.Presets, func(o option) bool { return o.Value == v })
	})
	switch f.Type.Word() {
	case "int", "day", "moment", "deadline":
		c.Ranged = true
		if len(values) > 0 {
			var isRange bool
			if c.From, c.To, isRange = strings.Cut(values[0], ".."); !isRange {
				c.To = c.From
			}
		}
	case "person":
		if len(values) > 0 {
			c.Text = in.personText(values[0])
		}
	default:
		c.Text = strings.Join(values, " ")
	}
	for _, m := range modes(f) {
		c.Modes = append(c.Modes, option{Value: m, Label: in.p.T("record.list.mode." + m), Chosen: m == mode})
	}
	return c
}

// modes are the ways to ask about a field.
func modes(f *record.Field) []string {
	switch f.Type.Word() {
	case "state":
		return []string{modeIs, modeNot}
	case "bool":
		return []string{modeIs}
	case "text", "long", "email", "link":
		return []string{modeIs, modeExact, modeNot, modeEmpty, modeFilled}
	}
	return []string{modeIs, modeNot, modeEmpty, modeFilled}
}

// presets are values that have names of their own.
func presets(p *i18n.Printer, f *record.Field, chosen []string) (list []option) {
	words := map[string][]string{"person": {record.Me}, "deadline": {record.Overdue, "7d", "30d"}, "moment": {"24h", "7d", "30d"}, "bool": {"true", "false"}}
	for _, word := range words[f.Type.Word()] {
		list = append(list, option{Value: word, Label: presetWord(p, f, word), Chosen: slices.Contains(chosen, word)})
	}
	return list
}

func presetWord(p *i18n.Printer, f *record.Field, word string) string {
	return p.T("record.list." + f.Type.Word() + "." + word)
}

func filterOf(q record.Query, field string) []string {
	var texts []string
	for _, f := range q.Filters {
		if f.Field == field {
			texts = append(texts, f.Texts...)
		}
	}
	return texts
}

func without(q record.Query, field string) record.Query {
	q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f record.Filter) bool { return f.Field == field })
	return q
}

// modeOf reads how a field is filtered.
func modeOf(texts []string) (mode string, values []string) {
	mode = modeIs
	for _, text := range texts {
		word, not := strings.CutPrefix(text, "!")
		switch exact, isExact := strings.CutPrefix(word, "="); {
		case word == record.Empty && not:
			return modeFilled, nil
		case word == record.Empty:
			return modeEmpty, nil
		case not:
			mode = modeNot
		case isExact:
			mode, word = modeExact, exact
		}
		values = append(values, word)
	}
	return mode, values
}

// composed makes of the form of a condition the address that people share; false where the address is one already.
func (x *desk) composed(r *http.Request) (to string, ok bool, err error) {
	values := r.URL.Query()
	name := values.Get("_field")
	if name == "" {
		return "", false, nil
	}
	texts := compose(values)
	for key := range values {
		if strings.HasPrefix(key, "_") || key == name {
			delete(values, key)
		}
	}
	q, err := x.kind.ParseQuery(values, record.Aside()...)
	if err != nil {
		return "", false, err
	}
	if len(texts) > 0 {
		q = q.With(name, texts...)
	}
	return x.address(q, values.Get("view"), "columns", values.Get("columns")), true, nil
}

// compose are the texts of a filter that a form describes.
func compose(form url.Values) (texts []string) {
	switch form.Get("_mode") {
	case modeEmpty:
		return []string{record.Empty}
	case modeFilled:
		return []string{"!" + record.Empty}
	}
	for _, text := range form["_value"] {
		if text = strings.TrimSpace(text); text != "" {
			texts = append(texts, text)
		}
	}
	if from, to := strings.TrimSpace(form.Get("_from")), strings.TrimSpace(form.Get("_to")); from+to != "" {
		texts = append(texts, from+".."+to)
	}
	before := map[string]string{modeNot: "!", modeExact: "="}[form.Get("_mode")]
	for i := range texts {
		texts[i] = before + texts[i]
	}
	return texts
}

// chips are the conditions in force.
func (x *desk) chips(r *http.Request, b *book, l look) (list []chip) {
	columns := r.URL.Query().Get("columns")
	if q := l.query; q.Text != "" {
		q.Text = ""
		list = append(list, chip{Text: "“" + l.query.Text + "”", Remove: x.address(q, l.view.ID, "columns", columns)})
	}
	for _, filter := range l.query.Filters {
		f := x.kind.Field(filter.Field)
		var words []string
		for _, text := range filter.Texts {
			words = append(words, x.filterWord(r, b, f, text))
		}
		c := chip{Label: label(b.p, x.kind, f.Name), Text: strings.Join(words, b.p.T("record.list.or")), Remove: x.address(without(l.query, f.Name), l.view.ID, "columns", columns)}
		if filterable(f) {
			c.Change = x.address(l.query, l.view.ID, "columns", columns, "_add", f.Name)
		}
		list = append(list, c)
	}
	if l.query.Deleted {
		list = append(list, chip{Text: b.p.T("record.list.deleted"), Remove: x.kind.Path + "?view=" + everything})
	}
	return list
}

// filterWord says one text of a filter in words.
func (x *desk) filterWord(r *http.Request, b *book, f *record.Field, text string) string {
	word, not := strings.CutPrefix(text, "!")
	if word == record.Empty {
		return b.p.T(map[bool]string{false: "record.list.mode.empty", true: "record.list.mode.filled"}[not])
	}
	said := x.valueWord(r, b, f, word)
	if not {
		return b.p.T("record.list.not", said)
	}
	return said
}

func (x *desk) valueWord(r *http.Request, b *book, f *record.Field, word string) string {
	if slices.ContainsFunc(presets(b.p, f, nil), func(o option) bool { return o.Value == word }) {
		return presetWord(b.p, f, word)
	}
	if from, to, ok := strings.Cut(word, ".."); ok {
		switch f.Type.Word() {
		case "int", "day", "moment", "deadline", "level":
			return x.boundWord(r, b, f, from) + " – " + x.boundWord(r, b, f, to)
		}
	}
	switch t := f.Type; {
	case t.Word() == "state" && (word == record.Open || word == record.Done):
		return b.p.T("record.list." + word)
	case t.Word() == "state":
		return stateWord(b.p, x.kind, word)
	case t.Word() == "choice" || t.Word() == "choices":
		return choiceWord(b.p, x.kind, f.Name, word)
	}
	return x.boundWord(r, b, f, word)
}

// boundWord says a value as people read it; what is none stays as it was written.
func (x *desk) boundWord(r *http.Request, b *book, f *record.Field, text string) string {
	switch t := f.Type.(type) {
	case record.Level:
		if level, err := sigma.ParseLevel(text); err == nil {
			return b.p.T("severity." + level.String())
		}
	case record.Person, record.Unit:
		v, err := t.Parse(text, x.env(r))
		id, _ := v.(string)
		if err == nil && f.Type.Word() == "person" {
			return x.personName(r, id)
		} else if err == nil && b.units[id] != "" {
			return b.units[id]
		}
	case record.Moment, record.Deadline:
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return b.p.Time(at)
		}
	}
	return text
}
