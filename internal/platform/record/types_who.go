package record

import (
	"slices"
	"strings"

	"yagura/internal/platform/db"
)

// Me is a filter's word for who asks.
const Me = "me"

// Person is somebody of the organisation, kept as their id.
type Person struct{ textual }

func (Person) Word() string { return "person" }

// Parse takes an id, a mail address, a name, or "me".
func (Person) Parse(text string, env *Env) (any, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "" || env == nil:
		return text, nil
	case text == Me && env.By != nil:
		return env.By.ID, nil
	case env.Person == nil:
		return text, nil
	}
	return wrap(env.Person(text))
}

func wrap(id string, err error) (any, error) { return id, err }

func (t Person) where(w *db.Where, column string, texts []string, env *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) {
		id, err := t.Parse(text, env)
		return column + " = ?", []any{id}, err
	})
}

// Unit is an organisation unit, kept as its id. A filter by one finds those below it, too.
type Unit struct{ textual }

func (Unit) Word() string { return "unit" }

func (Unit) Parse(text string, env *Env) (any, error) {
	if text = strings.TrimSpace(text); text == "" || env == nil || env.Unit == nil {
		return text, nil
	}
	return wrap(env.Unit(text))
}

func (t Unit) where(w *db.Where, column string, texts []string, env *Env) error {
	return either(w, texts, column+" = ''", func(text string) (string, []any, error) {
		id, err := t.Parse(text, env)
		if err != nil || env.Below == nil {
			return column + " = ?", []any{id}, err
		}
		below, err := env.Below(id.(string))
		args := []any{id}
		for _, one := range below {
			args = append(args, one)
		}
		return column + " IN (?" + strings.Repeat(", ?", len(below)) + ")", args, err
	})
}

// A filter's words for all states in which there is something to do, and for all others.
const (
	Open = "open"
	Done = "done"
)

// stateType is the state of records of a kind.
type stateType struct{ kind *Kind }

func (stateType) Word() string { return "state" }

func (t stateType) Parse(text string, env *Env) (any, error) {
	return Choice(t.names()).Parse(text, env)
}

func (t stateType) names() (list []string) {
	for _, s := range t.kind.States {
		list = append(list, s.Name)
	}
	return list
}

func (stateType) Text(v any) string           { return textual{}.Text(v) }
func (stateType) toDB(v any) any              { return textual{}.toDB(v) }
func (stateType) fromDB(raw any) (any, error) { return fromText(raw) }

func (t stateType) where(w *db.Where, column string, texts []string, _ *Env) error {
	var wanted, unwanted []string
	open := t.kind.open()
	for _, text := range texts {
		switch {
		case text == Open:
			wanted = append(wanted, open...)
		case text == Done:
			wanted = append(wanted, slices.DeleteFunc(t.names(), func(n string) bool { return slices.Contains(open, n) })...)
		default:
			not, isNot := strings.CutPrefix(text, "!")
			if _, err := t.Parse(not, nil); err != nil {
				return err
			}
			if isNot {
				unwanted = append(unwanted, not)
			} else {
				wanted = append(wanted, not)
			}
		}
	}
	if len(unwanted) == len(texts) {
		wanted = t.names()
	}
	// What is left is named, too, rather than what is not: an index finds the one and not the other.
	wanted = slices.DeleteFunc(wanted, func(n string) bool { return slices.Contains(unwanted, n) })
	slices.Sort(wanted)
	if wanted = slices.Compact(wanted); len(wanted) < len(t.kind.States) {
		db.In(w, column, wanted)
	}
	return nil
}
