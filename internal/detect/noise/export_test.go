package noise

import "yagura/sigma"

// Draft writes the filter for one field with values.
func Draft(title string, r *sigma.Rule, field string, values []string) (string, error) {
	return draft(title, r, []draftField{{Name: field, Sigma: field, Values: values, Chosen: true}})
}

// Keeps asks a filter about an event that a rule matches.
func Keeps(f *sigma.Filter, r *sigma.Rule, ev sigma.Event) (bool, error) {
	s, err := newSieve(f, r, sigma.Options{})
	return err == nil && s.keeps(ev), err
}
