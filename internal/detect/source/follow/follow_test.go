package follow_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/source/follow"
	"yagura/internal/detect/source/gate/gatetest"
)

// world is a folder of logs with a follower over it that can be stopped and started.
type world struct {
	t        *testing.T
	logs     string
	state    string
	patterns []string
	opt      follow.Options
	sink     *gatetest.Sink
	observer *gatetest.Observer
	follower *follow.Follower
}

// newWorld follows what the patterns name in the folder of logs; "" is the folder itself.
func newWorld(t *testing.T, patterns ...string) *world {
	t.Helper()
	w := &world{t: t, logs: t.TempDir(), state: filepath.Join(t.TempDir(), "follow.json"), sink: &gatetest.Sink{}, observer: &gatetest.Observer{}}
	for _, pattern := range patterns {
		w.patterns = append(w.patterns, filepath.Join(w.logs, pattern))
	}
	w.opt = follow.Options{Poll: 20 * time.Millisecond, Linger: 200 * time.Millisecond}
	return w
}

// start runs the follower; the function it returns stops it and waits.
func (w *world) start() (stop func()) {
	w.t.Helper()
	opt := w.opt
	opt.Patterns, opt.StateFile, opt.Sink, opt.Observer, opt.Log = w.patterns, w.state, w.sink, w.observer, slog.New(slog.DiscardHandler)
	f, err := follow.New(opt)
	if err != nil {
		w.t.Fatal(err)
	}
	w.follower = f
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				w.t.Error(err)
			}
		case <-time.After(20 * time.Second):
			w.t.Error("it does not end")
		}
	}
	w.t.Cleanup(stop)
	return stop
}

func (w *world) path(name string) string { return filepath.Join(w.logs, name) }

func (w *world) write(name, text string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(w.path(from), w.path(to)); err != nil {
		w.t.Fatal(err)
	}
}

// want waits for exactly these lines, in this order.
func (w *world) want(lines ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	items, err := w.sink.Wait(ctx, len(lines))
	if err != nil {
		w.t.Error(err)
	}
	if diff := cmp.Diff(lines, items); diff != "" {
		w.t.Fatal(diff)
	}
}

// still waits a little, for lines that should not come, and wants the same as before.
func (w *world) still(lines ...string) {
	w.t.Helper()
	time.Sleep(150 * time.Millisecond)
	w.want(lines...)
}

func numbered(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("line %06d of a log that is long enough to be told from others", i))
	}
	return lines
}

func text(lines []string) string { return strings.Join(lines, "\n") + "\n" }

func TestGrowingFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.write("app.log", "\xef\xbb\xbfone\r\n\ntwo\nthr")
	w.start()
	w.want("one", "two")
	w.still("one", "two")
	w.write("app.log", "ee\n{\"a\":1}\n{not json\n")
	w.want("one", "two", "three", `{"a":1}`, "{not json")
	var got []string
	for _, b := range w.sink.Batches() {
		for _, it := range b.Items {
			got = append(got, fmt.Sprintf("%s %s %d", b.Format, filepath.Base(b.File), it.Record))
		}
		if b.Input != "file" || b.Source != "files" {
			t.Errorf("batch %+v", b)
		}
	}
	want := []string{"line app.log 1", "line app.log 3", "line app.log 4", "json app.log 5", "line app.log 6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestResumeAtTheRightByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "*.log")
	w.write("app.log", "one\ntwo\nhalf")
	stop := w.start()
	w.want("one", "two")
	stop()
	w.write("app.log", " done\nfour\n")
	w.start()
	w.want("one", "two", "half done", "four")
	if b := w.sink.Batches(); b[len(b)-1].Items[1].Record != 4 {
		t.Errorf("line numbers begin again: %+v", b[len(b)-1])
	}
}

func TestRenamedAndMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log") // the rotated name is not followed
	w.write("app.log", "one\n")
	old, err := os.OpenFile(w.path("app.log"), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	w.start()
	w.want("one")
	w.rename("app.log", "app.log.1")
	if _, err := io.WriteString(old, "two, by a writer that has not noticed\nlast"); err != nil {
		t.Fatal(err)
	}
	w.want("one", "two, by a writer that has not noticed")
	w.write("app.log", "three\n")
	w.want("one", "two, by a writer that has not noticed", "three", "last") // the last line when the old file is done
}

func TestRenamedInAFollowedFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.write("app.log", text(numbered(0, 50)))
	stop := w.start()
	w.want(numbered(0, 50)...)
	w.rename("app.log", "app.log.1")
	w.write("app.log", "new\n")
	w.want(append(numbered(0, 50), "new")...)
	stop()
	w.start()
	w.still(append(numbered(0, 50), "new")...)
}

// Rotated while the program did not run: the rest of the old file is read first, though its new name is not followed.
func TestRotatedWhileStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.write("app.log", "one\n")
	stop := w.start()
	w.want("one")
	stop()
	w.write("app.log", "two\n")
	w.rename("app.log", "app.log.1")
	w.write("app.log", "three\n")
	w.start()
	w.want("one", "two", "three")
	w.still("one", "two", "three")
}

func TestCopiedAndTruncated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.write("app.log", text(numbered(0, 50)))
	stop := w.start()
	w.want(numbered(0, 50)...)
	stop() // so that the copy has lines that were not read

	w.write("app.log", text(numbered(50, 60)))
	data, err := os.ReadFile(w.path("app.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.path("app.log.1"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(w.path("app.log"), 0); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.want(numbered(0, 60)...)
	w.write("app.log", "new\n")
	w.want(append(numbered(0, 60), "new")...)
	w.still(append(numbered(0, 60), "new")...)
}

// Two files that begin alike are not taken for a copy.
func TestTwinIsNoCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.opt.Linger = 50 * time.Millisecond
	header := text(numbered(0, 20))
	w.write("a.log", header+"a\n")
	w.start()
	w.want(append(numbered(0, 20), "a")...)
	w.write("b.log", header+"b\n")
	w.want(append(append(append(numbered(0, 20), "a"), numbered(0, 20)...), "b")...)
}

func TestTruncatedAndRewritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.write("app.log", "one\ntwo\n")
	w.start()
	w.want("one", "two")
	if err := os.WriteFile(w.path("app.log"), []byte("ONE\nTWO\nTHREE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want("one", "two", "ONE", "TWO", "THREE")
}

func TestWhatIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.write("app.log.2.gz", "looks like text, but was read before it was packed\n")
	w.write("wtmp", "\x07\x00\x00\x00\n")
	if err := os.Mkdir(w.path("sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("sub/app.log", "one\n")
	w.start()
	w.want("one")
	w.write("later.log", "two\n")
	w.want("one", "two")
	w.still("one", "two")
	if r := w.observer.Refusals(); len(r) != 1 || !strings.Contains(r[0].Reason, "wtmp looks binary") {
		t.Errorf("refusals: %v", r)
	}
	files := w.follower.Files()
	if len(files) != 3 || files[2].Problem != "binary" {
		t.Errorf("files: %+v", files)
	}
}

func TestLineThatIsTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.opt.MaxLine = 100
	long := strings.Repeat("x", 100)
	w.write("app.log", "one\n"+long+"and more\ntwo\n"+long)
	stop := w.start()
	w.want("one", long+" [truncated]", "two")
	w.write("app.log", "more")
	w.want("one", long+" [truncated]", "two", long+" [truncated]")
	stop()
	w.write("app.log", "and more\nthree\n")
	w.start()
	w.want("one", long+" [truncated]", "two", long+" [truncated]", "three")
}

// While the sink is full the files wait; afterwards every line is there once, in order.
func TestFullSink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.sink.FailWith(func(call int) error {
		if call%3 != 0 {
			return gatetest.Busy()
		}
		return nil
	})
	w.start()
	for i := range 10 {
		w.write("app.log", text(numbered(i*1000, (i+1)*1000)))
	}
	w.want(numbered(0, 10_000)...)
}

// A stop in the middle of a piece keeps exactly what the sink took.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.write("app.log", "one\n{\"two\":2}\nthree\n")
	ready := make(chan struct{})
	w.sink.FailWith(func(call int) error {
		switch {
		case call == 1: // the first line: a batch of its own, because the second is JSON
			return nil
		case call == 2:
			close(ready)
		}
		return gatetest.Busy()
	})
	stop := w.start()
	<-ready
	stop()
	w.want("one")
	w.sink.FailWith(nil)
	w.start()
	w.want("one", `{"two":2}`, "three")
}

func TestDamagedStateIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "app.log")
	w.write("app.log", "one\n")
	if err := os.WriteFile(w.state, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.want("one")
	if _, err := os.Stat(w.state + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestPatternThatIsNone(t *testing.T) {
	t.Parallel()
	if _, err := follow.New(follow.Options{Patterns: []string{"/var/log/[a"}}); err == nil {
		t.Error("it was taken")
	}
}
