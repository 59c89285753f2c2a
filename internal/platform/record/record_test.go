package record_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// loan is a thing that somebody took home.
func loan() *record.Kind {
	return &record.Kind{
		Name: "loan", Path: "/loans", House: "protect", Table: "loan_loan", Key: "number",
		Fields: []record.Field{
			{Name: "number", Type: record.Text{}, Required: true, Max: 20, Search: true, Sort: true, Fixed: true},
			{Name: "thing", Column: "thing_sort", Type: record.Choice{"pc", "phone"}},
			{Name: "cost", Type: record.Int{}, Sort: true},
			{Name: "severity", Type: record.Level{}},
			{Name: "lent", Type: record.Day{}},
			{Name: "parts", Type: record.Choices{"bag", "cable", "mouse"}},
			{Name: "insured", Type: record.Bool{}},
			{Name: "host", Type: record.Logged("host.name")},
			{Name: "note", Type: record.Long{}, Search: true},
			{Name: "seen", Type: record.Moment{}, Machine: true, Sort: true},
		},
		States: []record.State{{Name: "wanted", Look: "new"}, {Name: "out", Look: "active"}, {Name: "back", Look: "good", Done: true}},
		Moves: []record.Move{
			{Name: "hand_out", From: []string{"wanted"}, To: "out", Needs: []string{"owner"}, Main: true},
			{Name: "give_back", From: []string{"out"}, To: "back", Why: true},
			{Name: "lose", To: "wanted", Permission: "loan.lose", Clears: []string{"owner"}},
		},
		Columns: []string{"number", "owner", "due"}, Sort: "-updated_at",
		Sorts: []record.Sort{{Name: "dear", Columns: []string{"cost", "number"}}},
	}
}

const loanTable = `CREATE TABLE loan_loan (` + recordtest.Columns + `, number TEXT NOT NULL, thing_sort TEXT NOT NULL, cost BIGINT NOT NULL, severity BIGINT NOT NULL,
	lent TEXT NOT NULL, parts TEXT NOT NULL, insured BIGINT NOT NULL, host TEXT NOT NULL, note TEXT NOT NULL, seen BIGINT NOT NULL)`

func open(t *testing.T, d *db.DB) *record.Store {
	t.Helper()
	return recordtest.Open(t, d, loanTable, loan())
}

// must parses texts and makes a record of them.
func must(t *testing.T, s *record.Store, texts map[string]string) *record.Record {
	t.Helper()
	k, err := s.Kind("loan")
	if err != nil {
		t.Fatal(err)
	}
	values, err := k.Parse(texts, s.Env(t.Context(), aoki, nil))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Create(recordtest.As(t.Context(), aoki), aoki, "loan", values)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var (
	aoki  = recordtest.Somebody("aoki", "loan.read", "loan.write", "loan.delete")
	baba  = recordtest.Somebody("baba", "loan.read", "loan.write")
	chiba = recordtest.Somebody("chiba", "loan.read")
	guest = recordtest.Somebody("guest")
)

func TestARecordKeepsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		given := map[string]string{
			"title": "ノートPC", "number": "L-1", "thing": "pc", "cost": "１２０,０００", "severity": "high", "lent": "2026年4月1日", "parts": "mouse, bag",
			"insured": "はい", "host": "pc-0412", "note": "# 傷あり\r\n蓋に", "owner": "aoki@example.jp", "unit": "shibuya", "due": "2026-12-24", "tags": "貸出　至急, 貸出",
		}
		made := must(t, s, given)
		got, err := s.Get(t.Context(), chiba, "loan", made.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"title": "ノートPC", "number": "L-1", "thing": "pc", "cost": "120000", "severity": "high", "lent": "2026-04-01", "parts": "bag, mouse",
			"insured": "true", "host": "pc-0412", "note": "# 傷あり\n蓋に", "owner": "aoki", "unit": "shibuya", "due": "2026-12-24T23:59:59.999999Z", "tags": "至急, 貸出",
			"state": "wanted", "created_by": "aoki",
		}
		for field, text := range want {
			if got.Text(field) != text {
				t.Errorf("%s is %q, want %q", field, got.Text(field), text)
			}
		}
		if got.Version != 1 || got.CreatedAt.IsZero() {
			t.Errorf("version %d, made %v", got.Version, got.CreatedAt)
		}
	})
}

func TestWhatIsWrongIsSaidOfEveryField(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	k, err := s.Kind("loan")
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(map[string]string{
		"number": strings.Repeat("x", 21), "thing": "boat", "cost": "many", "severity": "awful", "lent": "31.12.", "owner": "nobody", "seen": "2026-01-01", "due": "12026-01-01",
		"title": "fine", "hat": "x", "parts": "bag sail", "insured": "perhaps",
	}, s.Env(t.Context(), aoki, nil))
	wrong, ok := err.(record.Wrong)
	if !ok || !fault.Is(err, fault.Invalid) {
		t.Fatalf("%v", err)
	}
	var fields []string
	for field := range wrong {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	if diff := cmp.Diff([]string{"cost", "due", "hat", "insured", "lent", "number", "owner", "parts", "seen", "severity", "thing"}, fields); diff != "" {
		t.Error(diff)
	}
	if _, err := s.Create(t.Context(), aoki, "loan", record.Values{}); !strings.Contains(err.Error(), "number") || !strings.Contains(err.Error(), "title") {
		t.Errorf("without title and number: %v", err)
	}
}

func TestEveryChangeIsInTheHistory(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		r := must(t, s, map[string]string{"title": "電話", "number": "L-2", "cost": "5"})
		ctx := recordtest.As(t.Context(), baba)
		if _, err := s.Edit(ctx, baba, "loan", r.ID, 1, record.Values{"cost": int64(7), "note": "wet"}, "it fell into the sea"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Move(ctx, baba, "loan", r.ID, record.Moving{Move: "hand_out", Version: 2}); !fault.Is(err, fault.Invalid) {
			t.Errorf("handed out to nobody: %v", err)
		}
		if _, err := s.Move(ctx, baba, "loan", r.ID, record.Moving{Move: "hand_out", Version: 2, Values: record.Values{"owner": "chiba"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Move(ctx, baba, "loan", r.ID, record.Moving{Move: "hand_out"}); !fault.Is(err, fault.Conflict) {
			t.Errorf("handed out twice: %v", err)
		}
		if _, err := s.Move(ctx, baba, "loan", r.ID, record.Moving{Move: "lose"}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("lost by who may not: %v", err)
		}
		if err := s.Delete(ctx, baba, "loan", r.ID, 3, "x"); !fault.Is(err, fault.Forbidden) {
			t.Errorf("deleted by who may not: %v", err)
		}
		if err := s.Delete(recordtest.As(ctx, aoki), aoki, "loan", r.ID, 3, "entered twice"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Edit(ctx, aoki, "loan", r.ID, 0, record.Values{"cost": int64(8)}, ""); !fault.Is(err, fault.Conflict) {
			t.Errorf("a deleted record changed: %v", err)
		}
		if _, err := s.Get(ctx, baba, "loan", r.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("a deleted record is shown to who may not delete: %v", err)
		}
		if err := s.Restore(recordtest.As(ctx, aoki), aoki, "loan", r.ID, 4); err != nil {
			t.Fatal(err)
		}
		page, err := s.History(t.Context(), chiba, "loan", r.ID, "", 3)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := s.History(t.Context(), chiba, "loan", r.ID, page.Next, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range append(page.Items, rest.Items...) {
			line := e.Actor + " " + e.Action + " " + e.Note
			for _, c := range e.Changes {
				line += " " + c.Field + ":" + c.From + ">" + c.To
			}
			got = append(got, strings.TrimSpace(line))
		}
		want := []string{"aoki restore", "aoki delete entered twice", "baba move.hand_out  state:wanted>out owner:>chiba", "baba edit it fell into the sea cost:5>7 note:>wet", "aoki create"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if _, err := s.History(t.Context(), guest, "loan", r.ID, "", 10); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a guest reads the history: %v", err)
		}
	})
}

func TestTwoWhoEditLoseNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		r := must(t, s, map[string]string{"title": "カメラ", "number": "L-3", "cost": "1", "note": "old"})
		ctx := t.Context()
		if _, err := s.Edit(ctx, baba, "loan", r.ID, 1, record.Values{"cost": int64(2), "note": "theirs"}, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Edit(ctx, baba, "loan", r.ID, 2, record.Values{"host": "pc-1"}, ""); err != nil {
			t.Fatal(err)
		}
		_, err := s.Edit(ctx, aoki, "loan", r.ID, 1, record.Values{"cost": int64(1), "note": "mine", "insured": true, "host": "pc-1"}, "")
		c, ok := record.AsConflict(err)
		if !ok || !fault.Is(err, fault.Conflict) {
			t.Fatalf("%v", err)
		}
		if c.Base.Text("note") != "old" || c.Base.Text("cost") != "1" || c.Base.Text("host") != "" || c.Theirs.Version != 3 {
			t.Errorf("the common origin is %+v", c.Base)
		}
		if diff := cmp.Diff(record.Values{"note": "mine", "insured": true}, c.Merged); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"note"}, c.Collides); diff != "" {
			t.Error(diff)
		}
		if _, err := s.Edit(ctx, aoki, "loan", r.ID, c.Theirs.Version, c.Merged, "merged"); err != nil {
			t.Fatal(err)
		}
		now, err := s.Get(ctx, aoki, "loan", r.ID)
		if err != nil || now.Text("note") != "mine" || now.Text("cost") != "2" || now.Text("insured") != "true" || now.Text("host") != "pc-1" {
			t.Errorf("afterwards %+v, %v", now, err)
		}
	})
}

// Each row is a list's address, and which of the records it shows, in order.
func TestLists(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"":                              "E D C B A",
		"sort=number":                   "A B C D E",
		"sort=-number":                  "E D C B A",
		"sort=cost":                     "D A B C E",
		"sort=-dear":                    "E C B A D",
		"sort=title":                    "E A D B C",
		"cost=10":                       "B A",
		"cost=10..20&sort=cost":         "A B C",
		"cost=20..":                     "E C",
		"cost=..9":                      "D",
		"cost=-":                        "D",
		"cost=!10":                      "E D C",
		"thing=pc&thing=phone":          "D C B A",
		"thing=!pc&sort=number":         "C D E",
		"thing=-":                       "E",
		"owner=me":                      "A",
		"owner=-&sort=number":           "C D E",
		"owner=baba@example.jp":         "B",
		"unit=tokyo&sort=number":        "A B",
		"unit=shibuya":                  "B",
		"tags=急ぎ":                       "B A",
		"tags=急ぎ&tags=青":                "C B A",
		"tags=-&sort=number":            "D E",
		"state=open":                    "E D C B A",
		"state=done":                    "",
		"state=wanted":                  "E D C B A",
		"state=!wanted":                 "",
		"q=カメ":                          "B",
		"q=ﾉｰﾄ":                         "A",
		"q=L-00":                        "E D C B A",
		"q=L-00&sort=number&cost=20..":  "C E",
		"title=pc":                      "E A",
		"title=%3DノートPC":                "A",
		"parts=bag&sort=number":         "A C",
		"parts=!bag&sort=number":        "B D E",
		"insured=true":                  "A",
		"insured=false&sort=number":     "B C D E",
		"lent=2026-04-01..2026-04-30":   "A",
		"lent=..2026-03-31&lent=-":      "E D C B",
		"due=overdue":                   "B",
		"due=-&sort=number":             "A C D E",
		"severity=high..&sort=number":   "A B",
		"severity=low&severity=high":    "C A",
		"host=pc-1":                     "A",
		"host=pc-1' OR '1'='1":          "",
		"created_at=24h&sort=number":    "A B C D E",
		"created_at=..2020-01-01":       "",
		"created_by=aoki&sort=-cost":    "E C B A D",
		"deleted=true":                  "",
		"q=%22%20OR%201%3D1":            "",
		"title=%25":                     "",
		"title=_":                       "",
		"note='); DROP TABLE loan_loan": "",
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		for _, line := range []string{
			"A|ノートPC|pc|10|high|2026-04-01|bag, mouse|true|aoki|tokyo||急ぎ|pc-1",
			"B|防水カメラ|pc|10|critical|2026-02-01|||baba|shibuya|2026-01-31|急ぎ, 赤|",
			"C|電話|phone|20|low||bag|||||青|",
			"D|充電器|phone||||||||||",
			"E|PC 台||30|||||||||",
		} {
			texts := make(map[string]string)
			for i, v := range strings.Split(line, "|") {
				texts[[]string{"number", "title", "thing", "cost", "severity", "lent", "parts", "insured", "owner", "unit", "due", "tags", "host"}[i]] = v
			}
			texts["number"] = "L-00" + texts["number"]
			must(t, s, texts)
		}
		k, err := s.Kind("loan")
		if err != nil {
			t.Fatal(err)
		}
		env := s.Env(t.Context(), aoki, nil)
		for address, want := range rows {
			values := parseAddress(t, address)
			q, err := k.ParseQuery(values)
			if err != nil {
				t.Errorf("%s: %v", address, err)
				continue
			}
			var got []string
			for cursor := ""; ; {
				page, err := s.List(t.Context(), "loan", q, env, cursor, 2)
				if err != nil {
					t.Errorf("%s: %v", address, err)
					break
				}
				for _, r := range page.Items {
					got = append(got, strings.TrimPrefix(r.Str("number"), "L-00"))
				}
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q shows %v, want %s", address, got, want)
			}
			n, more, err := s.Count(t.Context(), "loan", q, env)
			if err != nil || more || int(n) != len(got) {
				t.Errorf("%q counts %d (%v), shows %d: %v", address, n, more, len(got), err)
			}
		}
	})
}

func parseAddress(t *testing.T, address string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(address)
	if err != nil {
		// Attacks are written as they are typed.
		name, text, _ := strings.Cut(address, "=")
		return url.Values{name: {text}}
	}
	return values
}

func TestListsRefuseWhatIsNoQuestion(t *testing.T) {
	t.Parallel()
	s := open(t, dbtest.New(t))
	k, err := s.Kind("loan")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"hat=1", "cost=x", "cost=..", "cost=1..x", "thing=boat", "state=lost", "due=soon", "sort=note", "sort=hat", "severity=bad", "owner=nobody", "unit=mars", "insured=perhaps"} {
		q, err := k.ParseQuery(parseAddress(t, address))
		if err == nil {
			_, err = s.List(t.Context(), "loan", q, s.Env(t.Context(), aoki, nil), "", 10)
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := s.List(t.Context(), "loan", record.Query{}, s.Env(t.Context(), guest, nil), "", 10); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a guest lists: %v", err)
	}
	for _, cursor := range []string{"x", "W10", "WyJhIiwiYiJd"} {
		if _, err := s.List(t.Context(), "loan", record.Query{}, s.Env(t.Context(), aoki, nil), cursor, 10); !fault.Is(err, fault.Invalid) {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
}
