package sigma

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is what one YAML file holds: one document, or several after each other.
type File struct {
	Name      string
	Documents []Document
}

// Document is one YAML document of a file: a rule, which may be a correlation, a filter, or neither, and then its problems say why.
// A rule or filter that loaded may have problems as well, of kind ProblemWarning.
type Document struct {
	Line     int // its first line in the file, from 1
	Rule     *Rule
	Filter   *Filter
	Problems []Problem
}

// Rules returns the rules that loaded, correlations among them, in file order.
func (f *File) Rules() []*Rule {
	var rules []*Rule
	for i := range f.Documents {
		if r := f.Documents[i].Rule; r != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// Filters returns the filters that loaded, in file order.
func (f *File) Filters() []*Filter {
	var filters []*Filter
	for i := range f.Documents {
		if x := f.Documents[i].Filter; x != nil {
			filters = append(filters, x)
		}
	}
	return filters
}

// Problems returns everything that was refused or is doubtful, in file order.
func (f *File) Problems() []Problem {
	var problems []Problem
	for i := range f.Documents {
		problems = append(problems, f.Documents[i].Problems...)
	}
	return problems
}

// Logsource says which logs a rule is about (Sigma rules specification, "LogSource"): in lower case, an
// empty string where the rule does not say.
type Logsource struct {
	Product  string
	Category string
	Service  string
}

// String writes the log source as "product/category/service", with a * for what is not said.
func (l Logsource) String() string {
	part := func(s string) string {
		if s == "" {
			return "*"
		}
		return s
	}
	return part(l.Product) + "/" + part(l.Category) + "/" + part(l.Service)
}

// Includes reports whether every event of other is one of l: l says nothing that other does not say too.
func (l Logsource) Includes(other Logsource) bool {
	in := func(mine, theirs string) bool { return mine == "" || mine == theirs }
	return in(l.Product, other.Product) && in(l.Category, other.Category) && in(l.Service, other.Service)
}

// Related is a rule that a rule refers to. Type is derived, obsolete, merged, renamed or similar.
type Related struct {
	ID   string
	Type string
}

// Rule is a Sigma rule (Sigma rules specification 2.1.0): what it says of itself, and its detection,
// which Compile makes executable, or its correlation, which CompileCorrelations does. A Rule is not changed after Parse and safe for concurrent use.
type Rule struct {
	ID             string
	Name           string
	Title          string
	Status         string // stable, test, experimental, deprecated, unsupported, or ""
	Description    string
	Author         string
	License        string
	References     []string
	Date           string // YYYY-MM-DD, or as written where that is no date
	Modified       string // likewise
	Level          Level
	Tags           []string
	FalsePositives []string
	Fields         []string
	Scope          []string
	Related        []Related
	Logsource      Logsource
	// LogsourceDefinition tells people how to set up the log source.
	LogsourceDefinition string
	// Correlation is what a correlation rule looks for, nil of a rule about single events. A correlation has no log source.
	Correlation *Correlation
	// Custom holds the top-level keys that the specification does not name.
	Custom map[string]*yaml.Node

	File   string // as given to Parse
	Line   int    // first line of the document in File
	Source string // the document's text

	detection *detection
}

// Tactics returns the ATT&CK tactics among the tags, as ATT&CK's short names ("defense-evasion").
func (r *Rule) Tactics() []string {
	var tactics []string
	for _, tag := range r.Tags {
		if name, ok := attackTag(tag); ok && !isAttackID(name) {
			tactics = append(tactics, strings.ReplaceAll(name, "_", "-"))
		}
	}
	return tactics
}

// Techniques returns the ATT&CK techniques and sub-techniques among the tags, as ATT&CK's ids ("T1059.001").
func (r *Rule) Techniques() []string {
	var ids []string
	for _, tag := range r.Tags {
		if name, ok := attackTag(tag); ok && isAttackID(name) && name[0] == 't' {
			ids = append(ids, strings.ToUpper(name))
		}
	}
	return ids
}

// attackTag returns what stands behind the namespace of an ATT&CK tag.
func attackTag(tag string) (name string, ok bool) {
	name, ok = strings.CutPrefix(strings.ToLower(strings.TrimSpace(tag)), "attack.")
	return name, ok && name != ""
}

// isAttackID reports whether name is an ATT&CK id: a technique (t1059.001), group (g0016), software (s0002)
// or another object's letters and four digits (ds0029, c0012, m1049, ta0001).
func isAttackID(name string) bool {
	digits := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz")
	letters := len(name) - len(digits)
	if letters == 0 || letters > 2 || len(digits) < 4 {
		return false
	}
	return strings.Trim(digits, "0123456789.") == ""
}

// Filter is a Sigma filter (Sigma filters specification 2.1.0): a condition that is added, with a logical
// AND, to the rules it names. Like a Rule it is not changed after Parse.
type Filter struct {
	ID          string
	Title       string
	Description string
	Author      string
	Date        string
	Modified    string
	Logsource   Logsource
	// Rules are the ids or names of the rules it applies to. AnyRule means all rules of its log source.
	Rules   []string
	AnyRule bool
	Custom  map[string]*yaml.Node

	File   string
	Line   int
	Source string

	detection *detection
}

// appliesTo reports whether the filter names the rule, and if so whether their log sources agree.
func (f *Filter) appliesTo(r *Rule) (named, agrees bool) {
	named = f.AnyRule
	for _, ref := range f.Rules {
		if r.ID != "" && strings.EqualFold(ref, r.ID) || r.Name != "" && ref == r.Name {
			named = true
			break
		}
	}
	return named, named && f.Logsource.Includes(r.Logsource)
}
