package logstore

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
)

// TestQuestions runs testdata/questions.txt: a query, then the filter and the pipes that the engine gets for it, each after an arrow.
func TestQuestions(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/questions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(data), "\n\n") {
		var query, want []string
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			if part, ok := strings.CutPrefix(line, "→ "); ok {
				want = append(want, part)
			} else if !strings.HasPrefix(line, "//") {
				query = append(query, line)
			}
		}
		got, err := readQuestion(strings.Join(query, "\n"))
		text := got.filter
		if got.pipes != "" {
			text += "\n" + got.pipes
		}
		if err != nil || text != strings.Join(want, "\n") {
			t.Errorf("%s\n--- want\n%s\n--- got\n%s\n%v", strings.Join(query, "\n"), strings.Join(want, "\n"), text, err)
		}
	}
}

func TestWhatTheParserIsNotSafeFromIsRefusedBeforehand(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"deep":     strings.Repeat("a in(", 10_000) + "b" + strings.Repeat(")", 10_000),
		"deeper":   strings.Repeat("(", 500_000),
		"long":     strings.Repeat("a ", maxQueryBytes),
		"no range": "options(ignore_global_time_filter=true) error",
	} {
		begin := time.Now()
		if _, err := readQuestion(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// FuzzQuery: no text that a person or a program sends as a query ends the process, and what is said of a wrong one is fault.Invalid.
func FuzzQuery(f *testing.F) {
	data, err := os.ReadFile("testdata/questions.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(strings.TrimPrefix(strings.TrimSpace(line), "→ "))
	}
	store, err := Open(f.TempDir(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = store.Close() })
	rows := store.NewRows()
	for i := range 20 {
		ev := event.Event{ID: "id", Time: time.Now().Add(-time.Duration(i) * time.Minute)}
		ev.Add(event.Message, "a message of 42 words")
		ev.Add(event.HostName, "pc")
		ev.AddInt("n", int64(i))
		rows.Add(&ev)
	}
	if err := store.Append(rows); err != nil {
		f.Fatal(err)
	}
	store.Flush()
	f.Fuzz(func(t *testing.T, text string) {
		for _, newest := range []bool{false, true} {
			err := store.Query(t.Context(), Query{LogsQL: text, Limit: 5, Newest: newest}, func(*event.Event) error { return nil })
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", text, err)
			}
		}
		plan, err := store.Plan(text)
		if err != nil {
			return
		}
		if _, err := store.Plan(plan.Filter); err != nil {
			t.Errorf("the filter %q of %q cannot be read: %v", plan.Filter, text, err)
		}
	})
}

// TestRefused: a query that is right and too large is not called unreadable.
func TestRefused(t *testing.T) {
	t.Parallel()
	for text, key := range map[string]string{
		"cannot calculate [sort by (_time desc) limit 100000], since it requires more than 964MB of memory": "fault.search.memory",
		"cannot load the subquery": "fault.search.query",
	} {
		err := refused(errors.New(text))
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Key != key || f.Code != fault.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}
