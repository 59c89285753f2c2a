package normalise_test

import (
	"errors"
	"strings"
	"testing"
	"time"

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
