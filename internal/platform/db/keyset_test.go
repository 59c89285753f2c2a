package db_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

func TestIDsSortByTheTimeTheyWereMade(t *testing.T) {
	t.Parallel()
	last := ""
	for range 10_000 {
		id := db.NewID()
		if id <= last || len(id) != 36 || id[14] != '7' {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

// TestPagesTogetherAreTheList walks a list page by page, whatever its ties and the page's size.
func TestPagesTogetherAreTheList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type item struct{ rank, id int }
		var list []item
		rank := 1000
		for id := range rapid.IntRange(0, 60).Draw(t, "length") {
			rank -= rapid.IntRange(0, 1).Draw(t, "step")
			list = append(list, item{rank, id})
		}
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		var walked []item
		cursor := ""
		for {
			rest := list
			if cursor != "" {
				var rank, id int
				if err := db.DecodeCursor(cursor, &rank, &id); err != nil {
					t.Fatal(err)
				}
				rest = nil
				for _, it := range list {
					if it.rank < rank || it.rank == rank && it.id > id {
						rest = append(rest, it)
					}
				}
			}
			page, err := db.Paged(rest[:min(len(rest), limit+1)], limit, func(it item) []any { return []any{it.rank, it.id} })
			if err != nil || len(page.Items) > limit {
				t.Fatalf("%d items on a page of %d, %v", len(page.Items), limit, err)
			}
			walked = append(walked, page.Items...)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if fmt.Sprint(walked) != fmt.Sprint(list) {
			t.Fatalf("walked %v\nlist   %v", walked, list)
		}
	})
}

func FuzzDecodeCursor(f *testing.F) {
	good, err := db.EncodeCursor(int64(1_700_000_000_000_000), "018f-…")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{good, "", "W10", "bnVsbA", "%%%", good + "A"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		var n int64
		var id string
		if err := db.DecodeCursor(cursor, &n, &id); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", cursor, err)
		}
	})
}

func TestWhereNumbersItsPlaceholders(t *testing.T) {
	t.Parallel()
	var w db.Where
	if w.String() != "" {
		t.Errorf("no condition: %q", w.String())
	}
	w.And("closed IS NULL")
	w.And("(seen, id) < (?, ?)", 5, "x")
	db.In(&w, "severity", []int{4, 5})
	want := " WHERE closed IS NULL AND (seen, id) < ($1, $2) AND severity IN ($3, $4)"
	if got := w.String() + " LIMIT " + w.Next(1); got != want+" LIMIT $5" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if diff := cmp.Diff([]any{5, "x", 4, 5, 100}, w.Args(100)); diff != "" {
		t.Error(diff)
	}
	var none db.Where
	db.In(&none, "severity", []int(nil))
	if got := none.String(); got != " WHERE 1 = 0" {
		t.Errorf("one of nothing: %s", got)
	}
}

func TestContainsTakesTextAsItIs(t *testing.T) {
	t.Parallel()
	d := open(t)
	for text, want := range map[string]bool{"50%": true, "0% o": true, "5_%": false, `c:\`: true, "C_\\": false, "%": true, "": true} {
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var got bool
			err := tx.QueryRow(`SELECT 'c:\disk 50% of_it' LIKE $1 ESCAPE '\'`, db.Contains(text)).Scan(&got)
			if got != want {
				t.Errorf("%q found: %v", text, got)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
