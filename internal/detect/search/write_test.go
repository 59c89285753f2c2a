package search_test

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/search"
	"yagura/internal/event"
)

func TestCSVForSpreadsheets(t *testing.T) {
	t.Parallel()
	ev := newEvent(1, 0)
	ev.Add("tags", "one")
	ev.Add("tags", "two, three")
	columns := []string{"@timestamp", "event.id", "tags", "formula", "wide", "number", "none"}
	ev.Add("formula", `=cmd|' /C calc'!A0`)
	ev.Add("wide", "＝1+1")
	ev.Add("number", "-17.5")
	var out strings.Builder
	w, err := search.NewCSVWriter(&out, columns)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(ev); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, marked := strings.CutPrefix(out.String(), "\ufeff")
	if !marked {
		t.Error("Excel needs the byte order mark to read Japanese")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2026-04-01T03:00:00Z", "e-0001", "one, two, three", `'=cmd|' /C calc'!A0`, "'＝1+1", "-17.5", ""}
	if diff := cmp.Diff([][]string{columns, want}, rows); diff != "" {
		t.Error(diff)
	}
}

func TestJSONIsOneFlatObjectARow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := search.NewJSONWriter(&out)
	for n := range 2 {
		if err := w.Write(newEvent(n, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	var row map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &row); err != nil || len(lines) != 2 || row["event.id"] != "e-0001" || row["n"] != 1.0 {
		t.Errorf("%v %v", lines, err)
	}
}

func TestTableForPeople(t *testing.T) {
	t.Parallel()
	stats := func(values ...string) *event.Event {
		ev := &event.Event{}
		for i := 0; i < len(values); i += 2 {
			ev.Add(values[i], values[i+1])
		}
		return ev
	}
	for name, one := range map[string]struct {
		rows     []*event.Event
		terminal int
		want     string
	}{
		"nothing":            {nil, 80, ""},
		"a query's own rows": {[]*event.Event{stats("user", "鈴木", "hits", "3"), stats("user", "sato", "last", "x")}, 80, "USER  HITS  LAST\n鈴木  3     \nsato        x\n"},
		"cut by width":       {[]*event.Event{stats("a", "1", "b", strings.Repeat("あ", 20))}, 24, "A  B\n1  ああああああああああ\n"[:5] + "1  ああああああああああ…\n"},
		"nothing to draw on": {[]*event.Event{stats("a", "\x1b[31m\u202ex\u009b")}, 80, "A\n [31m\ufffdx \n"},
	} {
		var out strings.Builder
		if err := search.WriteTable(&out, one.rows, one.terminal); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.want, out.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var out strings.Builder
	if err := search.WriteTable(&out, []*event.Event{newEvent(7, time.Minute)}, 0); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(out.String(), "\n"); !strings.HasPrefix(lines[0], "TIMESTAMP") || !strings.HasSuffix(lines[1], "pc-0413    windows.security  event number 7") {
		t.Errorf("%q", lines)
	}
}
