package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/event"
)

func logon() *event.Event {
	e := &event.Event{ID: "e1", Time: time.Date(2026, 4, 1, 9, 0, 0, 5000, time.UTC)}
	e.Add("user.name", "tanaka")
	e.Add("host.ip", "192.0.2.7")
	e.AddInt("event.code", 4624)
	e.Add("host.ip", "2001:db8::7")
	e.AddKind("user.elevated", "true", event.Bool)
	e.AddKind("user.note", "", event.Null)
	return e
}

func TestAnEventIsOneFlatJSONObject(t *testing.T) {
	t.Parallel()
	want := `{"@timestamp":"2026-04-01T09:00:00.000005Z","event.id":"e1","user.name":"tanaka",` +
		`"host.ip":["192.0.2.7","2001:db8::7"],"event.code":4624,"user.elevated":true,"user.note":null}`
	got, err := json.Marshal(logon())
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestSetKeepsThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	e := logon()
	e.Set("host.ip", "198.51.100.1")
	e.Set("new", "1")
	var names []string
	for _, f := range e.Fields() {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "user.name host.ip event.code user.elevated user.note new" {
		t.Error(got)
	}
	if e.Get("host.ip") != "198.51.100.1" {
		t.Errorf("host.ip is %q", e.Get("host.ip"))
	}
}

func TestRenameAndDeleteTouchEveryFieldOfThatName(t *testing.T) {
	t.Parallel()
	e := logon()
	if !e.Rename("host.ip", "source.ip") || e.Rename("host.ip", "x") {
		t.Error("Rename reports wrongly whether there was one")
	}
	if diff := cmp.Diff([]string{"192.0.2.7", "2001:db8::7"}, e.Values("source.ip")); diff != "" {
		t.Error(diff)
	}
	e.Delete("source.ip")
	if e.Has("source.ip") || e.NumFields() != 4 {
		t.Errorf("%d fields are left: %v", e.NumFields(), e.Fields())
	}
}

func TestACloneOutlivesTheBuffersOfTheOriginal(t *testing.T) {
	t.Parallel()
	e := logon()
	e.Add("kept", e.Keep([]byte("built")))
	c := e.Clone()
	before := string(c.AppendJSON(nil))
	e.Reset()
	e.Keep([]byte("overwritten!"))
	e.Add("other", "y")
	if after := string(c.AppendJSON(nil)); after != before {
		t.Errorf("the clone changed from %s to %s", before, after)
	}
}

func TestKeepGivesStringsThatStay(t *testing.T) {
	t.Parallel()
	var e event.Event
	var kept []string
	for i := range 1000 {
		kept = append(kept, e.Keep([]byte(strings.Repeat("x", i))))
	}
	for i, s := range kept {
		if s != strings.Repeat("x", i) {
			t.Fatalf("string %d became %q", i, s)
		}
	}
}

func TestWhatIsNoNumberIsQuoted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": `0`, "-1.5e+3": `-1.5e+3`, "007": `"007"`, "0x10": `"0x10"`, "": `""`, "1.": `"1."`, "NaN": `"NaN"`, "1e": `"1e"`,
	} {
		var e event.Event
		e.AddKind("n", text, event.Number)
		if got := string(e.AppendJSON(nil)); got != `{"n":`+want+`}` {
			t.Errorf("the number %q is written %s", text, got)
		}
	}
}

// FuzzJSON: whatever bytes a log brought, what is written is valid JSON with the same text.
func FuzzJSON(f *testing.F) {
	f.Add("name", "value\x00\xff\"\\\u2028")
	f.Fuzz(func(t *testing.T, name, value string) {
		var e event.Event
		e.Add(name, value)
		e.AddKind("n"+name, value, event.Number)
		var back map[string]any
		if err := json.Unmarshal(e.AppendJSON(nil), &back); err != nil {
			t.Fatalf("%q: %v", e.AppendJSON(nil), err)
		}
		if got, want := back[strings.ToValidUTF8(name, "\uFFFD")], strings.ToValidUTF8(value, "\uFFFD"); len(back) == 2 && got != want && validRuns(name, value) {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}

// validRuns reports whether both are UTF-8: ToValidUTF8 folds a run of bad bytes into one mark, JSON writes one each.
func validRuns(texts ...string) bool {
	for _, s := range texts {
		if s != strings.ToValidUTF8(s, "") {
			return false
		}
	}
	return true
}

func BenchmarkAppendJSON(b *testing.B) {
	e := logon()
	buf := e.AppendJSON(nil)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
}
