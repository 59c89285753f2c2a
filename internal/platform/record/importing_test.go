package record_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// rows are the lines of a text, with "|" between cells.
func rows(text string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
			if !yield(strings.Split(strings.TrimSpace(line), "|"), nil) {
				return
			}
		}
	}
}

// fates says of every line what becomes of it, and which fields are changed or wrong.
func fates(t *testing.T, s *record.Store, by *auth.User, u *record.Upload) (list []string) {
	t.Helper()
	for cursor := ""; ; {
		page, err := s.UploadLines(t.Context(), by, "loan", u.ID, "", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Items {
			word := fmt.Sprint(l.Number, " ", l.Fate)
			for _, c := range l.Changes {
				word += " " + c.Field + ":" + c.From + ">" + c.To
			}
			for _, p := range l.Problems {
				word += " " + p.Field + "!" + strings.TrimPrefix(p.Key, "record.")
			}
			list = append(list, word)
		}
		if cursor = page.Next; cursor == "" {
			return list
		}
	}
}

func TestAnImportSaysFirstWhatBecomesOfEachLine(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		ctx, env := recordtest.As(t.Context(), baba), s.Env(t.Context(), baba, time.FixedZone("JST", 9*3600))
		must(t, s, map[string]string{"title": "ノートPC", "number": "L-1", "cost": "10", "note": "old"})
		same := must(t, s, map[string]string{"title": "電話", "number": "L-2"})
		late := must(t, s, map[string]string{"title": "カメラ", "number": "L-3"})
		must(t, s, map[string]string{"title": "二つ", "number": "L-4"})
		must(t, s, map[string]string{"title": "二つ", "number": "L-4"})
		gone := must(t, s, map[string]string{"title": "昔", "number": "L-5"})
		if err := s.Delete(ctx, aoki, "loan", gone.ID, 0, "old"); err != nil {
			t.Fatal(err)
		}
		u, err := s.Upload(ctx, baba, "loan", "台帳.csv", rows(`
			番号|名前|費用|状態|要らない|貸出先|メモ
			L-1|ノートPC|１，２００||x|aoki@example.jp|
			L-2|電話||wanted|x||
			L-3|防水カメラ|||||
			L-4|三つ|||||
			L-5|新しい|5||||
			L-6|=cmd()|7|||baba|'); DROP TABLE loan_loan; --
			L-7||many|||nobody|
			L-8|外|3|out|||
			L-6|もう一度|||||
			||||||
			|番号なし|||||
			L-1|ノートPC|5|back|||`))
		if err != nil {
			t.Fatal(err)
		}
		if u.Lines() != 11 {
			t.Errorf("%d lines are kept", u.Lines())
		}
		m := record.Mapping{Fields: []string{"number", "title", "cost", "state", "", "owner", "note"}}
		if u, err = s.DryRun(ctx, env, "loan", u.ID, m); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"2 change owner:>aoki cost:10>1200",
			"3 same",
			"4 change title:カメラ>防水カメラ",
			"5 wrong number!import.fault.many",
			"6 new",
			"7 new",
			"8 wrong cost!fault.number owner!fault.person title!fault.missing",
			"9 wrong state!import.fault.state",
			"10 wrong number!import.fault.key_twice",
			"12 wrong number!fault.missing",
			"13 wrong number!import.fault.key_twice",
		}
		got := fates(t, s, baba, u)
		got[0] = strings.Replace(got[0], " cost:10>1200 owner:>aoki", " owner:>aoki cost:10>1200", 1)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if n, _, err := s.Count(ctx, "loan", record.Query{}, env); err != nil || n != 5 {
			t.Errorf("after the dry run there are %d, %v", n, err)
		}
		// Meanwhile somebody changes one, and makes another.
		if _, err := s.Edit(ctx, aoki, "loan", late.ID, 0, record.Values{"note": "wet"}, ""); err != nil {
			t.Fatal(err)
		}
		must(t, s, map[string]string{"title": "早い", "number": "L-5"})
		u, more, err := s.Import(ctx, env, "loan", u.ID, time.Minute)
		if err != nil || more || u.State != record.UploadDone {
			t.Fatalf("%+v, %v, %v", u, more, err)
		}
		wantFates := map[record.Fate]int64{record.FateChanged: 1, record.FateSame: 1, record.FateLate: 2, record.FateMade: 1, record.FateWrong: 6}
		if diff := cmp.Diff(wantFates, u.Fates); diff != "" {
			t.Error(diff)
		}
		page, err := s.List(ctx, "loan", record.Query{Sort: "number"}, env, "", 20)
		if err != nil {
			t.Fatal(err)
		}
		var after []string
		for _, r := range page.Items {
			after = append(after, fmt.Sprint(r.Str("number"), " ", r.Title, " ", r.Num("cost"), " ", r.Owner, " ", r.Str("note")))
		}
		if diff := cmp.Diff([]string{"L-1 ノートPC 1200 aoki old", "L-2 電話 0  ", "L-3 カメラ 0  wet", "L-4 二つ 0  ", "L-4 二つ 0  ", "L-5 早い 0  ",
			"L-6 =cmd() 7 baba '); DROP TABLE loan_loan; --"}, after); diff != "" {
			t.Error(diff)
		}
		if r, err := s.Get(ctx, baba, "loan", same.ID); err != nil || r.Version != 1 {
			t.Errorf("what was the same is of version %d, %v", r.Version, err)
		}
		// A second word for the same list does nothing.
		if again, more, err := s.Import(ctx, env, "loan", u.ID, time.Minute); err != nil || more || !cmp.Equal(again.Fates, wantFates) {
			t.Errorf("again: %+v, %v, %v", again, more, err)
		}
		if _, err := s.DryRun(ctx, env, "loan", u.ID, m); !fault.Is(err, fault.Conflict) {
			t.Errorf("another dry run of what is imported: %v", err)
		}
	})
}

func TestAnEmptyCellEmptiesOnlyWhereThatIsMeant(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	ctx, env := recordtest.As(t.Context(), baba), s.Env(t.Context(), baba, nil)
	must(t, s, map[string]string{"title": "電話", "number": "L-1", "note": "wet"})
	for blanks, want := range map[bool]string{false: "[2 same]", true: "[2 change note:wet>]"} {
		u, err := s.Upload(ctx, baba, "loan", "x", rows("number|note|\nL-1|"))
		if err != nil {
			t.Fatal(err)
		}
		if u, err = s.DryRun(ctx, env, "loan", u.ID, record.Mapping{Fields: []string{"number", "note"}, Blanks: blanks}); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(fates(t, s, baba, u)); got != want {
			t.Errorf("with blanks %v: %s", blanks, got)
		}
	}
}

func TestAnUploadBelongsToWhoSentIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		u, err := s.Upload(t.Context(), baba, "loan", "x", rows("number|title\nL-1|x"))
		if err != nil {
			t.Fatal(err)
		}
		for _, who := range []*auth.User{aoki, chiba, guest} {
			_, err := s.UploadOf(t.Context(), who, "loan", u.ID)
			_, err2 := s.UploadLines(t.Context(), who, "loan", u.ID, "", "", 1)
			_, err3 := s.DryRun(t.Context(), s.Env(t.Context(), who, nil), "loan", u.ID, record.Mapping{Fields: []string{"number", "title"}})
			_, _, err4 := s.Import(t.Context(), s.Env(t.Context(), who, nil), "loan", u.ID, time.Second)
			for _, err := range []error{err, err2, err3, err4} {
				if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Forbidden) {
					t.Errorf("%s: %v", who.ID, err)
				}
			}
		}
		for range 5 {
			if _, err := s.Upload(t.Context(), baba, "loan", "x", rows("number|title\nL-1|x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.UploadOf(t.Context(), baba, "loan", u.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("the oldest of six is kept: %v", err)
		}
	})
}

func TestAnUploadIsForgottenAfterAnHour(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	d := dbtest.NewAt(t, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	s := open(t, d)
	const lines = 2100 // more than are forgotten at once
	if _, err := s.Upload(t.Context(), baba, "loan", "x", rows("number|title"+strings.Repeat("\nL-1|x", lines))); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, lines}, {record.KeepUpload + time.Minute, 0}} {
		later.Store(int64(step.wait))
		if err := s.ForgetUploads(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM record_upload_line`).Scan(&n) }); err != nil || n != step.want {
			t.Errorf("after %v %d lines wait, %v", step.wait, n, err)
		}
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	broken := func(yield func([]string, error) bool) {
		_ = yield([]string{"number"}, nil) && yield([]string{"L-1"}, nil) && yield(nil, fault.New(fault.Invalid, "x", "the file ends in the middle"))
	}
	for what, seq := range map[string]iter.Seq2[[]string, error]{
		"no lines": rows("number|title"), "nothing": rows(""), "too many columns": rows(strings.Repeat("x|", 201) + "x"), "a broken file": broken,
	} {
		if _, err := s.Upload(t.Context(), baba, "loan", what, seq); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, who := range []*auth.User{chiba, guest} {
		if _, err := s.Upload(t.Context(), who, "loan", "x", rows("number\nL-1")); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", who.ID, err)
		}
	}
	u, err := s.Upload(t.Context(), baba, "loan", "x", rows("number|title\nL-1|x"))
	if err != nil {
		t.Fatal(err)
	}
	env := s.Env(t.Context(), baba, nil)
	for _, fields := range [][]string{{"number"}, {"", ""}, {"number", "hat"}, {"number", "number"}, {"number", "created_at"}, {"number", "seen"}} {
		if _, err := s.DryRun(t.Context(), env, "loan", u.ID, record.Mapping{Fields: fields}); !fault.Is(err, fault.Invalid) {
			t.Errorf("the columns %v: %v", fields, err)
		}
	}
	if _, _, err := s.Import(t.Context(), env, "loan", u.ID, time.Second); !fault.Is(err, fault.Conflict) {
		t.Errorf("imported without a dry run: %v", err)
	}
}

// hidden is a kind whose records are shown to their owners alone.
func hidden() *record.Kind {
	k := loan()
	k.Visible = func(_ *db.Tx, by *auth.User, w *db.Where) error {
		w.And("owner = ?", by.ID)
		return nil
	}
	return k
}

// What somebody may not see is in no list, no count, no export, is not found by an import and not done in a bulk.
func TestWhatIsHiddenIsNotThere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := recordtest.Open(t, d, loanTable, hidden())
		ctx, env := recordtest.As(t.Context(), baba), s.Env(t.Context(), baba, nil)
		secret := must(t, s, map[string]string{"title": "機密", "number": "L-1", "owner": "aoki", "tags": "x"})
		must(t, s, map[string]string{"title": "公開", "number": "L-2", "owner": "baba", "tags": "x"})
		for _, q := range []record.Query{{}, {Text: "機密"}, record.Query{}.With("tags", "x"), record.Query{}.With("owner", "aoki"), record.Query{}.With("owner", "!baba")} {
			seen := 0
			if _, err := s.Export(ctx, "loan", q, env, record.Exporting{Each: func(r *record.Record) error {
				seen++
				if r.ID == secret.ID {
					t.Errorf("%+v exports it", q)
				}
				return nil
			}}); err != nil {
				t.Fatal(err)
			}
			if n, _, err := s.Count(ctx, "loan", q, env); err != nil || int(n) != seen {
				t.Errorf("%+v counts %d, exports %d: %v", q, n, seen, err)
			}
		}
		if _, err := s.Bulk(ctx, baba, "loan", []string{secret.ID}, record.Bulk{Add: []string{"y"}}); !fault.Is(err, fault.NotFound) {
			t.Errorf("changed by who may not see it: %v", err)
		}
		u, err := s.Upload(ctx, baba, "loan", "x", rows("number|title\nL-1|x\nL-2|x"))
		if err != nil {
			t.Fatal(err)
		}
		if u, err = s.DryRun(ctx, env, "loan", u.ID, record.Mapping{Fields: []string{"number", "title"}}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"2 new", "3 change title:公開>x"}, fates(t, s, baba, u)); diff != "" {
			t.Error(diff)
		}
	})
}

// A secret field is in no list, and no question tells what it says.
func TestASecretIsNotToldByAList(t *testing.T) {
	t.Parallel()
	k := loan()
	for i := range k.Fields {
		k.Fields[i].Secret = k.Fields[i].Name == "note" || k.Fields[i].Name == "cost"
	}
	s := recordtest.Open(t, dbtest.New(t), loanTable, k)
	must(t, s, map[string]string{"title": "x", "number": "L-1", "note": "hunter2", "cost": "5"})
	env := s.Env(t.Context(), aoki, nil)
	for _, q := range []record.Query{record.Query{}.With("note", "hunter"), record.Query{}.With("cost", "5"), {Sort: "cost"}} {
		if page, err := s.List(t.Context(), "loan", q, env, "", 10); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %d, %v", q, len(page.Items), err)
		}
		if _, err := k.ParseQuery(q.Values()); q.Sort == "" && !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if n, _, err := s.Count(t.Context(), "loan", record.Query{Text: "hunter2"}, env); err != nil || n != 0 {
		t.Errorf("a secret is found by its words: %d, %v", n, err)
	}
	if _, err := s.Export(t.Context(), "loan", record.Query{}, env, record.Exporting{Fields: []string{"note"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a secret is exported: %v", err)
	}
	if _, err := s.SaveView(t.Context(), env, record.SavedView{Kind: "loan", Name: "x", Columns: []string{"note"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a secret is a column: %v", err)
	}
}

func TestAnExportIsRemembered(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		three(t, s)
		export := func(by *auth.User, q record.Query, fields []string, each func(*record.Record) error) error {
			_, err := s.Export(recordtest.As(t.Context(), by), "loan", q, s.Env(t.Context(), by, nil), record.Exporting{Format: "csv", Fields: fields, Each: each})
			return err
		}
		ok := func(*record.Record) error { return nil }
		if err := export(chiba, record.Query{Sort: "-cost"}.With("owner", "-"), []string{"number", "cost"}, ok); err != nil {
			t.Fatal(err)
		}
		if err := export(baba, record.Query{}, nil, func(*record.Record) error { return context.Canceled }); err == nil {
			t.Error("what broke off is no error")
		}
		if err := export(guest, record.Query{}, nil, ok); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a guest: %v", err)
		}
		for _, bad := range []record.Query{{Sort: "hat"}, record.Query{}.With("hat", "x"), record.Query{}.With("cost", "many")} {
			if err := export(baba, bad, nil, ok); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		if _, err := s.Exports(t.Context(), baba, "loan", "", 10); !fault.Is(err, fault.Forbidden) {
			t.Errorf("who exported is told to who may not delete: %v", err)
		}
		page, err := s.Exports(t.Context(), aoki, "loan", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range page.Items {
			got = append(got, fmt.Sprint(e.Actor, " ", e.Format, " ", e.Query, " ", e.Fields, " ", e.Sent, " ", e.State))
		}
		if diff := cmp.Diff([]string{"baba csv  [] 1 broken", "chiba csv owner=-&sort=-cost [number cost] 3 done"}, got); diff != "" {
			t.Error(diff)
		}
	})
}
