package normalise_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/event"
)

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	n := newNormaliser(t)
	for name, c := range map[string]struct {
		format intake.Format
		item   intake.Item
		want   string
	}{
		"no JSON":           {intake.JSON, intake.Item{Data: []byte(`{"a":`)}, "no JSON"},
		"a list":            {intake.JSON, intake.Item{Data: []byte(`[1]`)}, "a JSON object is wanted"},
		"nothing":           {intake.Line, intake.Item{Data: []byte(" \r\n")}, "empty"},
		"the reader's word": {intake.JSON, intake.Item{Data: []byte(`{}`), Error: "record 7 breaks off"}, "record 7 breaks off"},
		"no such format":    {"smoke", intake.Item{Data: []byte("signal")}, `unknown format "smoke"`},
	} {
		var ev event.Event
		err := n.Normalise(&intake.Batch{Format: c.format, Received: time.Unix(0, 0)}, &c.item, &ev)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAnEventSaysHowItCame(t *testing.T) {
	t.Parallel()
	n := newNormaliser(t)
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := intake.Batch{Format: intake.JSON, Input: "import", Source: "cli", Remote: "192.0.2.7", File: "a.json", Received: received}
	var ev event.Event
	if err := n.Normalise(&b, &intake.Item{Data: []byte(`{"x":"y"}`), Record: 9}, &ev); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		event.SourceInput: "import", event.SourceID: "cli", event.SourceHost: "192.0.2.7", event.SourceFile: "a.json", event.SourceLine: "9", event.Message: "x=y",
	} {
		if got := ev.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !ev.Time.Equal(received) {
		t.Errorf("without a time of its own it has %v", ev.Time)
	}
}

func TestAFailedItemIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := intake.Batch{Format: intake.JSON, Source: "cli", Received: received}
	for _, c := range []struct {
		item           intake.Item
		err            error
		original, kind string
		encoding       string
	}{
		{intake.Item{Data: []byte(`{"a":`)}, errors.New("no JSON"), `{"a":`, "normalise", ""},
		{intake.Item{Data: []byte("\xff\x00"), Error: "the record breaks off"}, errors.New("the record breaks off"), "/wA=", "read", "base64"},
	} {
		var ev event.Event
		ev.Add("left", "over from the attempt")
		normalise.Failed(&b, &c.item, c.err, &ev)
		for name, want := range map[string]string{
			event.EventKind: event.KindPipelineError, event.ErrorMessage: c.err.Error(), event.Original: c.original, event.ErrorReason: c.kind,
			"yagura.error.original_encoding": c.encoding, "left": "", event.SourceID: "cli",
		} {
			if got := ev.Get(name); got != want {
				t.Errorf("%q: %s is %q, want %q", c.item.Data, name, got, want)
			}
		}
		if !ev.Time.Equal(received) || ev.Get(event.Message) == "" {
			t.Errorf("%q: no time or message", c.item.Data)
		}
	}
}

// TestTextThatIsNoUTF8IsReadAndKept: an appliance made for Japan speaks Shift_JIS; what else is no UTF-8 is kept as it came.
func TestTextThatIsNoUTF8IsReadAndKept(t *testing.T) {
	t.Parallel()
	n := newNormaliser(t)
	for _, c := range []struct {
		format        intake.Format
		data, message string
	}{
		{intake.Syslog, "<134>\x8eR\x93c: \x83\x8d\x83O\x83C\x83\x93\x8e\xb8\x94s", "ログイン失敗"},
		{intake.Line, "\x83\x8d\x83O\x83C\x83\x93\x8e\xb8\x94s", "ログイン失敗"},
		{intake.JSON, "{\"message\":\"\x83\x8d\x83O\x83C\x83\x93\"}", "ログイン"},
		{intake.Syslog, "<134>app: Zugriff f\xfcr M\xfcller", "Zugriff f\xfcr M\xfcller"},
		{intake.Syslog, "<134>app: ログイン失敗", "ログイン失敗"},
	} {
		var ev event.Event
		if err := n.Normalise(&intake.Batch{Format: c.format, Received: time.Now()}, &intake.Item{Data: []byte(c.data)}, &ev); err != nil {
			t.Fatal(err)
		}
		if got := ev.Get(event.Message); got != c.message {
			t.Errorf("%q: message %q, want %q", c.data, got, c.message)
		}
		original := ""
		if !utf8.ValidString(c.data) {
			original = base64.StdEncoding.EncodeToString([]byte(c.data))
		}
		if got := ev.Get(event.Original); got != original {
			t.Errorf("%q: original %q, want %q", c.data, got, original)
		}
	}
}

func TestNothingButZerosIsNoEvent(t *testing.T) {
	t.Parallel()
	var ev event.Event
	err := newNormaliser(t).Normalise(&intake.Batch{Format: intake.Line}, &intake.Item{Data: make([]byte, 100)}, &ev)
	if err == nil {
		t.Errorf("an event without anything: %v", ev.Fields())
	}
}
