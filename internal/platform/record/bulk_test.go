package record_test

import (
	"errors"
	"fmt"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func three(t *testing.T, s *record.Store) (ids []string) {
	t.Helper()
	for i := range 3 {
		ids = append(ids, must(t, s, map[string]string{"title": fmt.Sprint("thing ", i), "number": fmt.Sprint("L-", i), "tags": "a b"}).ID)
	}
	return ids
}

// states says each record's state, owner and tags.
func states(t *testing.T, s *record.Store, ids []string) (list []string) {
	t.Helper()
	for _, id := range ids {
		r, err := s.Get(t.Context(), aoki, "loan", id)
		if err != nil {
			t.Fatal(err)
		}
		word := r.State
		if !r.DeletedAt.IsZero() {
			word = "deleted"
		}
		list = append(list, word+"/"+r.Owner+"/"+r.Text("tags"))
	}
	return list
}

func TestManyAreChangedOrNone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		ids := three(t, s)
		ctx := recordtest.As(t.Context(), aoki)
		is := func(what, want string) {
			t.Helper()
			if got := fmt.Sprint(states(t, s, ids)); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		undo, err := s.Bulk(ctx, aoki, "loan", append(ids, ids...), record.Bulk{Values: record.Values{"owner": "baba"}, Add: []string{"Ｃ"}, Remove: []string{"a"}})
		if err != nil || undo.Count != 3 || undo.ID == "" || undo.Action != "edit" {
			t.Fatalf("%+v, %v", undo, err)
		}
		is("assigned", "[wanted/baba/b, c wanted/baba/b, c wanted/baba/b, c]")
		if _, err := s.Move(ctx, aoki, "loan", ids[1], record.Moving{Move: "hand_out"}); err != nil {
			t.Fatal(err)
		}
		// The one in the middle is out already: nothing is done to any.
		_, err = s.Bulk(ctx, aoki, "loan", ids, record.Bulk{Move: "hand_out"})
		if bulk, ok := errors.AsType[*record.BulkError](err); !ok || bulk.Record.ID != ids[1] || !fault.Is(err, fault.Conflict) {
			t.Errorf("%v", err)
		}
		is("not handed out", "[wanted/baba/b, c out/baba/b, c wanted/baba/b, c]")
		// And what was done at first cannot be taken back for it alone.
		if _, err := s.UndoBulk(ctx, aoki, "loan", undo.ID, ""); !fault.Is(err, fault.Conflict) {
			t.Errorf("%v", err)
		}
		ids = []string{ids[0], ids[2]}
		if _, err := s.Bulk(ctx, aoki, "loan", ids, record.Bulk{Move: "give_back"}); !fault.Is(err, fault.Conflict) {
			t.Errorf("given back before it was out: %v", err)
		}
		undo, err = s.Bulk(ctx, aoki, "loan", ids, record.Bulk{Delete: true, Why: "entered twice"})
		if err != nil {
			t.Fatal(err)
		}
		is("deleted", "[deleted/baba/b, c deleted/baba/b, c]")
		if _, err := s.UndoBulk(ctx, baba, "loan", undo.ID, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("taken back by another: %v", err)
		}
		if _, err := s.UndoBulk(ctx, aoki, "loan", undo.ID, ""); err != nil {
			t.Fatal(err)
		}
		is("brought back", "[wanted/baba/b, c wanted/baba/b, c]")
		if _, err := s.UndoBulk(ctx, aoki, "loan", undo.ID, ""); !fault.Is(err, fault.NotFound) {
			t.Errorf("taken back twice: %v", err)
		}
	})
}

func TestAMoveOfManyIsTakenBackWhereAWayLeadsBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		ids := three(t, s)
		loser := recordtest.Somebody("aoki", "loan.read", "loan.write", "loan.lose")
		ctx := recordtest.As(t.Context(), loser)
		_, err := s.Bulk(ctx, loser, "loan", ids, record.Bulk{Move: "hand_out"})
		if wrong, ok := errors.AsType[record.Wrong](err); !ok || wrong["owner"] == nil {
			t.Errorf("handed out to nobody: %v", err)
		}
		undo, err := s.Bulk(ctx, loser, "loan", ids, record.Bulk{Move: "hand_out", Values: record.Values{"owner": "chiba"}})
		if err != nil || undo.ID == "" {
			t.Fatalf("%+v, %v", undo, err)
		}
		if found, err := s.Undoable(ctx, loser, "loan", undo.ID); err != nil || found.Count != 3 || found.Action != "move.hand_out" {
			t.Errorf("%+v, %v", found, err)
		}
		if _, err := s.UndoBulk(ctx, loser, "loan", undo.ID, "taken back"); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(states(t, s, ids)); got != "[wanted//a, b wanted//a, b wanted//a, b]" {
			t.Errorf("afterwards %s", got)
		}
		// baba may not make the move that leads back: nothing is offered.
		undo, err = s.Bulk(recordtest.As(ctx, baba), baba, "loan", ids, record.Bulk{Move: "hand_out", Values: record.Values{"owner": "chiba"}})
		if err != nil || undo.ID != "" || undo.Count != 3 {
			t.Errorf("%+v, %v", undo, err)
		}
	})
}

func TestWhatManyAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	ids := three(t, s)
	many := make([]string, record.MaxBulk+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	change := record.Bulk{Values: record.Values{"cost": int64(1)}}
	for what, err := range map[string]error{
		string(fault.Invalid) + " none":       bulkErr(s.Bulk(t.Context(), aoki, "loan", nil, change)),
		string(fault.Invalid) + " too many":   bulkErr(s.Bulk(t.Context(), aoki, "loan", many, change)),
		string(fault.Invalid) + " nothing":    bulkErr(s.Bulk(t.Context(), aoki, "loan", ids, record.Bulk{})),
		string(fault.Invalid) + " no reason":  bulkErr(s.Bulk(t.Context(), aoki, "loan", ids, record.Bulk{Delete: true})),
		string(fault.Invalid) + " no move":    bulkErr(s.Bulk(t.Context(), aoki, "loan", ids, record.Bulk{Move: "fly"})),
		string(fault.Invalid) + " a tag":      bulkErr(s.Bulk(t.Context(), aoki, "loan", ids, record.Bulk{Add: []string{"!x"}})),
		string(fault.NotFound) + " not there": bulkErr(s.Bulk(t.Context(), aoki, "loan", []string{ids[0], "x"}, change)),
		string(fault.Forbidden) + " a reader": bulkErr(s.Bulk(t.Context(), chiba, "loan", ids, change)),
		string(fault.Forbidden) + " a guest":  bulkErr(s.Bulk(t.Context(), guest, "loan", ids, change)),
		string(fault.Forbidden) + " deleting": bulkErr(s.Bulk(t.Context(), baba, "loan", ids, record.Bulk{Delete: true, Why: "x"})),
	} {
		if code := fault.CodeOf(err); string(code) != what[:len(code)] {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func bulkErr(_ record.Undo, err error) error { return err }
