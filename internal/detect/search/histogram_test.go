package search

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"yagura/internal/platform/logstore"
)

// TestManyGroupsTakeLittleRoom asks for a histogram by a field that has as many values as there are events.
func TestManyGroupsTakeLittleRoom(t *testing.T) { // not parallel: it measures
	start := time.Unix(0, 0)
	q := logstore.Query{Start: start, End: start.Add(5000 * time.Second)}
	var found []logstore.Bucket
	for i := range 10_000 {
		found = append(found, logstore.Bucket{Start: start.Add(time.Duration(i%5000) * time.Second), Group: fmt.Sprint(i), Hits: 1})
	}
	for i := range 4 {
		found = append(found, logstore.Bucket{Start: start, Group: "big", Hits: uint64(10 + i)}, logstore.Bucket{Start: start.Add(-time.Hour), Group: "before", Hits: 1})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h := newHistogram(q, time.Second, found)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("it took %d MiB", took>>20)
	}
	if len(h.Series) != maxSeries || h.Series[0].Name != "big" || h.Series[0].Total != 46 || h.Total != 10_046 {
		t.Fatalf("%d series, %q with %d of %d", len(h.Series), h.Series[0].Name, h.Series[0].Total, h.Total)
	}
	if rest := h.Series[maxSeries-1]; !rest.Rest || rest.Total != 10_000-(maxSeries-2) || rest.Hits[4000] != 2 {
		t.Errorf("the rest: %q with %d, %d in a step", rest.Name, rest.Total, rest.Hits[4000])
	}
}
