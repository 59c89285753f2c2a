package intake_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/intake"
)

func sample() *intake.Batch {
	return &intake.Batch{
		Input: "elastic", Source: "pc-winlogbeat", Format: intake.JSON, Dataset: "winlogbeat-9",
		Remote: "192.0.2.7", File: "C:/logs/a.evtx", Received: time.UnixMicro(1_700_000_000_000_001).UTC(),
		Items: []intake.Item{
			{Data: []byte(`{"a":1}`), Record: 7},
			{Data: []byte("\x00\xff"), Error: "no JSON"},
			{Data: []byte{}},
		},
	}
}

func TestBatchRoundTrip(t *testing.T) {
	t.Parallel()
	var got intake.Batch
	if err := got.Decode(sample().AppendBinary(nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*sample(), got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefusesEveryTruncation(t *testing.T) {
	t.Parallel()
	whole := sample().AppendBinary(nil)
	for n := range whole {
		var b intake.Batch
		if b.Decode(whole[:n]) == nil {
			t.Errorf("the first %d of %d bytes were taken for a whole batch", n, len(whole))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample().AppendBinary(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b intake.Batch
		if b.Decode(data) != nil {
			return
		}
		var again intake.Batch
		if err := again.Decode(b.AppendBinary(nil)); err != nil {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
	})
}
