package pipeline_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/detect/pipeline"
	"yagura/internal/event"
	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// victimDir tells the test binary to be the process that TestKill kills: it works in that folder.
const victimDir = "YAGURA_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestKill sends SIGKILL to a loaded process at random moments, again and again, in one data folder. In the end every
// event that was acknowledged is stored once, and every match recorded once. YAGURA_LONG=1 makes it long.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 8
	if os.Getenv("YAGURA_LONG") != "" {
		rounds = 60
	}
	dir := t.TempDir()
	acked := map[string]bool{}
	for range rounds {
		runVictim(t, dir, time.Duration(20+rand.IntN(600))*time.Millisecond, acked)
	}

	v, err := openVictim(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := errors.Join(v.Drain(ctx), v.Stop(ctx)); err != nil {
		t.Fatal(err)
	}
	st := v.Status()
	stored, alarms := map[string]int{}, 0
	for _, row := range v.store.all() {
		stored[row.Name]++
		if strings.HasPrefix(row.Name, "alarm") {
			alarms++
		}
	}
	lost, repeated := 0, 0
	for name := range acked {
		if stored[name] == 0 {
			lost++
		}
	}
	for _, n := range stored {
		if n > 1 {
			repeated++
		}
	}
	recorded := map[string]int{}
	for _, name := range v.recorder.names {
		recorded[name]++
		if recorded[name] > 1 || stored[name] == 0 {
			t.Errorf("%s is recorded %d times and stored %d times", name, recorded[name], stored[name])
		}
	}
	t.Logf("%d kills, %d events acknowledged, %d stored, %d matches, %d replayed in the last start", rounds, len(acked), len(stored), len(recorded), st.Replayed)
	if lost > 0 || repeated > 0 || len(recorded) != alarms {
		t.Errorf("%d acknowledged events are lost, %d are stored twice; %d matches of %d are recorded", lost, repeated, len(recorded), alarms)
	}
	if len(acked) < 10*rounds {
		t.Errorf("only %d events in %d rounds: this tests nothing", len(acked), rounds)
	}
	if err := errors.Join(v.Settle(), v.spool.Close()); err != nil {
		t.Fatal(err)
	}
}

// runVictim starts the process, kills it after a while and adds what it acknowledged.
func runVictim(t *testing.T, dir string, life time.Duration, acked map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	killed := false
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		if !killed { // it lives from its first acknowledgement on
			killed = true
			time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		}
		for name := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), ",") {
			acked[name] = true
		}
	}
	_ = cmd.Wait()
	if !killed {
		t.Fatalf("the process did not start: %s", stderr.String())
	}
}

// victim sends events to itself until it is killed, and prints the names in each batch once that is acknowledged.
func victim(dir string) error {
	v, err := openVictim(context.Background(), dir)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	start := time.Now().UnixNano()
	for sender := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				var names []string
				for k := range 1 + rand.IntN(20) {
					kind := "login"
					if k%3 == 0 {
						kind = "alarm"
					}
					names = append(names, fmt.Sprintf("%s %x.%d.%d.%d", kind, start, sender, i, k))
				}
				if v.Accept(context.Background(), batchOf(names...)) == nil {
					fmt.Println(strings.Join(names, ","))
				}
			}
		})
	}
	wg.Wait()
	return nil
}

type victimRig struct {
	*pipeline.Pipeline
	spool    *spool.Spool
	store    *lateStore
	recorder *fileRecorder
}

func openVictim(ctx context.Context, dir string) (*victimRig, error) {
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{SegmentBytes: 256 << 10})
	if err != nil {
		return nil, err
	}
	store, err := openLateStore(filepath.Join(dir, "store"))
	if err != nil {
		return nil, err
	}
	recorder, err := openFileRecorder(filepath.Join(dir, "alerts"))
	if err != nil {
		return nil, err
	}
	file, err := sigma.Parse("alarm.yml", []byte("title: Alarm\nlogsource: {product: test}\ndetection: {a: {name|startswith: alarm}, condition: a}\n"))
	if err != nil {
		return nil, err
	}
	matcher, _ := sigma.Compile(file.Rules(), nil, sigma.Options{NoRouting: true})
	p, err := pipeline.New(ctx, pipeline.Options{
		Spool: s, Store: store, Recorder: recorder, Normaliser: newNameNormaliser,
		CursorFile: filepath.Join(dir, "cursor"), Matcher: func() *sigma.Matcher { return matcher },
		Horizon: 2 * lateBy, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 4,
	})
	if err != nil {
		return nil, err
	}
	return &victimRig{p, s, store, recorder}, p.Start()
}

// lateStore is a file that gets its rows only every now and then, as a log store does: a kill loses the rest.
type lateStore struct {
	file *journal

	mu    sync.Mutex
	rows  []lateRow
	saved int
}

type lateRow struct{ ID, Name string }

const lateBy = 150 * time.Millisecond

func openLateStore(path string) (*lateStore, error) {
	s := new(lateStore)
	file, err := openJournal(path, func(line []byte) {
		var row lateRow
		if json.Unmarshal(line, &row) == nil {
			s.rows = append(s.rows, row)
		}
	})
	s.file, s.saved = file, len(s.rows)
	if err == nil {
		go s.saveLate()
	}
	return s, err
}

func (s *lateStore) saveLate() {
	for range time.Tick(lateBy) {
		s.mu.Lock()
		var late []any
		for _, row := range s.rows[s.saved:] {
			late = append(late, row)
		}
		s.saved = len(s.rows)
		s.mu.Unlock()
		if len(late) > 0 && s.file.add(late...) != nil {
			return
		}
	}
}

func (s *lateStore) NewRows() pipeline.Rows { return new(lateRows) }
func (s *lateStore) Flush()                 {}

func (s *lateStore) Append(rows pipeline.Rows) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, rows.(*lateRows).rows...)
	return nil
}

func (s *lateStore) IDs(_ context.Context, prefix string, yield func(string)) error {
	for _, row := range s.all() {
		if strings.HasPrefix(row.ID, prefix) {
			yield(row.ID)
		}
	}
	return nil
}

func (s *lateStore) all() []lateRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[:len(s.rows):len(s.rows)]
}

type lateRows struct{ rows []lateRow }

func (r *lateRows) Reset() { r.rows = nil }
func (r *lateRows) Add(ev *event.Event) {
	r.rows = append(r.rows, lateRow{strings.Clone(ev.ID), strings.Clone(ev.Get("name"))})
}

// fileRecorder keeps each call as one line: matches and position together, or neither.
type fileRecorder struct {
	file   *journal
	cursor string
	names  []string
}

type fileRecord struct {
	UpTo  string
	Names []string
}

func openFileRecorder(path string) (*fileRecorder, error) {
	r := new(fileRecorder)
	file, err := openJournal(path, func(line []byte) {
		var x fileRecord
		if json.Unmarshal(line, &x) == nil {
			r.cursor, r.names = x.UpTo, append(r.names, x.Names...)
		}
	})
	r.file = file
	return r, err
}

func (r *fileRecorder) Cursor(context.Context) (string, error) { return r.cursor, nil }

func (r *fileRecorder) Record(_ context.Context, upTo string, matches []pipeline.Match) error {
	x := fileRecord{UpTo: upTo}
	for _, m := range matches {
		x.Names = append(x.Names, m.Event.Get("name"))
	}
	if err := r.file.add(x); err != nil {
		return err
	}
	r.cursor, r.names = upTo, append(r.names, x.Names...)
	return nil
}
