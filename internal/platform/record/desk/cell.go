package desk

import (
	"context"
	"html/template"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
)

// cell is a field of a record as pages show it, by the part "cell": which of the others is filled tells the type's word.
type cell struct {
	Field string
	Label string
	Word  string        // the type's
	Text  string        // what people read; of a long text, its Markdown
	Prose template.HTML // the Markdown as it reads, on a record's own page
	Empty bool          // there is nothing in the field
	At    time.Time     // moment, deadline
	Name  string        // of a logged value's ECS field
	Look  string        // of a state's pill
	Words []string      // tags and choices
	Late  bool          // a deadline that has passed
	Num   int64
}

// book knows what units are called, for one request.
type book struct {
	p     *i18n.Printer
	units map[string]string
	other func(ref.Ref) string // what another record is called, "" where that is not known; nil knows none
}

// newBook reads the units' names.
func (d *Desk) newBook(ctx context.Context, p *i18n.Printer) (*book, error) {
	b := &book{p: p, units: make(map[string]string)}
	if d.opt.People == nil {
		return b, nil
	}
	units, err := d.opt.People.Units(ctx)
	for _, u := range units {
		b.units[u.ID] = u.NameIn(string(p.Lang()))
	}
	return b, err
}

// cell shows a field of a record.
func (b *book) cell(r *record.Record, f *record.Field, now time.Time) cell {
	c := b.show(r.Kind, f, r.Get(f.Name), r.Overdue(now))
	if f.Named != nil {
		c.Name = f.Named(r)
	}
	return c
}

// show shows a value of a field.
func (b *book) show(k *record.Kind, f *record.Field, value any, late bool) cell {
	c := cell{Field: f.Name, Label: label(b.p, k, f.Name), Word: f.Type.Word(), Text: f.Type.Text(value)}
	c.Empty = c.Text == ""
	switch v := value.(type) {
	case time.Time:
		c.At, c.Late = v, late && f.Name == "due"
	case int64:
		c.Num = v
	case []string:
		c.Words = slices.Clone(v)
	}
	switch t := f.Type.(type) {
	case record.Logged:
		c.Name = string(t)
	case record.Choice:
		c.Text = b.choice(k, f, c.Text)
	case record.Choices:
		for i, word := range c.Words {
			c.Words[i] = b.choice(k, f, word)
		}
	case record.Unit:
		if name, ok := b.units[c.Text]; ok {
			c.Text = name
		}
	}
	if c.Word == "state" {
		s, _ := k.StateOf(c.Text)
		c.Look, c.Text = s.Look, stateWord(b.p, k, c.Text)
	}
	return c
}

func (b *book) choice(k *record.Kind, f *record.Field, word string) string {
	if word == "" {
		return ""
	}
	return choiceWord(b.p, k, f.Name, word)
}

// plain is a cell in one line of text, for histories and exports: people by id, which {{person}} names.
func (b *book) plain(k *record.Kind, f *record.Field, text string) string {
	v, err := f.Type.Parse(text, nil)
	if err != nil {
		return text // a choice that is no longer offered
	}
	c := b.show(k, f, v, false)
	switch {
	case len(c.Words) > 0:
		return strings.Join(c.Words, ", ")
	case c.Word == "bool":
		return b.p.T(map[bool]string{false: "record.no", true: "record.yes"}[c.Text == "true"])
	case c.Word == "level" && c.Text != "":
		return b.p.T("severity." + c.Text)
	case !c.At.IsZero():
		return deadlineText(c.At, b.p)
	}
	return c.Text
}

// deadlineText writes a time; one at the end of a day as the day alone.
func deadlineText(at time.Time, p *i18n.Printer) string {
	if endOfDay(at, p.Zone()) {
		return p.Date(at)
	}
	return p.Time(at)
}

// endOfDay reports whether a time is the last moment of a day, which is how a day without a time is kept as a deadline.
func endOfDay(at time.Time, zone *time.Location) bool {
	return at.In(zone).Add(time.Microsecond).Format("150405.000000") == "000000.000000"
}

// unitOptions are the units to choose from, in the order of their tree.
func unitOptions(units []auth.Unit, lang string) []option {
	var list []option
	for _, n := range auth.UnitTree(units) {
		list = append(list, option{Value: n.ID, Label: n.LabelIn(lang)})
	}
	return list
}
