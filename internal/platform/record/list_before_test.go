package record_test

import (
	"fmt"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/record"
)

func TestAListIsReadBackwardsAsItWasReadForwards(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for i := range 7 { // of which some cost the same
			must(t, s, map[string]string{"title": fmt.Sprint("PC ", i), "number": fmt.Sprint("L-", i), "cost": fmt.Sprint(i / 3)})
		}
		env := s.Env(t.Context(), aoki, nil)
		for _, sort := range []string{"", "number", "-number", "dear", "-dear", "updated_at"} {
			q, cursors := record.Query{Sort: sort}, []string{""}
			for {
				page, err := s.List(t.Context(), "loan", q, env, cursors[len(cursors)-1], 2)
				if err != nil {
					t.Fatal(err)
				}
				if page.Next == "" {
					break
				}
				cursors = append(cursors, page.Next)
			}
			if len(cursors) != 4 {
				t.Fatalf("by %q there are %d pages", sort, len(cursors))
			}
			for i, cursor := range cursors {
				if before, err := s.Before(t.Context(), "loan", q, env, cursor, 2); err != nil || before != cursors[max(i-1, 0)] {
					t.Errorf("by %q, before page %d is %q, want %q, %v", sort, i, before, cursors[max(i-1, 0)], err)
				}
			}
		}
		if _, err := s.Before(t.Context(), "loan", record.Query{}, env, "nonsense", 2); err == nil {
			t.Error("a cursor that is none")
		}
	})
}
