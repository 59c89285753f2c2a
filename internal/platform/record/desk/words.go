package desk

import (
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
)

// say is a message of a kind; where the catalogues have none, what it is about names itself. The test of the whole server finds those.
func say(p *i18n.Printer, k *record.Kind, fallback string, parts ...string) string {
	key := "kind." + k.Name
	for _, part := range parts {
		key += "." + part
	}
	if p.Has(key) {
		return p.T(key)
	}
	return fallback
}

// label is what a field is called.
func label(p *i18n.Printer, k *record.Kind, field string) string {
	if key := "record.field." + field; p.Has(key) && !own(k, field) {
		return p.T(key)
	}
	return say(p, k, field, "field", field)
}

// own reports whether a field is the kind's own, and not one of those that all records have.
func own(k *record.Kind, field string) bool {
	for i := range k.Fields {
		if k.Fields[i].Name == field {
			return true
		}
	}
	return false
}

// stateWord is what a state is called.
func stateWord(p *i18n.Printer, k *record.Kind, state string) string {
	return say(p, k, state, "state", state)
}

// moveWord is what a move's button says.
func moveWord(p *i18n.Printer, k *record.Kind, move string) string {
	return say(p, k, move, "move", move)
}

// choiceWord is what a choice of a field is called.
func choiceWord(p *i18n.Printer, k *record.Kind, field, choice string) string {
	return say(p, k, choice, field, choice)
}

// many and one are what a kind's records are called.
func many(p *i18n.Printer, k *record.Kind) string { return say(p, k, k.Name) }
func one(p *i18n.Printer, k *record.Kind) string  { return say(p, k, k.Name, "one") }
