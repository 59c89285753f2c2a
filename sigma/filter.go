package sigma

// Concerns reports whether Compile adds the filter to the rule: the filter names it, and the rule's log source is the filter's or narrower.
func (f *Filter) Concerns(r *Rule) bool {
	_, agrees := f.appliesTo(r)
	return agrees
}

// Alone returns a rule that has the log source of r and, in place of r's detection, the filter's condition. Of the events that r matches, those
// that the filter lets pass are those that this rule matches. It is for who asks a filter about matches rather than compiling it into rules.
func (f *Filter) Alone(r *Rule) *Rule {
	return &Rule{ID: f.ID, Title: f.Title, Logsource: r.Logsource, File: f.File, Line: f.Line, Source: f.Source, detection: f.detection}
}
