package record_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

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
		"q=notebook&sort=-updated_at": func(r *record.Record) bool { return r.Num("rank") >= 0 },
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
		for address, holds := range rows {
			q, err := k.ParseQuery(parse(address))
			if err != nil {
				t.Fatal(err)
			}
			got := list(q)
			if q.Text != "" {
				if len(got) != 10_000 { // what a search looks at
					t.Errorf("%s shows %d", address, len(got))
				}
				continue
			}
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
			down := strings.HasPrefix(q.Sort, "-") || q.Sort == ""
			field := cmp.Or(strings.TrimPrefix(q.Sort, "-"), "updated_at")
			if field == "dear" {
				field = "cost"
			}
			ordered := slices.IsSortedFunc(got, func(a, b string) int {
				x, y := every[a], every[b]
				c := cmp.Or(cmp.Compare(x.Num(field), y.Num(field)), x.At(field).Compare(y.At(field)), cmp.Compare(x.Str(field), y.Str(field)))
				if down {
					return -c
				}
				return c
			})
			if !ordered {
				t.Errorf("%s is not in order", address)
			}
		}
	})
}
