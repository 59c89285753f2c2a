package approval_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// company is two administrators, one who may nothing, and a box whose colour takes two people to change.
type company struct {
	*approval.Approvals
	mu     sync.Mutex
	gone   map[string]bool // who may no longer do anything
	colour string
	broken error
}

type paint struct{ Colour string }

const permission = "box.write"

func (c *company) May(_ context.Context, person, p string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return p == permission && !c.gone[person], nil
}

func open(t *testing.T, d *db.DB, required ...string) *company {
	t.Helper()
	log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: t.TempDir() + "/key"})
	if err != nil {
		t.Fatal(err)
	}
	c := &company{gone: make(map[string]bool), colour: "grey"}
	c.Approvals, err = approval.Open(t.Context(), approval.Options{DB: d, Ledger: log, People: c, Required: required})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Track(t.Context(), approval.Tables()...); err != nil {
		t.Fatal(err)
	}
	approval.Register(c.Approvals, "people.roles", approval.Action[paint]{
		Permission: permission,
		Show: func(_ *http.Request, p paint) ([]approval.Fact, error) {
			return []approval.Fact{{Label: "色", Text: p.Colour}}, nil
		},
		Run: func(tx *db.Tx, p paint) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.broken != nil {
				return c.broken
			}
			tx.AfterCommit(func() { c.colour = p.Colour })
			return nil
		},
	})
	return c
}

func person(id string, permissions ...string) *auth.User {
	return &auth.User{ID: id, Name: id, Allowed: func(p string) bool {
		for _, one := range permissions {
			if one == p {
				return true
			}
		}
		return false
	}}
}

var (
	aoki   = person("aoki", permission)
	baba   = person("baba", permission)
	clerk  = person("clerk")
	reader = person("reader", string(approval.MayRead))
	wish   = approval.Wish{Action: "people.roles", Subject: "箱1", Reason: "色あせ", Payload: paint{"red"}}
)

func ask(t *testing.T, c *company) *approval.Request {
	t.Helper()
	waiting, err := c.Do(t.Context(), aoki, wish)
	if err != nil || waiting == nil {
		t.Fatalf("asking: %v, %v", waiting, err)
	}
	return waiting
}

func TestWithoutAPolicyTheActionIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t, dbtest.New(t))
	waiting, err := c.Do(t.Context(), aoki, wish)
	if err != nil || waiting != nil || c.colour != "red" {
		t.Errorf("waiting %v, error %v, the box is %s", waiting, err, c.colour)
	}
}

func TestWithAPolicyASecondPersonDecides(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d, "people.roles")
		waiting := ask(t, c)
		if c.colour != "grey" {
			t.Fatal("done before anybody approved")
		}
		if n, err := c.Count(t.Context(), baba); n != 1 || err != nil {
			t.Errorf("%d wait for the other one, %v", n, err)
		}
		if n, err := c.Count(t.Context(), aoki); n != 0 || err != nil {
			t.Errorf("%d wait for the asker, %v", n, err)
		}
		if err := c.Decide(t.Context(), baba, waiting.ID, approval.Approved, "よし"); err != nil || c.colour != "red" {
			t.Fatalf("approving: %v, the box is %s", err, c.colour)
		}
		got, err := c.Get(t.Context(), aoki, waiting.ID)
		if err != nil || got.State != approval.Approved || got.DecidedBy != "baba" || got.Note != "よし" || got.Decided.IsZero() {
			t.Errorf("afterwards %+v, %v", got, err)
		}
		if err := c.Decide(t.Context(), baba, waiting.ID, approval.Approved, ""); !fault.Is(err, fault.Conflict) {
			t.Errorf("approving again: %v", err)
		}
	})
}

func TestWhoMayNotDecide(t *testing.T) {
	t.Parallel()
	c := open(t, dbtest.New(t), "people.roles")
	for _, row := range []struct {
		who  *auth.User
		to   approval.State
		want fault.Code
	}{
		{aoki, approval.Approved, fault.Forbidden},   // who asked
		{aoki, approval.Refused, fault.Forbidden},    // they withdraw
		{clerk, approval.Approved, fault.NotFound},   // may not even see it
		{reader, approval.Approved, fault.Forbidden}, // sees it, cannot decide
		{baba, approval.Withdrawn, fault.Forbidden},  // not theirs
		{baba, approval.Void, fault.Invalid},
	} {
		waiting := ask(t, c)
		if err := c.Decide(t.Context(), row.who, waiting.ID, row.to, ""); !fault.Is(err, row.want) {
			t.Errorf("%s makes it %s: %v, want %s", row.who.ID, row.to, err, row.want)
		}
	}
	if c.colour != "grey" {
		t.Error("somebody painted the box")
	}
}

func TestWhatBecomesOfARequestOtherwise(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	d := dbtest.NewAt(t, func() time.Time { return clock })
	c := open(t, d, "people.roles")

	refused, withdrawn, orphan, failing, old := ask(t, c), ask(t, c), ask(t, c), ask(t, c), ask(t, c)
	if err := c.Decide(t.Context(), baba, refused.ID, approval.Refused, ""); err != nil {
		t.Error(err)
	}
	if err := c.Decide(t.Context(), aoki, withdrawn.ID, approval.Withdrawn, ""); err != nil {
		t.Error(err)
	}
	c.broken = errors.New("no paint left")
	if err := c.Decide(t.Context(), baba, failing.ID, approval.Approved, ""); !errors.Is(err, c.broken) {
		t.Errorf("an action that fails: %v", err)
	}
	if got, _ := c.Get(t.Context(), baba, failing.ID); got.State != approval.Waiting {
		t.Errorf("after its action failed, the request is %s", got.State)
	}
	c.broken = nil
	c.gone["aoki"] = true
	if err := c.Decide(t.Context(), baba, orphan.ID, approval.Approved, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("the asker may no longer: %v", err)
	}
	c.gone["aoki"] = false
	clock = clock.Add(8 * 24 * time.Hour)
	if err := c.Decide(t.Context(), baba, old.ID, approval.Approved, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("after a week: %v", err)
	}
	if got, _ := c.Get(t.Context(), baba, old.ID); got.State != approval.Void {
		t.Errorf("after a week the request is %s", got.State)
	}
	if c.colour != "grey" {
		t.Errorf("the box is %s", c.colour)
	}
}

func TestTwoWhoApproveAtOnceDoItOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d, "people.roles")
		done := 0
		approval.Register(c.Approvals, "people.roles", approval.Action[paint]{Permission: permission, Run: func(tx *db.Tx, _ paint) error {
			tx.AfterCommit(func() { c.mu.Lock(); done++; c.mu.Unlock() })
			return nil
		}})
		waiting := ask(t, c)
		var both sync.WaitGroup
		for range 8 {
			both.Go(func() { _ = c.Decide(t.Context(), baba, waiting.ID, approval.Approved, "") })
		}
		both.Wait()
		if done != 1 {
			t.Errorf("done %d times", done)
		}
	})
}

func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	c := open(t, dbtest.New(t), "people.roles")
	for range 5 {
		ask(t, c)
	}
	for who, want := range map[*auth.User]int{aoki: 5, baba: 5, reader: 5, clerk: 0} {
		seen, cursor := 0, ""
		for {
			page, err := c.List(t.Context(), who, approval.Filter{Waiting: true, Cursor: cursor, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			seen += len(page.Items)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if seen != want {
			t.Errorf("%s sees %d requests, want %d", who.ID, seen, want)
		}
	}
}

func TestAskingTakesAReasonAndAKnownAction(t *testing.T) {
	t.Parallel()
	c := open(t, dbtest.New(t), "people.roles")
	bare := wish
	bare.Reason = " "
	if _, err := c.Do(t.Context(), aoki, bare); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	if _, err := c.Do(t.Context(), aoki, approval.Wish{Action: "box.burn"}); err == nil {
		t.Error("an action nobody registered was taken")
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	if err := open(t, dbtest.New(t), "box.piant").Check(); !fault.Is(err, fault.Invalid) {
		t.Errorf("a policy with a misspelt action: %v", err)
	}
}
