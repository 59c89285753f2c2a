package record_test

import (
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func TestAnswersThatAreDueAreRemindedOfOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	s := recordtest.Open(t, dbtest.NewAt(t, func() time.Time { return now }), loanTable, loan())
	var said []string
	s.ListenApprovals(func(_ *db.Tx, e record.ApprovalEvent) error {
		said = append(said, e.Person+" "+strings.TrimPrefix(e.Action, "approval."))
		return nil
	})
	remind := func(want string) {
		t.Helper()
		said = nil
		for range 3 { // the job runs again and again
			if _, err := s.RemindApprovals(t.Context(), now.Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(said, ", "); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	ctx := recordtest.As(t.Context(), aoki)
	r := must(t, s, map[string]string{"title": "PC", "number": "L-1"})
	a, err := s.Ask(ctx, aoki, "loan", r.ID, record.Asking{InOrder: true, People: []record.Asked{{Person: "baba", Due: now.Add(48 * time.Hour)}, {Person: "chiba", Due: now.Add(49 * time.Hour)}}})
	if err != nil {
		t.Fatal(err)
	}
	remind("")
	now = now.Add(36 * time.Hour)
	remind("baba due") // chiba's turn comes later
	now = now.Add(13 * time.Hour)
	remind("baba overdue, aoki late")
	if err := s.Answer(recordtest.As(t.Context(), baba), baba, "loan", r.ID, a.ID, record.Approved, ""); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	remind("chiba overdue, aoki late")
	if _, err := s.Edit(ctx, aoki, "loan", r.ID, 1, record.Values{"title": "PC 2"}, ""); err != nil { // which makes it void
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	remind("")

	other := must(t, s, map[string]string{"title": "deleted", "number": "L-2"})
	if _, err := s.Ask(ctx, aoki, "loan", other.ID, record.Asking{People: []record.Asked{{Person: "baba", Due: now.Add(time.Hour)}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, aoki, "loan", other.ID, 1, "twice"); err != nil {
		t.Fatal(err)
	}
	remind("")
}
