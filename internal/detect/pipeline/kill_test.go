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

	"yagura/internal/detect/intake"
	"yagura/internal/detect/match"
	"yagura/internal/detect/normalise"
	"yagura/internal/detect/pipeline"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
	"yagura/internal/platform/db"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/spool"
	"yagura/sigma"
)

// victimMode tells the test binary to be the process that TestKill kills: "fake" or "real" for the stores behind the
// pipeline, a colon, and the folder in which it works.
const victimMode = "YAGURA_TEST_VICTIM"

func TestMain(m *testing.M) {
	if mode := os.Getenv(victimMode); mode != "" {
		kind, dir, _ := strings.Cut(mode, ":")
		if err := victim(kind, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestKill sends SIGKILL to a loaded process at random moments, again and again, in one data folder. In the end every
// event that was acknowledged is stored once, every match recorded once, and every three of them made a correlation fire
// once. YAGURA_LONG=1 makes it long.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind           string
		rounds, long   int
		life, longLife time.Duration // at most
	}{
		{"fake", 8, 60, 500 * time.Millisecond, time.Second},
		{"real", 2, 16, 4 * time.Second, time.Minute}, // long enough for the horizon to pass
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			rounds, life := c.rounds, c.life
			if os.Getenv("YAGURA_LONG") != "" {
				rounds, life = c.long, c.longLife
			}
			dir := t.TempDir()
			acked := map[string]bool{}
			for range rounds {
				runVictim(t, c.kind+":"+dir, 20*time.Millisecond+rand.N(life), acked)
				if err := noteDeath(dir); err != nil {
					t.Fatal(err)
				}
			}
			inspect(t, c.kind, dir, acked)
			if len(acked) < 10*rounds {
				t.Errorf("only %d events in %d rounds: this tests nothing", len(acked), rounds)
			}
		})
	}
}

// inspect works off what the last kill left and compares what is there with what was acknowledged.
func inspect(t *testing.T, kind, dir string, acked map[string]bool) {
	t.Helper()
	v, err := openVictim(t.Context(), kind, dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := errors.Join(v.Drain(ctx), v.Stop(ctx)); err != nil {
		t.Fatal(err)
	}
	names, recorded, fired, err := v.found(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stored, alarms, repeated, lost := map[string]bool{}, 0, 0, 0
	for _, name := range names {
		if stored[name] {
			repeated++
		}
		stored[name] = true
		if strings.HasPrefix(name, "alarm") {
			alarms++
		}
	}
	for name := range acked {
		if !stored[name] {
			lost++
		}
	}
	t.Logf("%d events acknowledged, %d stored, %d matches recorded, %d firings; the last start replayed %d and kept %d segments",
		len(acked), len(names), recorded, fired, v.Status().Replayed, v.Status().Spool.Segments)
	if lost > 0 || repeated > 0 || recorded != alarms {
		t.Errorf("%d acknowledged events are lost, %d are stored twice; %d matches are recorded of %d", lost, repeated, recorded, alarms)
	}
	if fired != alarms/3 {
		t.Errorf("the correlation fired %d times for %d matches", fired, alarms)
	}
	if err := errors.Join(v.close(), v.Settle(), v.spool.Close()); err != nil {
		t.Fatal(err)
	}
}

// runVictim starts the process, kills it after a while and adds what it acknowledged.
func runVictim(t *testing.T, mode string, life time.Duration, acked map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimMode+"="+mode)
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
func victim(kind, dir string) error {
	v, err := openVictim(context.Background(), kind, dir)
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
				if v.Accept(context.Background(), v.batch(names...)) == nil {
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
	spool *spool.Spool
	batch func(names ...string) *intake.Batch
	// found returns the names of all stored events, how many matches are recorded, and how many firings.
	found func(context.Context) (names []string, recorded, fired int, err error)
	close func() error
}

func openVictim(ctx context.Context, kind, dir string) (*victimRig, error) {
	s, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{SegmentBytes: 256 << 10})
	if err != nil {
		return nil, err
	}
	file, err := sigma.Parse("alarm.yml", []byte("title: Alarm\nname: alarm\nlogsource: {product: test}\ndetection: {a: {name|startswith: alarm}, condition: a}\n---\n"+
		"title: Three alarms\ngenerate: true\ncorrelation: {type: event_count, rules: [alarm], timespan: 1d, condition: {gte: 3}}\n"))
	if err != nil {
		return nil, err
	}
	matcher, _ := sigma.Compile(file.Rules(), nil, sigma.Options{NoRouting: true})
	correlations, _ := sigma.CompileCorrelations(file.Rules(), sigma.Options{})
	opt := pipeline.Options{
		Spool: s, CursorFile: filepath.Join(dir, "cursor"), Matcher: func() *sigma.Matcher { return matcher },
		Correlations: func() *sigma.Correlations { return correlations },
		Log:          slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 4,
	}
	v := &victimRig{spool: s}
	if kind == "real" {
		err = v.realStores(ctx, dir, &opt)
	} else {
		err = v.fakeStores(dir, &opt)
	}
	if err != nil {
		return nil, err
	}
	if v.Pipeline, err = pipeline.New(ctx, opt); err != nil {
		return nil, err
	}
	v.Start()
	return v, nil
}

// realStores puts the program's own log store, alerts and normaliser behind the pipeline.
func (v *victimRig) realStores(ctx context.Context, dir string, opt *pipeline.Options) error {
	s, err := openStores(ctx, dir)
	if err != nil {
		return err
	}
	tax, err := taxonomy.Load()
	if err != nil {
		return err
	}
	opt.Store, opt.Recorder = pipeline.LogStore(s.store), s.alerts
	opt.Normaliser = func() pipeline.Normaliser { return normalise.New(tax) }
	v.batch = func(names ...string) *intake.Batch {
		b := batchOf(names...)
		b.Format = intake.JSON
		for i, name := range names {
			b.Items[i].Data = fmt.Appendf(nil, `{"name":%q}`, name)
		}
		return b
	}
	v.found = func(ctx context.Context) (names []string, recorded, fired int, err error) {
		err = s.store.Query(ctx, logstore.Query{LogsQL: "* | fields name"}, func(ev *event.Event) error {
			names = append(names, strings.Clone(ev.Get("name")))
			return nil
		})
		if err != nil {
			return nil, 0, 0, err
		}
		err = s.db.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT COALESCE(SUM(CASE WHEN title = 'Alarm' THEN count END), 0),
				COALESCE(SUM(CASE WHEN title = 'Alarm' THEN 0 ELSE count END), 0) FROM alert_alert`).Scan(&recorded, &fired)
		})
		return names, recorded, fired, err
	}
	v.close = s.close
	return nil
}

// fakeStores puts files behind the pipeline that lose what is young, and so need only a short horizon.
func (v *victimRig) fakeStores(dir string, opt *pipeline.Options) error {
	store, err := openLateStore(dir)
	if err != nil {
		return err
	}
	recorder, err := openFileRecorder(filepath.Join(dir, "alerts"))
	if err != nil {
		return err
	}
	opt.Store, opt.Recorder, opt.Normaliser, opt.Horizon = store, recorder, newNameNormaliser, 2*lateBy
	v.batch = batchOf
	v.found = func(context.Context) (names []string, recorded, fired int, err error) {
		for _, row := range store.all() {
			names = append(names, row.Name)
		}
		seen := map[string]bool{}
		for _, name := range recorder.names {
			if seen[name] {
				return nil, 0, 0, fmt.Errorf("the match of %s is recorded twice", name)
			}
			seen[name] = true
		}
		for _, contributions := range recorder.firings {
			for _, text := range contributions {
				c, ok := match.ReadContribution(text)
				if !ok || seen[c.EventID] {
					return nil, 0, 0, fmt.Errorf("%q counts in two firings", text)
				}
				seen[c.EventID] = true
			}
		}
		return names, len(recorder.names), len(recorder.firings), nil
	}
	v.close = func() error { return nil }
	return nil
}

// lateStore is a file that has lost, when it is opened, any of the rows that were young at the moment of the kill: what a log store
// that writes its memory to disk every now and then does, without depending on how busy the machine is.
type lateStore struct {
	file *journal

	mu   sync.Mutex
	rows []lateRow
}

type lateRow struct {
	ID, Name string
	At       int64 // when it was appended, in nanoseconds
}

// lateBy is how old a row is that no kill costs any more.
const lateBy = 150 * time.Millisecond

func openLateStore(dir string) (*lateStore, error) {
	died, err := diedAt(dir)
	if err != nil {
		return nil, err
	}
	s := new(lateStore)
	path := filepath.Join(dir, "store")
	old, err := openJournal(path, func(line []byte) {
		var row lateRow
		if json.Unmarshal(line, &row) == nil && (row.At < died.Add(-lateBy).UnixNano() || rand.IntN(2) == 0) {
			s.rows = append(s.rows, row)
		}
	})
	if err != nil {
		return nil, err
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return nil, err
	}
	s.file = &journal{file: f}
	return s, errors.Join(old.file.Close(), s.file.add(anys(s.rows)...), os.Rename(path+".new", path))
}

func anys[T any](list []T) []any {
	all := make([]any, len(list))
	for i, v := range list {
		all[i] = v
	}
	return all
}

// noteDeath tells the next start when the process had surely ended.
func noteDeath(dir string) error {
	return os.WriteFile(filepath.Join(dir, "died"), []byte(time.Now().Format(time.RFC3339Nano)), 0o600)
}

func diedAt(dir string) (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(dir, "died"))
	if errors.Is(err, os.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, string(text))
}

func (s *lateStore) NewRows() pipeline.Rows { return new(lateRows) }
func (s *lateStore) Flush()                 {}

func (s *lateStore) Append(rows pipeline.Rows) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := rows.(*lateRows).rows
	for i := range list {
		list[i].At = time.Now().UnixNano()
	}
	s.rows = append(s.rows, list...)
	return s.file.add(anys(list)...)
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
	r.rows = append(r.rows, lateRow{ID: strings.Clone(ev.ID), Name: strings.Clone(ev.Get("name"))})
}

// fileRecorder keeps each call as one line: matches and position together, or neither.
type fileRecorder struct {
	file    *journal
	cursor  string
	names   []string
	firings [][]string // what contributed to each
}

type fileRecord struct {
	UpTo    string
	Names   []string
	Firings [][]string
}

func openFileRecorder(path string) (*fileRecorder, error) {
	r := new(fileRecorder)
	file, err := openJournal(path, func(line []byte) {
		var x fileRecord
		if json.Unmarshal(line, &x) == nil {
			r.cursor, r.names, r.firings = x.UpTo, append(r.names, x.Names...), append(r.firings, x.Firings...)
		}
	})
	r.file = file
	return r, err
}

func (r *fileRecorder) Cursor(context.Context) (string, error) { return r.cursor, nil }

func (r *fileRecorder) Record(_ context.Context, upTo string, matches []pipeline.Match) error {
	x := fileRecord{UpTo: upTo}
	for _, m := range matches {
		if m.Firing != nil {
			x.Firings = append(x.Firings, m.Event.Values(match.Contributing))
			continue
		}
		x.Names = append(x.Names, m.Event.Get("name"))
	}
	if err := r.file.add(x); err != nil {
		return err
	}
	r.cursor, r.names, r.firings = upTo, append(r.names, x.Names...), append(r.firings, x.Firings...)
	return nil
}
