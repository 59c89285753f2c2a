package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/fault"
)

func openOn(t *testing.T, d fileSystem, opt Options) *Spool {
	t.Helper()
	s, err := open(t.TempDir(), opt, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func add(t *testing.T, s *Spool, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if _, err := s.Append(t.Context(), []byte(p)); err != nil {
			t.Fatalf("appending %.20q: %v", p, err)
		}
	}
}

// readAll reads what is there; a damaged stretch shows as "damaged: …".
func readAll(t *testing.T, s *Spool, from Position) []string {
	t.Helper()
	r := s.Reader(from)
	defer r.Close()
	var got []string
	for r.Ready() {
		payload, _, err := r.Next(t.Context(), nil)
		if damage, ok := errors.AsType[*Damage](err); ok {
			got = append(got, fmt.Sprintf("damaged: %d bytes: %v", damage.Bytes, damage.Err))
		} else if err != nil {
			t.Fatal(err)
		} else {
			got = append(got, string(payload))
		}
	}
	return got
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := openOn(t, d, Options{})
	add(t, s, "one")
	d.failing("write", syscall.ENOSPC)
	_, err := s.Append(t.Context(), []byte("lost"))
	if !fault.Is(err, fault.Busy) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk answered %v", err)
	}
	if s.Stats().Failure == "" {
		t.Error("the state does not show the failure")
	}
	d.failing("", nil)
	add(t, s, "two")
	want(t, readAll(t, s, Position{}), "one", "two")
	if n := len(s.Segments()); n != 1 {
		t.Errorf("%d segments; a write that could be cut back needs no new one", n)
	}
	if f := s.Stats().Failure; f != "" {
		t.Errorf("the state still shows %q", f)
	}
}

func TestAShortWriteThatCannotBeCutBackEndsTheSegment(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := openOn(t, d, Options{})
	add(t, s, "one")
	d.mu.Lock()
	d.fail = func(op, _ string) (int, error) {
		if op == "write" || op == "truncate" {
			return 5, io.ErrShortWrite
		}
		return 0, nil
	}
	d.mu.Unlock()
	if _, err := s.Append(t.Context(), []byte("lost")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a failing disk answered %v", err)
	}
	d.failing("", nil)
	add(t, s, "two")
	want(t, readAll(t, s, Position{}), "one", "two")
	if n := len(s.Segments()); n != 2 {
		t.Errorf("%d segments, want a new one after the failure", n)
	}
}

// After a failed sync the kernel may have thrown the pages away and call the next sync a success: nothing more
// may be written to that file (https://wiki.postgresql.org/wiki/Fsync_Errors).
func TestNothingFollowsAFailedSyncInTheSameSegment(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := openOn(t, d, Options{})
	add(t, s, "one")
	before := s.End()
	d.failing("sync", syscall.EIO)
	for range 3 {
		if _, err := s.Append(t.Context(), []byte("lost")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("a failed sync answered %v", err)
		}
	}
	d.failing("", nil)
	at, err := s.Append(t.Context(), []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	if at.Segment == before.Segment {
		t.Error("the record after a failed sync went into the same segment")
	}
	want(t, readAll(t, s, Position{}), "one", "two")
	if n := len(d.files); n != 2 {
		t.Errorf("%d files; failed beginnings must not pile up", n)
	}
}

func TestADiskThatCannotBeginASegment(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"create", "write", "sync", "syncdir"} {
		d := newDisk()
		s := openOn(t, d, Options{})
		d.failing(op, syscall.EIO)
		if _, err := s.Append(t.Context(), []byte("lost")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: answered %v", op, err)
		}
		if len(d.files) != 0 {
			t.Errorf("%s: left a file behind", op)
		}
		d.failing("", nil)
		add(t, s, "one")
		want(t, readAll(t, s, Position{}), "one")
	}
}

// A disk that fails to read for a moment at the start must not cost what was acknowledged.
func TestWhatCannotBeReadAtTheStartIsNotCutOff(t *testing.T) {
	t.Parallel()
	for failing := range 3 { // the second read is that of the records, after the header's
		d := newDisk()
		dir := t.TempDir()
		s, err := open(dir, Options{}, d)
		if err != nil {
			t.Fatal(err)
		}
		add(t, s, "one", "two")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		reads := 0
		d.fail = func(op, _ string) (int, error) {
			if op == "read" {
				if reads++; reads == failing+1 {
					return 0, syscall.EIO
				}
			}
			return 0, nil
		}
		s, err = open(dir, Options{}, d)
		d.failing("", nil)
		if errors.Is(err, syscall.EIO) { // better no start than a wrong one
			s, err = open(dir, Options{}, d)
		}
		if err != nil {
			t.Fatal(err)
		}
		add(t, s, "three")
		want(t, readAll(t, s, Position{}), "one", "two", "three")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamageIsReportedWithItsPlaceAndSkipped(t *testing.T) {
	t.Parallel()
	// Two segments of three records of ten bytes each.
	opt := Options{SegmentBytes: headerBytes + 3*(frameBytes+10), MaxRecord: 10}
	first := headerBytes
	second := first + frameBytes + 10
	cases := []struct {
		name string
		harm func(data []byte)
		want []string
	}{
		{
			"a payload costs one record",
			func(data []byte) { data[second+frameBytes+3] ^= 1 },
			[]string{"record---0", "damaged: 22 bytes: the record does not match its checksum", "record---2", "record---3"},
		},
		{
			"a record's header costs the rest of the segment",
			func(data []byte) { data[second] ^= 1 },
			[]string{"record---0", "damaged: 44 bytes: the record's header is damaged", "record---3"},
		},
		{
			"zeros are no record",
			func(data []byte) { clear(data[second:]) },
			[]string{"record---0", "damaged: 44 bytes: the record's header is damaged", "record---3"},
		},
		{
			"the segment's header costs the segment",
			func(data []byte) { data[9] ^= 1 },
			[]string{"damaged: 92 bytes: the segment's header is damaged", "record---3"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDisk()
			s := openOn(t, d, opt)
			for i := range 4 {
				add(t, s, fmt.Sprintf("record---%d", i))
			}
			c.harm(d.files["0000000000000001.seg"].data)
			want(t, readAll(t, s, Position{}), c.want...)
		})
	}
}

func TestASegmentOfAnotherSpoolIsNotRead(t *testing.T) {
	t.Parallel()
	foreign := newDisk()
	add(t, openOn(t, foreign, Options{}), "theirs")
	d := newDisk()
	d.files["0000000000000001.seg"] = foreign.files["0000000000000001.seg"]
	s := openOn(t, d, Options{}) // takes their ID: it looks like a restart
	add(t, s, "ours")
	own := d.files["0000000000000002.seg"]

	mixed := newDisk()
	other := openOn(t, mixed, Options{})
	add(t, other, "other")
	mixed.files["0000000000000000.seg"] = own
	own.name = "0000000000000000.seg"
	again := openOn(t, mixed, Options{})
	got := readAll(t, again, Position{})
	if len(got) != 2 || !strings.HasPrefix(got[0], "damaged: ") || got[1] != "other" {
		t.Errorf("read %q", got)
	}
}

func TestOpenCutsOffATornWriteAndReportsIt(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := openOn(t, d, Options{})
	add(t, s, "one", "two")
	end := s.End()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f := d.files["0000000000000001.seg"]
	for _, torn := range [][]byte{
		appendFrame(nil, []byte("three"), castagnoli([]byte("three")))[:frameBytes+2], make([]byte, 100), {1}, {},
	} {
		f.data = append(f.data[:end.Offset:end.Offset], torn...)
		s, err := open(t.TempDir(), Options{}, d)
		if err != nil {
			t.Fatal(err)
		}
		r := s.Recovered()
		if r.Bytes != int64(len(torn)) || r.Bytes > 0 && r.At != end {
			t.Errorf("%d torn bytes at %s: reported %+v", len(torn), end, r)
		}
		want(t, readAll(t, s, Position{}), "one", "two")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenKeepsWhatFollowsADamagedRecord(t *testing.T) {
	t.Parallel()
	d := newDisk()
	s := openOn(t, d, Options{})
	add(t, s, "one", "two", "three")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.files["0000000000000001.seg"].data[headerBytes+2*frameBytes+3] ^= 1
	again := openOn(t, d, Options{})
	want(t, readAll(t, again, Position{}), "one", "damaged: 15 bytes: the record does not match its checksum", "three")
	if again.Recovered().Bytes != 0 {
		t.Error("damage was taken for a torn write")
	}
}

func TestACrashBeforeTheFirstHeaderLeavesNothing(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.files["0000000000000005.seg"] = &diskFile{disk: d, name: "0000000000000005.seg", data: []byte("yg")}
	s := openOn(t, d, Options{})
	at, err := s.Append(context.Background(), []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if at.Segment != 6 {
		t.Errorf("the next segment is %d, want 6: a number is not used twice", at.Segment)
	}
	if s.Recovered().Bytes != 2 {
		t.Errorf("reported %+v", s.Recovered())
	}
}
