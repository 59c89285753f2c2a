package record_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func viewNames(t *testing.T, s *record.Store, by *auth.User) string {
	t.Helper()
	list, err := s.Views(t.Context(), by, "loan")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range list {
		names = append(names, v.Name)
	}
	return strings.Join(names, " ")
}

func TestViewsAreOnesOwnOrShared(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		save := func(by *auth.User, v record.SavedView) (record.SavedView, error) {
			v.Kind = "loan"
			return s.SaveView(recordtest.As(t.Context(), by), s.Env(t.Context(), by, nil), v)
		}
		mine, err := save(baba, record.SavedView{Name: " 自分の  ", Query: "?owner=me&sort=-cost&cursor=xyz&_undo=1", Columns: []string{"owner", "cost"}})
		if err != nil || mine.Query != "owner=me&sort=-cost" || mine.Name != "自分の" {
			t.Fatalf("%+v, %v", mine, err)
		}
		shared, err := save(baba, record.SavedView{Name: "期限切れ", Query: "due=overdue", Shared: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := viewNames(t, s, baba); got != "自分の 期限切れ" {
			t.Errorf("baba has %q", got)
		}
		if got := viewNames(t, s, chiba); got != "期限切れ" {
			t.Errorf("chiba has %q", got)
		}
		if _, err := s.Views(t.Context(), guest, "loan"); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a guest has views: %v", err)
		}
		for what, row := range map[string]struct {
			by   *auth.User
			view record.SavedView
			code fault.Code
		}{
			"a reader shares":         {chiba, record.SavedView{Name: "x", Shared: true}, fault.Forbidden},
			"a guest saves":           {guest, record.SavedView{Name: "x"}, fault.Forbidden},
			"no name":                 {baba, record.SavedView{Name: " "}, fault.Invalid},
			"a name that is too long": {baba, record.SavedView{Name: strings.Repeat("長", 61)}, fault.Invalid},
			"no field":                {baba, record.SavedView{Name: "x", Query: "hat=1"}, fault.Invalid},
			"no value":                {baba, record.SavedView{Name: "x", Query: "cost=many"}, fault.Invalid},
			"no order":                {baba, record.SavedView{Name: "x", Query: "sort=note"}, fault.Invalid},
			"no query":                {baba, record.SavedView{Name: "x", Query: "%zz"}, fault.Invalid},
			"no column":               {baba, record.SavedView{Name: "x", Columns: []string{"hat"}}, fault.Invalid},
			"another's shared view":   {chiba, record.SavedView{ID: shared.ID, Name: "x"}, fault.Forbidden},
			"another's own view":      {aoki, record.SavedView{ID: mine.ID, Name: "x"}, fault.NotFound},
		} {
			if _, err := save(row.by, row.view); !fault.Is(err, row.code) {
				t.Errorf("%s: %v", what, err)
			}
		}
		// Who may delete records looks after the views of all.
		shared.Name = "遅延"
		if _, err := save(aoki, shared); err != nil {
			t.Error(err)
		}
		if err := s.MoveView(t.Context(), baba, "loan", shared.ID, true); err != nil {
			t.Error(err)
		}
		if got := viewNames(t, s, baba); got != "遅延 自分の" {
			t.Errorf("after moving, baba has %q", got)
		}
		if err := s.RemoveView(t.Context(), chiba, "loan", shared.ID); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a reader removes a shared view: %v", err)
		}
		if err := s.RemoveView(t.Context(), aoki, "loan", shared.ID); err != nil {
			t.Error(err)
		}
		if got := viewNames(t, s, chiba); got != "" {
			t.Errorf("afterwards chiba has %q", got)
		}
		for range record.MaxViews - 1 {
			if _, err := save(baba, record.SavedView{Name: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := save(baba, record.SavedView{Name: "x"}); !fault.Is(err, fault.Invalid) {
			t.Errorf("one view too many: %v", err)
		}
	})
}

func TestAListIsReadAsItWasLast(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for _, x := range []record.Reading{{Columns: []string{"cost", "owner"}}, {Columns: []string{"due"}, View: "all"}} {
			if err := s.SetReading(t.Context(), chiba, "loan", x); err != nil {
				t.Fatal(err)
			}
			got, err := s.Reading(t.Context(), chiba, "loan")
			if err != nil || !cmp.Equal(got, x) {
				t.Errorf("%+v, %v; want %+v", got, err, x)
			}
		}
		if got, err := s.Reading(t.Context(), baba, "loan"); err != nil || got.Columns != nil {
			t.Errorf("another reads %+v, %v", got, err)
		}
		if err := s.SetReading(t.Context(), chiba, "loan", record.Reading{Columns: []string{"x; DROP TABLE"}}); !fault.Is(err, fault.Invalid) {
			t.Errorf("a column that is none: %v", err)
		}
	})
}

func TestSharingAViewCountsAgainstThoseThatAreShared(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	save := func(v record.SavedView) (record.SavedView, error) {
		v.Kind = "loan"
		return s.SaveView(recordtest.As(t.Context(), baba), s.Env(t.Context(), baba, nil), v)
	}
	mine, err := save(record.SavedView{Name: "自分の"})
	if err != nil {
		t.Fatal(err)
	}
	for range record.MaxViews {
		if _, err := save(record.SavedView{Name: "共有", Shared: true}); err != nil {
			t.Fatal(err)
		}
	}
	mine.Shared = true
	if _, err := save(mine); !fault.Is(err, fault.Invalid) {
		t.Errorf("one more was shared: %v", err)
	}
	mine.Shared, mine.Name = false, "自分だけの"
	if _, err := save(mine); err != nil {
		t.Errorf("a view that stays one's own: %v", err)
	}
}
