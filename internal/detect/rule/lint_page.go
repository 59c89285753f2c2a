package rule

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// kinds are the kinds of problem, what stops a rule first.
func kinds() []sigma.ProblemKind {
	return []sigma.ProblemKind{
		sigma.ProblemRefused, sigma.ProblemUnknownLogsource, sigma.ProblemPlaceholder, sigma.ProblemCorrelation,
		sigma.ProblemUnmappedField, Replaced, sigma.ProblemWarning,
	}
}

// told puts what a problem's kind and fields say in full into the reader's language. What else a reason says are the
// parser's words.
func told(p *i18n.Printer, problems []sigma.Problem) []sigma.Problem {
	list := slices.Clone(problems)
	for i := range list {
		one := &list[i]
		switch one.Kind {
		case sigma.ProblemUnmappedField:
			one.Reason = p.T("rule.reason.unmapped_field", one.Field, LogsourceLabel(one.Logsource))
		case sigma.ProblemUnknownLogsource:
			one.Reason = p.T("rule.reason.unknown_logsource", LogsourceLabel(one.Logsource))
		}
	}
	return list
}

// lintView is the page of what is wrong with the rules.
type lintView struct {
	Problems int
	Tabs     []web.Tab
	Chips    []web.Chip
	Kind     sigma.ProblemKind
	Query    string
	Groups   []group
	Pager    web.Pager
	Filtered bool
}

// group is problems with one cause: putting it right puts them all right.
type group struct {
	Kind      sigma.ProblemKind
	Logsource string // for people; "" where it is of no matter
	List      string // the address of the list of its rules
	Field     string
	Reason    string
	Findings  []finding
}

// More is how many findings the group has besides those that are listed.
func (g group) More() int { return max(0, len(g.Findings)-maxListed) }

// Listed are the findings that the page lists.
func (g group) Listed() []finding { return g.Findings[:min(len(g.Findings), maxListed)] }

// maxListed bounds the rules listed for a cause, groupsPerPage the causes on a page.
const (
	maxListed     = 100
	groupsPerPage = 100
)

// finding is a problem and the rule that has it.
type finding struct {
	sigma.Problem
	Key   string // "" where no rule was loaded
	Title string // in the reader's language
	Own   bool   // Reason says more than the group's
	Other *Rule  // that counts instead; nil but for what is Replaced
}

// Place is where in the files the problem is.
func (f finding) Place() string {
	if f.Line == 0 {
		return f.File
	}
	return f.File + ":" + strconv.Itoa(f.Line)
}

// lint shows what is wrong, by cause.
func (x *Room) lint(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	kind, words := sigma.ProblemKind(q.Get("kind")), strings.Fields(strings.ToLower(q.Get("q")))
	if kind != "" && !slices.Contains(kinds(), kind) {
		return fault.New(fault.Invalid, "rule.fault.kind", "kind %q is none of %v", kind, kinds())
	}
	from, err := strconv.Atoi(cmp.Or(q.Get("from"), "0"))
	if err != nil || from < 0 {
		return fault.New(fault.Invalid, "fault.cursor", "from %q is no place in the list", q.Get("from"))
	}
	set := x.library.Set()
	view := lintView{Problems: len(set.Problems), Kind: kind, Query: strings.Join(words, " "), Filtered: kind != "" || len(words) > 0}
	p := web.T(r)
	counts := make(map[sigma.ProblemKind]int)
	var chosen []sigma.Problem
	for _, problem := range set.Problems {
		if !set.mentions(problem, words) {
			continue
		}
		counts[problem.Kind]++
		counts[""]++
		if kind == "" || problem.Kind == kind {
			chosen = append(chosen, problem)
		}
	}
	for _, k := range append([]sigma.ProblemKind{""}, kinds()...) {
		if k == "" || k == kind || counts[k] > 0 {
			label := p.T("rule.lint.all")
			if k != "" {
				label = p.T("rule.problem." + string(k))
			}
			view.Tabs = append(view.Tabs, web.Tab{Label: label, Path: lintPath(r, "kind", string(k), "from", ""), Count: counts[k], Current: k == kind})
		}
	}
	if view.Query != "" {
		view.Chips = []web.Chip{{Label: p.T("rule.lint.q"), Text: view.Query, Remove: lintPath(r, "q", "", "from", "")}}
	}
	groups := set.groups(chosen, p.Lang())
	view.Groups = groups[min(from, len(groups)):min(from+groupsPerPage, len(groups))]
	view.Pager.Text = p.T("rule.lint.shown", len(groups), len(chosen))
	if from > 0 {
		view.Pager.First = lintPath(r, "from", "")
	}
	if from+groupsPerPage < len(groups) {
		view.Pager.Next = lintPath(r, "from", strconv.Itoa(from+groupsPerPage))
	}
	return x.site.Render(w, r, http.StatusOK, "rule/lint", view)
}

func change(q url.Values, changes ...string) {
	for i := 0; i+1 < len(changes); i += 2 {
		q.Del(changes[i])
		if changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
}

func lintPath(r *http.Request, changes ...string) string {
	q := r.URL.Query()
	change(q, changes...)
	return withQuery("/rules/-/lint", q)
}

// mentions reports whether the texts of the problem, or of its rule, contain every word.
func (s *Set) mentions(p sigma.Problem, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text := strings.ToLower(strings.Join([]string{p.File, p.Title, p.RuleID, p.Field, p.Reason, p.Logsource.String()}, "\x00"))
	if r := s.ruleOf(p); r != nil {
		text += "\x00" + r.words
	}
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

// quoted is what a reason cites of the rule: reasons that differ in nothing else have one cause.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// groups puts problems with one cause together: in the order of kinds, the most first.
func (s *Set) groups(problems []sigma.Problem, lang i18n.Lang) []group {
	type cause struct {
		kind          sigma.ProblemKind
		logsource     sigma.Logsource
		field, reason string
	}
	at := make(map[cause]int)
	var groups []group
	for _, p := range problems {
		c := cause{kind: p.Kind, reason: quoted.ReplaceAllString(p.Reason, "“…”")}
		switch p.Kind {
		case sigma.ProblemUnknownLogsource:
			c = cause{kind: p.Kind, logsource: p.Logsource}
		case sigma.ProblemCorrelation, Replaced:
			c = cause{kind: p.Kind}
		case sigma.ProblemUnmappedField:
			c = cause{kind: p.Kind, logsource: p.Logsource, field: p.Field}
		}
		i, ok := at[c]
		if !ok {
			i = len(groups)
			at[c] = i
			groups = append(groups, group{Kind: c.kind, Logsource: LogsourceLabel(c.logsource), List: LogsourceList(c.logsource), Field: c.field, Reason: c.reason})
		}
		f := finding{Problem: p, Title: p.Title, Own: p.Kind == sigma.ProblemCorrelation || c.reason != "" && c.reason != p.Reason}
		switch r := s.ruleOf(p); {
		case r != nil && r.File == p.File:
			f.Key, f.Title = r.Key, r.TitleIn(lang)
		case r != nil && p.Kind == Replaced:
			f.Other = r
		}
		groups[i].Findings = append(groups[i].Findings, f)
	}
	for i := range groups {
		if g := &groups[i]; len(g.Findings) == 1 && g.Reason != "" {
			g.Reason = g.Findings[0].Reason
		}
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds(), a.Kind), slices.Index(kinds(), b.Kind)), cmp.Compare(len(b.Findings), len(a.Findings)))
	})
	return groups
}

// ruleOf finds the rule that counts under the name of the one a problem is about; nil where none was loaded.
func (s *Set) ruleOf(p sigma.Problem) *Rule {
	return s.byKey[alert.RuleKey(&sigma.Rule{File: p.File, ID: p.RuleID, Title: p.Title})]
}
