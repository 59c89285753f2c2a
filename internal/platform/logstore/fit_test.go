package logstore_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/logstore"
)

// only finds the one event that a query is for.
func only(t testing.TB, s *logstore.Store, query string) *event.Event {
	t.Helper()
	list := ask(t, s, logstore.Query{LogsQL: query})
	if len(list) != 1 {
		t.Fatalf("%d events are found by %s, want one", len(list), query)
	}
	return list[0]
}

// whole puts a value that was cut together again.
func whole(t testing.TB, s *logstore.Store, e *event.Event, name string) string {
	t.Helper()
	parts := ask(t, s, logstore.Query{LogsQL: fmt.Sprintf("yagura.part.of:=%q yagura.part.field:=%q", e.ID, name)})
	slices.SortFunc(parts, func(a, b *event.Event) int { return cmp.Compare(number(t, a), number(t, b)) })
	text := e.Get(name)
	for _, part := range parts {
		text += part.Get(event.Message)
	}
	return text
}

func number(t testing.TB, part *event.Event) int {
	t.Helper()
	n, err := strconv.Atoi(part.Get("yagura.part.number"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAValueOfThreeMegabytesGoesOnInOtherRows(t *testing.T) {
	t.Parallel()
	e := numbered(2)
	text := strings.Repeat("櫓の番人は眠らない。", 100_000)
	e.Add("payload", text)
	e.Add("second", text[:1_200_000])
	s := open(t, logstore.Options{})
	fill(t, s, e)
	got := only(t, s, `"n":=2`)
	if whole(t, s, got, "payload") != text || whole(t, s, got, "second") != text[:1_200_000] {
		t.Error("the values are not whole")
	}
	if got.Get("yagura.cut") != "payload second" || got.ID != e.ID || !got.Time.Equal(e.Time) {
		t.Errorf("cut: %q, %s, %v", got.Get("yagura.cut"), got.ID, got.Time)
	}
	for _, part := range ask(t, s, logstore.Query{LogsQL: "event.kind:=continuation"}) {
		if !strings.HasPrefix(part.Get(event.Message), "櫓") && strings.ContainsRune(part.Get(event.Message)[:3], '\uFFFD') {
			t.Errorf("a character is cut: %q", part.Get(event.Message)[:12])
		}
	}
	if st := s.Stats(); st.Bent != 1 {
		t.Errorf("%d events count as bent, want 1", st.Bent)
	}
}

func TestARowJustWithinTheEnginesLimitStaysWhole(t *testing.T) {
	t.Parallel()
	e := numbered(2)
	e.Add("payload", strings.Repeat(`"\`, 900_000))
	s := open(t, logstore.Options{})
	fill(t, s, e)
	if got := only(t, s, `"n":=2`); got.Get("payload") != e.Get("payload") || s.Stats().Bent != 0 {
		t.Errorf("%d bytes are left, %d events bent", len(got.Get("payload")), s.Stats().Bent)
	}
}

func TestFieldsTooManyOrWithTooLongANameAreKeptTogether(t *testing.T) {
	t.Parallel()
	e := numbered(1)
	long := strings.Repeat("n", 500)
	e.Add(long, "long name")
	for i := range 5000 {
		e.Add(fmt.Sprintf("wide.%d", i), strconv.Itoa(i))
	}
	s := open(t, logstore.Options{})
	fill(t, s, e)
	got := only(t, s, `"n":=1 "yagura.overflow":"wide.4999"`)
	var rest map[string]string
	if err := json.Unmarshal([]byte(got.Get("yagura.overflow")), &rest); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		name := fmt.Sprintf("wide.%d", i)
		if rest[name]+got.Get(name) != strconv.Itoa(i) {
			t.Fatalf("%s is %q and %q", name, got.Get(name), rest[name])
		}
	}
	if rest[long] != "long name" {
		t.Errorf("the field with the long name is lost")
	}
}

// TestWhatWasFoldedBeforeGoesAlong: the normaliser keeps under the same name what was too deep for it.
func TestWhatWasFoldedBeforeGoesAlong(t *testing.T) {
	t.Parallel()
	narrow, wide := numbered(1), numbered(2)
	narrow.Add("yagura.overflow", `{"deep":1}`)
	wide.Add("yagura.overflow", `{"deep":1}`)
	for i := range 2000 {
		wide.Add(fmt.Sprintf("wide.%d", i), "x")
	}
	s := open(t, logstore.Options{})
	fill(t, s, narrow, wide)
	if got := only(t, s, `"n":=1`).Get("yagura.overflow"); got != `{"deep":1}` {
		t.Errorf("it became %s", got)
	}
	if got := only(t, s, `"n":=2`).Get("yagura.overflow"); !strings.Contains(got, `"yagura.overflow":"{\"deep\":1}"`) {
		t.Errorf("it is lost: %.200s", got)
	}
}

// TestHowWideAnEventIsCostsTimeInProportion: 200,000 fields of one name and of as many names take no longer than so many events.
func TestHowWideAnEventIsCostsTimeInProportion(t *testing.T) {
	t.Parallel()
	same, different := numbered(1), numbered(2)
	for i := range 200_000 {
		same.Add("list", "x")
		different.Add(strconv.Itoa(i), "x")
	}
	s := open(t, logstore.Options{})
	begin := time.Now()
	fill(t, s, same, different)
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("two wide events took %v", took)
	}
	if n := len(only(t, s, `"n":=1`).Values("list")); n != 200_000 {
		// The list as text is too long for a row.
		if text := whole(t, s, only(t, s, `"n":=1`), "list"); strings.Count(text, `"x"`) != 200_000 {
			t.Errorf("%d of 200,000 values are left", strings.Count(text, `"x"`))
		}
	}
	if text := whole(t, s, only(t, s, `"n":=2`), "yagura.overflow"); !strings.HasSuffix(text, `"199999":"x"}`) {
		t.Errorf("the overflow ends with %q", text[max(0, len(text)-20):])
	}
}

func TestATimeOutsideTheRetentionIsToldBesideTheTimeOfArrival(t *testing.T) {
	t.Parallel()
	old, ahead, kept := numbered(3), numbered(4), numbered(5)
	old.Time = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	ahead.Time = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	kept.Time = time.Date(2019, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, opt := range []logstore.Options{{}, {Retention: 200 * 365 * 24 * time.Hour}} {
		s := open(t, opt)
		fill(t, s, old, ahead, kept)
		for query, given := range map[string]string{`"n":=3`: "1601-01-01T00:00:00Z", `"n":=4`: "9999-01-01T00:00:00Z", `"n":=5`: ""} {
			got := only(t, s, query)
			if got.Get("yagura.time.given") != given || given != "" && time.Since(got.Time).Abs() > time.Minute {
				t.Errorf("%s: time %v, given %q", query, got.Time, got.Get("yagura.time.given"))
			}
		}
	}
}

// TestNamesThatMeanSomethingElsewhereComeBack: none takes another's place.
func TestNamesThatMeanSomethingElsewhereComeBack(t *testing.T) {
	t.Parallel()
	e := numbered(6)
	for _, name := range []string{"", "_msg", "_time", "original.time", "_stream", "_stream_id", "event.id", "@timestamp", "yagura.cut", "a\x00b\xff", "*", `"`} {
		e.Add(name, "value of "+name)
	}
	s := open(t, logstore.Options{})
	fill(t, s, e)
	got := only(t, s, `"n":=6`)
	for name, want := range map[string]string{
		"original.": "value of ", "original.msg": "value of _msg", "original.stream": "value of _stream", "original.stream_id": "value of _stream_id",
		"original.event.id": "value of event.id", "original.@timestamp": "value of @timestamp", "original.yagura.cut": "value of yagura.cut",
		"a\x00b\xff": "value of a\x00b\xff", "*": "value of *", `"`: `value of "`,
	} {
		if got.Get(name) != want {
			t.Errorf("%q is %q", name, got.Get(name))
		}
	}
	if both := got.Values("original.time"); !slices.Equal(both, []string{"value of _time", "value of original.time"}) {
		t.Errorf("two fields became one: %q", both)
	}
	if got.ID != e.ID {
		t.Errorf("the id is %q", got.ID)
	}
}

// TestTextThatLooksLikeAListStaysText unless it could have come of several values.
func TestTextThatLooksLikeAListStaysText(t *testing.T) {
	t.Parallel()
	e := numbered(7)
	e.Add("one", `["a"]`)
	e.Add("mixed", `["a", {"b": 1}, "c"]`)
	e.Add("open", `["a", "b"`)
	s := open(t, logstore.Options{})
	fill(t, s, e)
	got := only(t, s, `"n":=7`)
	for _, name := range []string{"one", "mixed", "open"} {
		if got.Get(name) != e.Get(name) || len(got.Values(name)) != 1 {
			t.Errorf("%s came back as %q", name, got.Values(name))
		}
	}
}

// TestAStreamWithEverNewNamesLosesNothing: the engine drops the rows of a block with more than 2,000 names.
func TestAStreamWithEverNewNamesLosesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, logstore.Options{})
	var events []*event.Event
	for i := range 3000 {
		e := numbered(i)
		e.Set(event.HostName, "one")
		e.Add(fmt.Sprintf("session.%d.user", i), "x")
		e.Add(fmt.Sprintf("session.%d.state", i), "y")
		events = append(events, e)
	}
	fill(t, s, events...)
	if n := len(ask(t, s, logstore.Query{})); n != 3000 {
		t.Errorf("%d of 3000 events are found", n)
	}
}

// FuzzRows: whatever an event is made of, it is found by its id, with every value.
func FuzzRows(f *testing.F) {
	f.Add("name", "value", "name", "other", 1)
	f.Add("", "\x00\xff", "_msg", `["a","b"]`, 200)
	f.Add("event.id", "x", strings.Repeat("n", 200), "", 3000)
	s := open(f, logstore.Options{})
	count := 0
	f.Fuzz(func(t *testing.T, name, value, name2, value2 string, times int) {
		count++
		e := numbered(count)
		e.ID = fmt.Sprintf("fuzz-%08x-%d", count, time.Now().UnixNano())
		for i := range min(max(times, 0), 3000) {
			e.Add(fmt.Sprint(name2, i), value2)
		}
		e.Add(name, value)
		fill(t, s, e)
		got := only(t, s, fmt.Sprintf(`"event.id":=%q`, e.ID))
		if value != "" && !strings.Contains(value, "\xff") && !strings.Contains(string(got.AppendJSON(nil)), string(quoted(value))) {
			if !strings.Contains(got.Get("yagura.overflow"), strings.Trim(string(quoted(value)), `"`)) {
				t.Errorf("the value %q of %q is lost: %s", value, name, got.AppendJSON(nil))
			}
		}
	})
}

func quoted(text string) []byte { return event.AppendQuoted(nil, text) }
