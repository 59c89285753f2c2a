package record_test

import (
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func TestPapersAreClassified(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		kind := loan()
		kind.Class = record.Limited
		s := recordtest.Open(t, d, loanTable, kind)
		ctx := recordtest.As(t.Context(), aoki)
		r, other := must(t, s, map[string]string{"title": "PC", "number": "L-1"}), must(t, s, map[string]string{"title": "phone", "number": "L-2"})
		check := func(want, list record.Class) {
			t.Helper()
			got, err := s.ClassOf(t.Context(), r)
			if err != nil || got != want {
				t.Errorf("its papers are %q, want %q, %v", got, want, err)
			}
			got, err = s.ClassOfList(t.Context(), "loan", record.Query{}, s.Env(t.Context(), chiba, nil))
			if err != nil || got != list {
				t.Errorf("the list is %q, want %q, %v", got, list, err)
			}
		}
		check(record.Limited, record.Limited)
		if err := s.Classify(ctx, aoki, "loan", r.ID, record.Internal, "why not"); !fault.Is(err, fault.Invalid) {
			t.Errorf("below its kind: %v", err)
		}
		if err := s.Classify(recordtest.As(t.Context(), chiba), chiba, "loan", r.ID, record.Secret, ""); !fault.Is(err, fault.Forbidden) {
			t.Errorf("by who may only read: %v", err)
		}
		if err := s.Classify(ctx, aoki, "loan", r.ID, record.Secret, ""); err != nil {
			t.Fatal(err)
		}
		check(record.Secret, record.Secret)
		if got, err := s.ClassOfList(t.Context(), "loan", record.Query{}.With("number", other.Str("number")), s.Env(t.Context(), chiba, nil)); err != nil || got != record.Limited {
			t.Errorf("a list without it is %q, %v", got, err)
		}
		if err := s.Classify(ctx, aoki, "loan", r.ID, record.Limited, " "); !fault.Is(err, fault.Invalid) {
			t.Errorf("lowered without a reason: %v", err)
		}
		if err := s.Classify(ctx, aoki, "loan", r.ID, record.Limited, "the case is closed"); err != nil {
			t.Fatal(err)
		}
		check(record.Limited, record.Limited)
		page, err := s.History(t.Context(), chiba, "loan", r.ID, "", 10)
		if err != nil || len(page.Items) != 3 || page.Items[0].Action != "class" || page.Items[0].Changes[0] != (record.Change{Field: "class.class", From: "secret", To: "limited"}) || page.Items[0].Version != 1 {
			t.Errorf("%+v, %v", page.Items, err)
		}
	})
	if len(record.Classes()) != 4 || !record.Secret.Above(record.Public) || record.Internal.Above(record.Internal) {
		t.Error("the classes are out of order")
	}
}
