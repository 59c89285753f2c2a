package desk

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// option is a value to choose.
type option struct {
	Value  string
	Label  string
	Chosen bool
}

// input is a field of a form, by the part "input".
type input struct {
	Name     string
	Label    string
	Word     string // the type's
	Text     string // as the form sends it
	Options  []option
	Required bool
	Help     string
	Error    string
	Date     bool // a deadline that is a whole day
}

// inputs builds form fields in the reader's language.
type inputs struct {
	*desk
	p     *i18n.Printer
	units []auth.Unit
	r     *http.Request
}

func (x *desk) inputs(r *http.Request) (*inputs, error) {
	in := &inputs{desk: x, p: web.T(r), r: r}
	if x.opt.People == nil {
		return in, nil
	}
	var err error
	in.units, err = x.opt.People.Units(r.Context())
	return in, err
}

// field makes the input of a field with a text in it, as text writes it.
func (in *inputs) field(f *record.Field, text string) input {
	i := input{Name: f.Name, Label: label(in.p, in.kind, f.Name), Word: f.Type.Word(), Text: text, Required: f.Required}
	if help := "record.help." + i.Word; in.p.Has(help) {
		i.Help = in.p.T(help)
	}
	if key := "kind." + in.kind.Name + ".help." + f.Name; in.p.Has(key) {
		i.Help = in.p.T(key)
	}
	none := option{Label: in.p.T("record.none")}
	switch t := f.Type.(type) {
	case record.Choice:
		i.Options = []option{none}
		for _, c := range t {
			i.Options = append(i.Options, option{Value: c, Label: choiceWord(in.p, in.kind, f.Name, c), Chosen: c == text})
		}
	case record.Choices:
		chosen := strings.Split(text, ", ")
		for _, c := range t {
			i.Options = append(i.Options, option{Value: c, Label: choiceWord(in.p, in.kind, f.Name, c), Chosen: slices.Contains(chosen, c)})
		}
	case record.Level:
		i.Options = []option{none}
		for level := sigma.LevelCritical; level >= sigma.LevelInformational; level-- {
			i.Options = append(i.Options, option{Value: level.String(), Label: in.p.T("severity." + level.String()), Chosen: level.String() == text})
		}
	case record.Unit:
		i.Options = append([]option{none}, unitOptions(in.units, string(in.p.Lang()))...)
		for n := range i.Options {
			i.Options[n].Chosen = i.Options[n].Value == text
		}
	case record.Deadline:
		i.Date = !strings.Contains(text, "T")
	}
	return i
}

// text is a field of a record as a form holds it: what comes back unchanged was not edited.
func (in *inputs) text(rec *record.Record, f *record.Field) string {
	text := rec.Text(f.Name)
	at, _ := rec.Get(f.Name).(time.Time)
	switch f.Type.(type) {
	case record.Person:
		return in.personText(text)
	case record.Deadline:
		if !at.IsZero() && endOfDay(at, in.p.Zone()) {
			return at.In(in.p.Zone()).Format(time.DateOnly)
		}
	case record.Moment:
	default:
		return text
	}
	if at.IsZero() {
		return ""
	}
	return at.In(in.p.Zone()).Format("2006-01-02T15:04:05")
}

// personText is how a form names a person: by mail address, which people know; one who is gone by id.
func (in *inputs) personText(id string) string { return in.Desk.personText(in.r, id) }

// personText is how forms name a person.
func (d *Desk) personText(r *http.Request, id string) string {
	if id == "" || d.opt.People == nil {
		return id
	}
	person, err := d.opt.People.Person(r.Context(), id)
	if err != nil || person.Email == "" {
		return id
	}
	return person.Email
}

// posted is a field's text as the form sent it; false where the form does not have the field.
func posted(r *http.Request, f *record.Field) (string, bool) {
	texts, ok := r.PostForm[f.Name]
	if !ok {
		// A box that is not ticked sends nothing: the form says which fields it has.
		return "", slices.Contains(r.PostForm["has"], f.Name)
	}
	if f.Type.Word() == "choices" {
		return strings.Join(texts, ", "), true
	}
	return texts[0], true
}

// read reads the fields of a form that differ from those of a record (nil for a new one), and the texts of all.
func (in *inputs) read(base *record.Record) (values record.Values, texts map[string]string, err error) {
	changed := make(map[string]string)
	texts = make(map[string]string)
	for _, f := range in.kind.Editable() {
		text, ok := posted(in.r, f)
		if !ok {
			continue
		}
		texts[f.Name] = text
		if base == nil || same(text) != same(in.text(base, f)) {
			changed[f.Name] = text
		}
	}
	values, err = in.kind.Parse(changed, in.env(in.r))
	return values, texts, err
}

// same folds what browsers do to the ends of lines.
func same(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }

// wrong puts what is wrong with values beside their inputs, and returns what concerns none of them.
func (in *inputs) wrong(list []input, err error) (rest string) {
	if err == nil {
		return ""
	}
	found, ok := errors.AsType[record.Wrong](err)
	if !ok {
		return web.Message(in.r, err)
	}
	for name, problem := range found {
		i := slices.IndexFunc(list, func(i input) bool { return i.Name == name })
		if i < 0 {
			rest += label(in.p, in.kind, name) + ": " + web.Message(in.r, problem) + " "
			continue
		}
		list[i].Error = web.Message(in.r, problem)
	}
	if rest == "" {
		rest = in.p.T("record.fault.wrong")
	}
	return rest
}

const maxForm = 2 << 20

// parseForm reads a form; one that is too large or broken is an error.
func parseForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return fault.New(fault.TooLarge, "record.fault.form", "the form has more than %d bytes", maxForm)
		}
		return fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
	}
	return nil
}

// version is the record's version that a form was made on.
func version(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "record.fault.form", "the form names no version of the record")
	}
	return n, nil
}
