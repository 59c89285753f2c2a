package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"yagura/internal/platform/spool"
)

// An event's id is where it stands in the spool:
//
//	<spool>-<segment>-<offset>-<item>     4f1c09d2ab37-0000002a-00001f40-3
//
// all in hexadecimal: the spool's ID, its record's position as spool.Position writes it, and the item's number
// in the record. It is the same after a crash and a replay, and "<spool>-<segment>-" finds all events of a segment.

// recordPrefix is how the ids of a record's events begin; their number follows.
func recordPrefix(spoolID string, at spool.Position) string { return spoolID + "-" + at.String() + "-" }

// segmentPrefix is how the ids of all events of a segment begin.
func segmentPrefix(spoolID string, segment uint64) string {
	return fmt.Sprintf("%s-%08x-", spoolID, segment)
}

// place is an event's place in its segment.
type place struct {
	offset int64
	item   int
}

// parsePlace reads what follows segmentPrefix.
func parsePlace(rest string) (place, bool) {
	offset, item, ok := strings.Cut(rest, "-")
	if !ok {
		return place{}, false
	}
	at, err := strconv.ParseInt(offset, 16, 64)
	if err != nil {
		return place{}, false
	}
	n, err := strconv.ParseInt(item, 16, 64)
	return place{at, int(n)}, err == nil
}
