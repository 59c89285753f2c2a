package spool

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// TestModel runs random operations on a disk that fails and loses power at random, and holds the spool to its
// promise: what was acknowledged and not freed is read, once, in order.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{dir: dir, disk: newDisk(), opt: Options{SegmentBytes: 300, MaxBytes: 3000, MaxRecord: 120}}
		m.reopen(t)
		defer func() { _ = m.spool.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"fail":   m.appendOnAFailingDisk,
			"free":   m.free,
			"reopen": m.reopen,
			"power":  m.power,
			"":       m.check,
		})
	})
}

type model struct {
	dir   string
	disk  *disk
	opt   Options
	spool *Spool
	id    string
	count int
	acked []ackedRecord
}

type ackedRecord struct {
	at      Position
	payload string
}

func (m *model) append(t *rapid.T) { m.add(t) }

func (m *model) add(t *rapid.T) {
	payload := strconv.Itoa(m.count) + ":" + string(make([]byte, rapid.IntRange(0, 100).Draw(t, "length")))
	m.count++
	at, err := m.spool.Append(t.Context(), []byte(payload))
	if err != nil {
		return
	}
	if n := len(m.acked); n > 0 && !m.acked[n-1].at.Before(at) {
		t.Fatalf("position %s after %s", at, m.acked[n-1].at)
	}
	m.acked = append(m.acked, ackedRecord{at, payload})
}

func (m *model) appendOnAFailingDisk(t *rapid.T) {
	ops := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"create", "write", "sync", "syncdir", "truncate", "remove"}), 1, 3, rapid.ID).Draw(t, "ops")
	arrive := rapid.IntRange(0, 130).Draw(t, "arrive")
	m.disk.mu.Lock()
	m.disk.fail = func(op, _ string) (int, error) {
		if slices.Contains(ops, op) {
			return arrive, syscall.EIO
		}
		return 0, nil
	}
	m.disk.mu.Unlock()
	m.add(t)
	m.disk.failing("", nil)
}

func (m *model) free(t *rapid.T) {
	if len(m.acked) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.acked)-1).Draw(t, "up to")
	if err := m.spool.Free(m.acked[i].at); err != nil {
		t.Fatal(err)
	}
	m.acked = m.acked[i:]
}

func (m *model) reopen(t *rapid.T) {
	if m.spool != nil {
		if err := m.spool.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := open(m.dir, m.opt, m.disk)
	if err != nil {
		t.Fatal(err)
	}
	if m.spool != nil && len(m.acked) > 0 && s.ID() != m.id {
		t.Fatalf("the ID changed from %s to %s", m.id, s.ID())
	}
	m.spool, m.id = s, s.ID()
}

func (m *model) power(t *rapid.T) {
	m.disk = m.disk.cutPower(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
	m.reopen(t)
}

func (m *model) check(t *rapid.T) {
	from := Position{}
	if len(m.acked) > 0 {
		from = m.acked[0].at
	}
	r := m.spool.Reader(from)
	defer r.Close()
	missing := m.acked
	for r.Ready() {
		payload, at, err := r.Next(t.Context(), nil)
		if _, damaged := errors.AsType[*Damage](err); damaged {
			continue // what a refused write left where it could not be cut off
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(missing) > 0 && missing[0].at == at {
			if missing[0].payload != string(payload) {
				t.Fatalf("at %s read %q, want %q", at, payload, missing[0].payload)
			}
			missing = missing[1:]
		}
	}
	if len(missing) > 0 {
		t.Fatalf("%d acknowledged records are gone, the first %q at %s", len(missing), missing[0].payload, missing[0].at)
	}
}
