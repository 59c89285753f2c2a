package record_test

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// What somebody could try who knows how the kernel works.

func TestAMoveFillsInNothingButWhatItAsksFor(t *testing.T) {
	t.Parallel()
	kind := loan()
	kind.Fields[1].Moved = true // "thing"
	kind.Moves[2].Asks = []string{"thing"}
	s := recordtest.Open(t, dbtest.New(t), loanTable, kind)
	loser := recordtest.Somebody("loser", "loan.read", "loan.lose") // no right to edit
	r := must(t, s, map[string]string{"title": "PC", "number": "L-1", "owner": "baba"})
	move := func(name string, values record.Values) error {
		_, err := s.Move(recordtest.As(t.Context(), loser), loser, "loan", r.ID, record.Moving{Move: name, Values: values})
		return err
	}
	if _, err := s.Move(recordtest.As(t.Context(), baba), baba, "loan", r.ID, record.Moving{Move: "hand_out", Values: record.Values{"thing": "pc"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("another move's own field: %v", err)
	}
	if _, err := s.Move(recordtest.As(t.Context(), baba), baba, "loan", r.ID, record.Moving{Move: "hand_out", Values: record.Values{"owner": "chiba"}}); err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]any{"title": "mine", "note": "x", "owner": "loser", "state": "back"} {
		if err := move("lose", record.Values{field: value}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s by who may not edit: %v", field, err)
		}
	}
	if err := move("lose", record.Values{"thing": "phone"}); err != nil {
		t.Errorf("what it asks for: %v", err)
	}
}

func TestWhatManyMovesFilledInIsTakenBack(t *testing.T) {
	t.Parallel()
	kind := loan()
	kind.Moves[0].Asks = []string{"note"}
	kind.Moves[2].Permission = ""
	s := recordtest.Open(t, dbtest.New(t), loanTable, kind)
	r := must(t, s, map[string]string{"title": "PC", "number": "L-1", "owner": "baba", "note": "before"})
	ctx := recordtest.As(t.Context(), aoki)
	undo, err := s.Bulk(ctx, aoki, "loan", []string{r.ID}, record.Bulk{Move: "hand_out", Values: record.Values{"note": "after"}})
	if err != nil || undo.ID == "" {
		t.Fatalf("%+v, %v", undo, err)
	}
	if _, err := s.UndoBulk(ctx, aoki, "loan", undo.ID, "x"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, aoki, "loan", r.ID); err != nil || got.Str("note") != "before" || got.State != "wanted" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAnEarlierVersionIsFoundBehindAnyNumberOfComments(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		ctx := recordtest.As(t.Context(), aoki)
		r := must(t, s, map[string]string{"title": "first", "number": "L-1"})
		for version, title := range []string{"second", "third"} {
			if _, err := s.Edit(ctx, aoki, "loan", r.ID, int64(version+1), record.Values{"title": title}, ""); err != nil {
				t.Fatal(err)
			}
			err := d.Write(ctx, func(tx *db.Tx) error {
				for range 210 { // more than are read at once
					if _, err := s.CommentTx(tx, aoki, "loan", r.ID, "x"); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, title := range []string{"first", "second", "third"} {
			if was, err := s.At(ctx, aoki, "loan", r.ID, int64(i+1)); err != nil || was.Title != title || was.Version != int64(i+1) {
				t.Errorf("version %d: %+v, %v", i+1, was, err)
			}
		}
		_, err := s.Edit(ctx, baba, "loan", r.ID, 1, record.Values{"title": "mine"}, "")
		if c, ok := record.AsConflict(err); !ok || c.Base.Title != "first" || fmt.Sprint(c.Collides) != "[title]" {
			t.Errorf("%v", err)
		}
	})
}

func TestAHistoryDoesNotSayWhatASecretFieldWas(t *testing.T) {
	t.Parallel()
	kind := loan()
	kind.Fields[8].Secret = true // "note"
	s := recordtest.Open(t, dbtest.New(t), loanTable, kind)
	ctx := recordtest.As(t.Context(), aoki)
	r := must(t, s, map[string]string{"title": "PC", "number": "L-1", "note": "hunter2"})
	if _, err := s.Edit(ctx, aoki, "loan", r.ID, 1, record.Values{"note": "hunter3", "cost": int64(5)}, ""); err != nil {
		t.Fatal(err)
	}
	page, err := s.History(ctx, chiba, "loan", r.ID, "", 10)
	text := fmt.Sprint(page.Items)
	if err != nil || strings.Contains(text, "hunter") || !strings.Contains(text, "{note  }") || !strings.Contains(text, "{cost 0 5}") {
		t.Errorf("%s, %v", text, err)
	}
	if was, err := s.At(ctx, aoki, "loan", r.ID, 1); err != nil || was.Str("note") != "hunter2" {
		t.Errorf("the earlier version itself: %+v, %v", was, err)
	}
}

func TestADryRunThatAnotherOvertookSaysNothingMore(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	ctx, env := recordtest.As(t.Context(), baba), s.Env(t.Context(), baba, nil)
	u, err := s.Upload(ctx, baba, "loan", "list.csv", rows("number|title\nL-1|PC"))
	if err != nil {
		t.Fatal(err)
	}
	mapping := record.Mapping{Fields: []string{"number", "title"}}
	slow, begun := mapping, false
	slow.Read = func(_ *record.Field, cell string) string {
		if !begun { // while it reads the first cell, another one ends, and what that said is imported
			begun = true
			if _, err := s.DryRun(ctx, env, "loan", u.ID, mapping); err != nil {
				t.Error(err)
			}
			if _, _, err := s.Import(ctx, env, "loan", u.ID, 0); err != nil {
				t.Error(err)
			}
		}
		return cell
	}
	if _, err := s.DryRun(ctx, env, "loan", u.ID, slow); !fault.Is(err, fault.Conflict) {
		t.Errorf("it went on: %v", err)
	}
	if _, _, err := s.Import(ctx, env, "loan", u.ID, 0); err != nil {
		t.Fatal(err)
	}
	if n, _, err := s.Count(ctx, "loan", record.Query{}, env); err != nil || n != 1 {
		t.Errorf("%d records of one line, %v", n, err)
	}
}

func TestAListThatIsTooLongIsNotKept(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := open(t, d)
	var long iter.Seq2[[]string, error] = func(yield func([]string, error) bool) {
		for i := 0; i <= record.MaxLines+1 && yield([]string{"x"}, nil); i++ { // the last batch alone is too much
		}
	}
	if _, err := s.Upload(recordtest.As(t.Context(), baba), baba, "loan", "list.csv", long); !fault.Is(err, fault.TooLarge) {
		t.Errorf("%v", err)
	}
	var kept int
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM record_upload) + (SELECT COUNT(*) FROM record_upload_line)`).Scan(&kept)
	})
	if err != nil || kept != 0 {
		t.Errorf("%d rows are kept, %v", kept, err)
	}
}

func TestEndedRecordsOfAKindWithoutAnEndAreNone(t *testing.T) {
	t.Parallel()
	kind := loan()
	kind.States = []record.State{{Name: "wanted"}, {Name: "out"}, {Name: "back"}}
	s := recordtest.Open(t, dbtest.New(t), loanTable, kind)
	must(t, s, map[string]string{"title": "PC", "number": "L-1"})
	for state, want := range map[string]int64{"done": 0, "open": 1, "!out": 1, "!wanted": 0} {
		if n, _, err := s.Count(t.Context(), "loan", record.Query{}.With("state", state), s.Env(t.Context(), aoki, nil)); err != nil || n != want {
			t.Errorf("%s: %d, want %d, %v", state, n, want, err)
		}
	}
}

func TestReadersDoNotWaitForEachOthersConnections(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const many = 200 // more than there are connections
	var here, all sync.WaitGroup
	here.Add(many)
	together := make(chan struct{})
	go func() { here.Wait(); close(together) }()
	for range many {
		all.Go(func() {
			env := s.Env(ctx, aoki, nil)
			env.Person = func(text string) (string, error) { // goes on when all look somebody up, which none does holding a connection
				here.Done()
				select {
				case <-together:
					return text, nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			}
			if _, err := s.Listed(ctx, "loan", record.Query{}.With("owner", "baba"), env, "", 10); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestAQueryIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	env := s.Env(t.Context(), aoki, nil)
	k, err := s.Kind("loan")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.ParseQuery(url.Values{"host": strings.Split(strings.Repeat("x,", 501), ",")}); !fault.Is(err, fault.Invalid) {
		t.Errorf("501 texts: %v", err)
	}
	for _, v := range []record.SavedView{
		{Kind: "loan", Name: "long", Query: "host=" + strings.Repeat("x", 8000)},
		{Kind: "loan", Name: "wide", Columns: []string{"cost", "number", "cost"}},
	} {
		if _, err := s.SaveView(t.Context(), env, v); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
