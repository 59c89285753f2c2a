package pipeline_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/pipeline"
	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// memoryStore is a store whose latest rows are lost when it crashes.
type memoryStore struct {
	mu     sync.Mutex
	events []*event.Event
	times  []time.Time
	broken error
}

type memoryRows struct{ events []*event.Event }

func (r *memoryRows) Add(ev *event.Event) { r.events = append(r.events, ev.Clone()) }
func (r *memoryRows) Reset()              { r.events = nil }

func (s *memoryStore) NewRows() pipeline.Rows { return new(memoryRows) }
func (s *memoryStore) Flush()                 {}

func (s *memoryStore) Append(rows pipeline.Rows) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	for _, ev := range rows.(*memoryRows).events {
		s.events = append(s.events, ev)
		s.times = append(s.times, time.Now())
	}
	return nil
}

func (s *memoryStore) IDs(_ context.Context, prefix string, yield func(string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	for _, ev := range s.events {
		if strings.HasPrefix(ev.ID, prefix) {
			yield(ev.ID)
		}
	}
	return nil
}

func (s *memoryStore) breakWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// crash returns what is left: rows older than the age are safe, the younger ones only if keep says so.
func (s *memoryStore) crash(age time.Duration, keep func() bool) *memoryStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := new(memoryStore)
	for i, ev := range s.events {
		if time.Since(s.times[i]) > age || keep() {
			left.events, left.times = append(left.events, ev), append(left.times, s.times[i])
		}
	}
	return left
}

// values returns one field of every stored event, in the order in which they were stored.
func (s *memoryStore) values(field string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values []string
	for _, ev := range s.events {
		values = append(values, ev.Get(field))
	}
	return values
}

// memoryRecorder keeps matches and the position together, like a database in one transaction.
type memoryRecorder struct {
	mu     sync.Mutex
	cursor string
	calls  int
	titles []string
	events []string
	broken error
}

func (r *memoryRecorder) Record(_ context.Context, upTo string, matches []pipeline.Match) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return r.broken
	}
	if upTo <= r.cursor {
		return fmt.Errorf("position %s after %s", upTo, r.cursor)
	}
	r.cursor = upTo
	r.calls++
	for _, m := range matches {
		r.titles = append(r.titles, m.Rule.Title)
		r.events = append(r.events, m.Event.Get("name"))
	}
	return nil
}

func (r *memoryRecorder) Cursor(context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor, nil
}

func (r *memoryRecorder) breakWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
}

func (r *memoryRecorder) recorded() (events []string, calls int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.events...), r.calls
}

// nameNormaliser makes of "x" an event with name "x". It fails on "bad" and panics on "panic".
type nameNormaliser struct{}

func (nameNormaliser) Normalise(b *intake.Batch, it *intake.Item, ev *event.Event) error {
	text := string(it.Data)
	switch {
	case it.Error != "":
		return errors.New(it.Error)
	case strings.HasPrefix(text, "bad"):
		return errors.New("bad item")
	case strings.HasPrefix(text, "panic"):
		panic("a parser's bug")
	}
	ev.Time = b.Received
	ev.Add("name", text)
	ev.AddNonEmpty(event.SourceID, b.Source)
	return nil
}

func newNameNormaliser() pipeline.Normaliser { return nameNormaliser{} }

// alarmRules matches every event whose name has "alarm" in it.
func alarmRules(t testing.TB) *sigma.Matcher {
	t.Helper()
	file, err := sigma.Parse("alarm.yml", []byte(`
title: Alarm
logsource: {product: test}
detection:
    selection: {name|contains: alarm}
    condition: selection
`))
	if err != nil {
		t.Fatal(err)
	}
	matcher, problems := sigma.Compile(file.Rules(), nil, sigma.Options{NoRouting: true})
	for _, p := range problems {
		if p.Kind == sigma.ProblemRefused {
			t.Fatal(p)
		}
	}
	return matcher
}

// bench is a pipeline with everything around it. Where it is opened again, it finds what the last one left.
type rig struct {
	*pipeline.Pipeline
	spool    *spool.Spool
	dir      string
	store    *memoryStore
	recorder *memoryRecorder
	opt      pipeline.Options
	spoolOpt spool.Options
}

func newRig(t testing.TB, change func(*rig)) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir(), store: new(memoryStore), recorder: new(memoryRecorder)}
	matcher := alarmRules(t)
	r.opt = pipeline.Options{
		Normaliser: newNameNormaliser,
		CursorFile: filepath.Join(r.dir, "cursor"),
		Matcher:    func() *sigma.Matcher { return matcher },
		Log:        slog.New(slog.NewTextHandler(io.Discard, nil)),
		Horizon:    time.Hour,
		Workers:    4,
	}
	if change != nil {
		change(r)
	}
	r.open(t)
	return r
}

func (r *rig) open(t testing.TB) {
	t.Helper()
	s, err := spool.Open(filepath.Join(r.dir, "spool"), r.spoolOpt)
	if err != nil {
		t.Fatal(err)
	}
	opt := r.opt
	opt.Spool, opt.Store, opt.Recorder = s, r.store, r.recorder
	p, err := pipeline.New(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	r.Pipeline, r.spool = p, s
	t.Cleanup(func() {
		_ = s.Close()
		r.halt(p)
	})
}

// halt ends a pipeline without letting it finish anything.
func (r *rig) halt(p *pipeline.Pipeline) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Stop(now)
}

// reopen closes everything in order and opens it again.
func (r *rig) reopen(t testing.TB) {
	t.Helper()
	if err := errors.Join(r.Stop(t.Context()), r.Settle(), r.spool.Close()); err != nil {
		t.Fatal(err)
	}
	r.open(t)
}

func (r *rig) accept(t testing.TB, names ...string) {
	t.Helper()
	if err := r.Accept(context.Background(), batchOf(names...)); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) drain(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.Drain(ctx); err != nil {
		t.Fatalf("%v; status %+v", err, r.Status())
	}
}

func batchOf(names ...string) *intake.Batch {
	b := &intake.Batch{Input: "api", Source: "tests", Format: intake.Line, Received: time.Now().UTC()}
	for _, name := range names {
		b.Items = append(b.Items, intake.Item{Data: []byte(name)})
	}
	return b
}

var errFull = fault.New(fault.Unavailable, "", "read-only")

// journal is a file of JSON lines, each with its checksum: what a kill leaves half written is no line. It is not synced: a
// kill does not take what the kernel has.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func openJournal(path string, each func(line []byte)) (*journal, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	good := 0
	for scan := bufio.NewReader(bytes.NewReader(data)); ; {
		line, err := scan.ReadBytes('\n')
		if err != nil {
			break
		}
		sum, text, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if !ok || string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) {
			break
		}
		good += len(line)
		each(text)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(good)); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekEnd)
	return &journal{file: f}, err
}

func (j *journal) add(values ...any) error {
	var buf bytes.Buffer
	for _, v := range values {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(&buf, "%08x %s\n", crc32.ChecksumIEEE(text), text)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err := j.file.Write(buf.Bytes())
	return err
}
