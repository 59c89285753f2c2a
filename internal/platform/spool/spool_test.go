package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/spool"
)

func openDir(t testing.TB, dir string, opt spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustAppend(t testing.TB, s *spool.Spool, payload string) spool.Position {
	t.Helper()
	at, err := s.Append(context.Background(), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestWhatWasAppendedIsReadInOrderAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir, spool.Options{SegmentBytes: 200})
	var places []spool.Position
	for i := range 50 {
		places = append(places, mustAppend(t, s, fmt.Sprintf("record %d", i)))
	}
	id := s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openDir(t, dir, spool.Options{SegmentBytes: 200})
	if s.ID() != id {
		t.Errorf("the ID changed from %s to %s", id, s.ID())
	}
	r := s.Reader(spool.Position{})
	defer r.Close()
	for i, place := range places {
		payload, at, err := r.Next(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("record %d", i); string(payload) != want || at != place {
			t.Errorf("read %q at %s, want %q at %s", payload, at, want, place)
		}
	}
	if r.Ready() {
		t.Error("there is more than was appended")
	}
}

func TestAReaderAtTheTailSeesWhatIsAppended(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir(), spool.Options{SegmentBytes: 256})
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.Append(context.Background(), fmt.Appendf(nil, "%d/%d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	r := s.Reader(spool.Position{})
	defer r.Close()
	next := make([]int, writers)
	last := spool.Position{}
	for range writers * each {
		payload, at, err := r.Next(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !last.Before(at) {
			t.Fatalf("position %s after %s", at, last)
		}
		last = at
		var w, i int
		if _, err := fmt.Sscanf(string(payload), "%d/%d", &w, &i); err != nil || next[w] != i {
			t.Fatalf("read %q, want writer %d's record %d", payload, w, next[w])
		}
		next[w]++
	}
	wg.Wait()
}

func TestAWaitingReaderEndsWithItsContextOrTheSpool(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir(), spool.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	r := s.Reader(spool.Position{})
	defer r.Close()
	if _, _, err := r.Next(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the context's end gave %v", err)
	}
	mustAppend(t, s, "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if payload, _, err := r.Next(t.Context(), nil); err != nil || string(payload) != "one" {
		t.Errorf("read %q, %v: a closed spool still gives what it has", payload, err)
	}
	if _, _, err := r.Next(t.Context(), nil); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("the end of a closed spool gave %v", err)
	}
	if _, err := s.Append(t.Context(), nil); !fault.Is(err, fault.Unavailable) {
		t.Errorf("appending to a closed spool gave %v", err)
	}
}

func TestAFullSpoolIsBusyUntilSegmentsAreFreed(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir(), spool.Options{SegmentBytes: 1000, MaxBytes: 3000, MaxRecord: 500})
	record := make([]byte, 400)
	var err error
	for range 100 {
		if _, err = s.Append(t.Context(), record); err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Busy) {
		t.Fatalf("a full spool answered %v", err)
	}
	if used := s.Stats().Bytes; used > 3000 {
		t.Errorf("%d bytes on disk, the limit is 3000", used)
	}
	if err := s.Free(s.End()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Segments()); n != 1 {
		t.Errorf("%d segments are left, want the last one", n)
	}
	if _, err := s.Append(t.Context(), record); err != nil {
		t.Errorf("after freeing: %v", err)
	}
	if _, err := s.Append(t.Context(), make([]byte, 501)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too long a record answered %v", err)
	}
}

func TestRecordsAppendedTogetherAreKeptTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir(), spool.Options{SegmentBytes: 100, MaxBytes: 200, MaxRecord: 50})
	half := make([]byte, 50)
	if _, err := s.Append(t.Context(), half, half); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), half, half); !fault.Is(err, fault.Busy) {
		t.Errorf("two records into room for one: %v", err)
	}
	if _, err := s.Append(t.Context(), nil, make([]byte, 51)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a short and a too long one: %v", err)
	}
	r := s.Reader(spool.Position{})
	defer r.Close()
	for n := range 2 {
		if _, _, err := r.Next(t.Context(), nil); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
	}
	if r.Ready() {
		t.Error("a refused record is there")
	}
}

func TestFreeKeepsWhatIsNotPassed(t *testing.T) {
	t.Parallel()
	s := openDir(t, t.TempDir(), spool.Options{SegmentBytes: 100, MaxRecord: 60})
	var places []spool.Position
	for range 6 {
		places = append(places, mustAppend(t, s, "a record of more than half a segment, say fifty bytes"))
	}
	if err := s.Free(places[3]); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats().First; got != places[3] {
		t.Errorf("the first record is at %s, want %s", got, places[3])
	}
}

func TestPositionsGoOnAfterEverythingWasFreed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir, spool.Options{})
	before := mustAppend(t, s, "one")
	if err := errors.Join(s.Free(s.End()), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openDir(t, dir, spool.Options{})
	if after := mustAppend(t, s, "two"); !before.Before(after) {
		t.Errorf("position %s after %s", after, before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	id := s.ID()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	if s = openDir(t, dir, spool.Options{}); s.ID() == id {
		t.Error("a spool that lost its segments kept its ID: positions would repeat")
	}
}

func TestACrashBeforeASegmentsFirstRecordLeavesTheEndWhereItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir, spool.Options{})
	mustAppend(t, s, "first")
	end := s.End()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The next segment's file as it is when its header is synced and nothing else.
	s = openDir(t, dir, spool.Options{})
	mustAppend(t, s, "second")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "0000000000000002.seg"), 26); err != nil {
		t.Fatal(err)
	}

	s = openDir(t, dir, spool.Options{})
	if s.End() != end || s.Recovered().Bytes != 0 {
		t.Errorf("the spool ends at %s, want %s; %d bytes were cut off", s.End(), end, s.Recovered().Bytes)
	}
	r := s.Reader(spool.Position{})
	defer r.Close()
	if _, _, err := r.Next(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if r.Position() != s.End() {
		t.Errorf("a reader that has read everything is at %s, the end is %s", r.Position(), s.End())
	}
	if at := mustAppend(t, s, "third"); at.Segment != 3 {
		t.Errorf("the next record went to %s", at)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDir(t, dir, spool.Options{})
	if _, err := spool.Open(dir, spool.Options{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("opening twice gave %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openDir(t, dir, spool.Options{})
}

func TestPositionText(t *testing.T) {
	t.Parallel()
	p := spool.Position{Segment: 42, Offset: 8000}
	if p.String() != "0000002a-00001f40" {
		t.Errorf("got %s", p)
	}
	if got, err := spool.ParsePosition(p.String()); err != nil || got != p {
		t.Errorf("read back %v, %v", got, err)
	}
	for _, bad := range []string{"", "1", "-", "x-1", "1-x", "1--1", "1-ffffffffffffffff"} {
		if got, err := spool.ParsePosition(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}
