package rule

import (
	"cmp"
	"slices"
	"strings"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/sigma"
)

// Filter says which rules are wanted: those that meet every part that is set.
type Filter struct {
	Text      string // words that title (in any language), id, file, author, tags or log source contain, all of them
	Level     sigma.Level
	Logsource string // as sigma.Logsource writes itself, or a product alone
	Origin    Origin
	Health    Health
	Disabled  bool // only those that are disabled
	Fired     bool // only those with a match in the statistics
}

func (f *Filter) meets(r *Rule, stats map[string]alert.RuleStats) bool {
	switch {
	case f.Level != sigma.LevelNone && r.Severity() != f.Level,
		f.Logsource != "" && r.Logsource.String() != f.Logsource && r.Logsource.Product != f.Logsource,
		f.Origin != "" && r.Origin != f.Origin,
		f.Health != "" && r.Health() != f.Health,
		f.Disabled && r.Enabled,
		f.Fired && stats[r.Key].Matches == 0:
		return false
	}
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		if !strings.Contains(r.words, word) {
			return false
		}
	}
	return true
}

// searchable is what a search for words looks at: the texts of a rule that lists show, in every language.
func searchable(r *Rule) string {
	texts := append([]string{r.Title, r.ID, r.File, r.Author, r.Logsource.String()}, r.Tags...)
	for _, lang := range i18n.Languages() {
		texts = append(texts, r.translated("title", lang.Lang))
	}
	return strings.ToLower(strings.Join(texts, "\x00"))
}

// Sort is what a list of rules is ordered by.
type Sort string

// The orders.
const (
	ByTitle   Sort = "title"
	ByMatches Sort = "matches" // most first, then by title
	ByLevel   Sort = "level"   // most critical first, then by title
)

// Sorts lists them.
func Sorts() []Sort { return []Sort{ByTitle, ByMatches, ByLevel} }

// List returns one page of rules, at most limit, and how many meet the filter in all. Titles are ordered as lang has them.
// cursor is the Next of the page before in the same order. Errors: fault.Invalid for an order or a cursor that is none.
func (s *Set) List(f Filter, sort Sort, lang i18n.Lang, stats map[string]alert.RuleStats, cursor string, limit int) (page db.Page[*Rule], total int, err error) {
	title := func(r *Rule) string { return strings.ToLower(r.TitleIn(lang)) }
	rank := func(*Rule) int64 { return 0 }
	switch sort {
	case "", ByTitle:
	case ByMatches:
		rank = func(r *Rule) int64 { return stats[r.Key].Matches }
	case ByLevel:
		rank = func(r *Rule) int64 { return int64(r.Severity()) }
	default:
		return page, 0, fault.New(fault.Invalid, "rule.fault.sort", "sort %q is none of title, matches, level", sort)
	}
	var met []*Rule
	for _, r := range s.Rules {
		if f.meets(r, stats) {
			met = append(met, r)
		}
	}
	order := func(aRank int64, aTitle, aKey string, r *Rule) int {
		return cmp.Or(cmp.Compare(rank(r), aRank), strings.Compare(aTitle, title(r)), strings.Compare(aKey, r.Key))
	}
	slices.SortFunc(met, func(a, b *Rule) int { return order(rank(a), title(a), a.Key, b) })
	rest := met
	if cursor != "" {
		var after int64
		var afterTitle, key string
		if err := db.DecodeCursor(cursor, &after, &afterTitle, &key); err != nil {
			return page, 0, err
		}
		from := slices.IndexFunc(met, func(r *Rule) bool { return order(after, afterTitle, key, r) < 0 })
		rest = nil
		if from >= 0 {
			rest = met[from:]
		}
	}
	page, err = db.Paged(rest[:min(len(rest), limit+1)], limit, func(r *Rule) []any {
		return []any{rank(r), title(r), r.Key}
	})
	return page, len(met), err
}

// Logsources returns the log sources of the rules with how many rules each has, the most first.
func (s *Set) Logsources() []LogsourceCount {
	counts := make(map[sigma.Logsource]int)
	for _, r := range s.Rules {
		counts[r.Logsource]++
	}
	list := make([]LogsourceCount, 0, len(counts))
	for ls, n := range counts {
		list = append(list, LogsourceCount{ls, n})
	}
	slices.SortFunc(list, func(a, b LogsourceCount) int {
		return cmp.Or(cmp.Compare(b.Rules, a.Rules), strings.Compare(a.Logsource.String(), b.Logsource.String()))
	})
	return list
}

// LogsourceCount is a log source and how many rules are about it.
type LogsourceCount struct {
	Logsource sigma.Logsource
	Rules     int
}
