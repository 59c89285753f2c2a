package record_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// Lists of few records are sorted, those of many are walked: both show what is meant, in order, page by page. Each row is an address, and of which
// of the 12,000 records it holds.
func TestManyAndFewAreListedTheSame(t *testing.T) {
	t.Parallel()
	isOpen := func(r *record.Record) bool { return r.State != "back" }
	all := func(*record.Record) bool { return true }
	rows := map[string]func(*record.Record) bool{
		"":                            all,
		"sort=number":                 all,
		"sort=-dear":                  all,
		"state=back":                  func(r *record.Record) bool { return !isOpen(r) },
		"state=back&sort=number":      func(r *record.Record) bool { return !isOpen(r) },
		"state=back&sort=-state":      func(r *record.Record) bool { return !isOpen(r) },
		"state=!back&sort=cost":       isOpen,
		"owner=-":                     func(r *record.Record) bool { return r.Owner == "" },
		"thing=pc&sort=-title":        func(r *record.Record) bool { return r.Str("thing") == "pc" },
		"thing=pc&state=open":         func(r *record.Record) bool { return r.Str("thing") == "pc" && isOpen(r) },
		"tags=-&sort=due":             func(r *record.Record) bool { return len(r.Tags) == 0 },
		"tags=rare":                   func(r *record.Record) bool { return len(r.Tags) == 1 },
		"severity=low..&sort=-due":    func(r *record.Record) bool { return r.Get("severity").(sigma.Level) >= sigma.LevelLow },
		"severity=low":                func(r *record.Record) bool { return r.Get("severity") == sigma.LevelLow },
		"cost=..90000&sort=-cost":     func(r *record.Record) bool { return r.Num("cost") <= 90000 },
		"cost=31":                     func(r *record.Record) bool { return r.Num("cost") == 31 },
		"due=-":                       func(r *record.Record) bool { return r.Due.IsZero() },
		"insured=true&sort=number":    func(r *record.Record) bool { return r.Get("insured") == true },
		"q=notebook&sort=-updated_at": all,
		"q=notebook&state=open":       isOpen,
		"q=notebook&tags=rare":        func(r *record.Record) bool { return len(r.Tags) == 1 },
		"q=notebook 7&sort=number":    func(r *record.Record) bool { return saysAll(r, "notebook 7") },
		"q=serial119&state=!back":     func(r *record.Record) bool { return saysAll(r, "serial119") && isOpen(r) },
		"q=nothing":                   func(r *record.Record) bool { return false },
		"host=pc-1":                   func(r *record.Record) bool { return r.Str("host") == "pc-1" },
	}
	const n = 12_000
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := fillLoans(t, d, n)
		env := s.Env(t.Context(), aoki, nil)
		k, err := s.Kind("loan")
		if err != nil {
			t.Fatal(err)
		}
		list := func(q record.Query) (ids []string) {
			for cursor := ""; ; {
				page, err := s.Listed(t.Context(), "loan", q, env, cursor, 900)
				if err != nil {
					t.Fatalf("%+v: %v", q, err)
				}
				for _, r := range page.Items {
					ids = append(ids, r.ID)
				}
				if cursor = page.Next; cursor == "" {
					return ids
				}
			}
		}
		every := make(map[string]*record.Record)
		if err := s.Each(t.Context(), "loan", record.Query{}, env, func(r *record.Record) error { every[r.ID] = r; return nil }); err != nil || len(every) != n {
			t.Fatalf("%d, %v", len(every), err)
		}
		anyQueryShowsWhatItMeans(t, s, k, every)
		for address, holds := range rows {
			q, err := k.ParseQuery(parse(address))
			if err != nil {
				t.Fatal(err)
			}
			got := list(q)
			want := 0
			for _, r := range every {
				if holds(r) {
					want++
				}
			}
			for _, id := range got {
				if !holds(every[id]) {
					t.Errorf("%s shows %s", address, id)
					break
				}
			}
			if len(got) != want || len(slices.Compact(slices.Sorted(slices.Values(got)))) != want {
				t.Errorf("%s shows %d, want %d", address, len(got), want)
			}
			if !slices.IsSortedFunc(got, func(a, b string) int { return inOrder(q.Sort, every[a], every[b]) }) {
				t.Errorf("%s is not in order", address)
			}
		}
	})
}

// saysAll reports whether a loan's title and number have all words of a query, each from its beginning.
func saysAll(r *record.Record, query string) bool {
	line := strings.ToLower(" " + r.Title + " " + strings.ReplaceAll(r.Str("number"), "-", " "))
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		if !strings.Contains(line, " "+strings.ReplaceAll(word, "-", " ")) {
			return false
		}
	}
	return true
}

// inOrder compares two loans as a list's sort has them.
func inOrder(sort string, a, b *record.Record) int {
	word, down := strings.CutPrefix(cmp.Or(sort, "-updated_at"), "-")
	fields := []string{word}
	if word == "dear" {
		fields = []string{"cost", "number"}
	}
	c := 0
	for _, f := range fields {
		c = cmp.Or(c, cmp.Compare(a.Num(f), b.Num(f)), a.At(f).Compare(b.At(f)), cmp.Compare(a.Str(f), b.Str(f)))
	}
	if c = cmp.Or(c, cmp.Compare(a.ID, b.ID)); down {
		return -c
	}
	return c
}

// anyQueryShowsWhatItMeans asks for filters, words and orders as they come, and holds the first two pages with their count against what looking at
// every record gives.
func anyQueryShowsWhatItMeans(t *testing.T, s *record.Store, k *record.Kind, every map[string]*record.Record) {
	type condition struct {
		text  string
		holds func(*record.Record) bool
	}
	filters := []condition{
		{"state=wanted", func(r *record.Record) bool { return r.State == "wanted" }}, {"state=open", func(r *record.Record) bool { return r.State != "back" }},
		{"state=back", func(r *record.Record) bool { return r.State == "back" }}, {"unit=shibuya", func(r *record.Record) bool { return r.Unit == "shibuya" }},
		{"tags=rare", func(r *record.Record) bool { return len(r.Tags) == 1 }}, {"tags=!rare", func(r *record.Record) bool { return len(r.Tags) == 0 }},
		{"thing=pc", func(r *record.Record) bool { return r.Str("thing") == "pc" }}, {"cost=..5000", func(r *record.Record) bool { return r.Num("cost") <= 5000 }},
		{"severity=high..", func(r *record.Record) bool { return r.Get("severity").(sigma.Level) >= sigma.LevelHigh }},
		{"host=pc-7", func(r *record.Record) bool { return r.Str("host") == "pc-7" }}, {"owner=aoki", func(r *record.Record) bool { return r.Owner == "aoki" }},
	}
	words := []string{"notebook", "note", "n", "4", "serial", "serial1", "serial11", "serial4711", "12", "l", "nothing", "L-1", "notebook 1"}
	env := s.Env(t.Context(), aoki, nil)
	rapid.Check(t, func(r *rapid.T) {
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(filters), 0, 3, func(c condition) string { c.text, _, _ = strings.Cut(c.text, "="); return c.text }).Draw(r, "filters")
		text := rapid.SampledFrom(append(words, "", "")).Draw(r, "words")
		sort := rapid.SampledFrom([]string{"", "number", "-title", "due", "-dear", "cost", "state", "-updated_at"}).Draw(r, "sort")
		limit := rapid.SampledFrom([]int{1, 50, 400}).Draw(r, "limit")
		address := "sort=" + sort
		for _, c := range some {
			address += "&" + c.text
		}
		q, err := k.ParseQuery(parse(address))
		if err != nil {
			r.Fatal(err)
		}
		q.Text = text
		var want []*record.Record
		for _, rec := range every {
			if saysAll(rec, text) && !slices.ContainsFunc(some, func(c condition) bool { return !c.holds(rec) }) {
				want = append(want, rec)
			}
		}
		slices.SortFunc(want, func(a, b *record.Record) int { return inOrder(sort, a, b) })
		cursor := ""
		for page := range 2 {
			got, err := s.Listed(t.Context(), "loan", q, env, cursor, limit)
			if err != nil {
				r.Fatalf("%s %q: %v", address, text, err)
			}
			part := want[min(page*limit, len(want)):min((page+1)*limit, len(want))]
			if !slices.EqualFunc(got.Items, part, func(a, b *record.Record) bool { return a.ID == b.ID }) {
				r.Fatalf("%s %q: page %d is not the %d records from %d of %d", address, text, page, limit, page*limit, len(want))
			}
			if n := int(got.Count); n > len(want) || !got.More && n != len(want) || got.More && text == "" && n == len(want) {
				r.Fatalf("%s %q: counted %d (more: %v) of %d", address, text, got.Count, got.More, len(want))
			}
			if cursor = got.Next; cursor == "" {
				break
			}
		}
	})
}
