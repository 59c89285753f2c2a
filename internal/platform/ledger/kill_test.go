package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
)

const (
	// killedWrites is how many writes a round asks for at the same time.
	killedWrites = 1000
	childPlace   = "YAGURA_LEDGER_CHILD" // where the database is, for the process that is killed
)

func TestMain(m *testing.M) {
	if place := os.Getenv(childPlace); place != "" {
		if err := writeUntilKilled(place, os.Getenv("YAGURA_LEDGER_KEY"), os.Getenv("YAGURA_LEDGER_ROUND")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeUntilKilled is the process that is killed: it asks for many writes at once, and says of each that was answered its key.
func writeUntilKilled(place, keyFile, round string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, place)
	if err != nil {
		return err
	}
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: keyFile})
	if err != nil {
		return err
	}
	if err := log.Track(ctx, ledger.Table{Name: "thing", Key: "id", Omit: []string{"seen"}}); err != nil {
		return err
	}
	var wait sync.WaitGroup
	for n := range killedWrites {
		wait.Go(func() {
			key := fmt.Sprintf("r%s-%04d", round, n)
			err := d.Write(ctx, func(tx *db.Tx) error {
				if _, err := tx.Exec(`INSERT INTO thing (id, name, n, seen) VALUES ($1, 'x', 1, 0)`, key); err != nil {
					return err
				}
				return log.Append(tx, ledger.Entry{Table: "thing", Key: key, Action: "create"})
			})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			fmt.Println(key) // one write to the pipe: whole, or not there
		})
	}
	wait.Wait()
	return nil
}

// TestKilledInTheMiddleOfManyWrites kills a process in the middle of 1,000 concurrent writes, again and again: each time the database
// opens, the ledger verifies, and every write that was answered is there.
func TestKilledInTheMiddleOfManyWrites(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("YAGURA_LONG") != "" {
		rounds = 100
	}
	eachPlace(t, func(t *testing.T, place string) { killRounds(t, place, rounds) })
}

// eachPlace runs a test that opens its database more than once, on each engine.
func eachPlace(t *testing.T, test func(t *testing.T, place string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "yagura.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, dbtest.PostgresURL(t))
	})
}

func killRounds(t *testing.T, place string, rounds int) {
	d := openPlace(t, place)
	keyFile := openWith(t, d, filepath.Join(t.TempDir(), "ledger.key")).keyFile
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	answered, cut := make(map[string]bool), 0
	for round := range rounds {
		keys := killRound(t, place, keyFile, round)
		if len(keys) < killedWrites {
			cut++
		}
		for _, key := range keys {
			answered[key] = true
		}
		d := openPlace(t, place)
		b := openWith(t, d, keyFile)
		if got := b.problems(); got != "" {
			t.Errorf("round %d: %s", round, got)
		}
		there := make(map[string]bool)
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			keys, err := db.List(tx, func(s db.Scanner) (key string, err error) { return key, s.Scan(&key) }, `SELECT id FROM thing`)
			for _, key := range keys {
				there[key] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for key := range answered {
			if !there[key] {
				t.Errorf("round %d: the write %s was answered, and it is not there", round, key)
			}
		}
		b.create(fmt.Sprintf("after-%d", round)) // and it goes on
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if cut == 0 {
		t.Error("no round was cut short: nothing was shown")
	}
}

// killRound runs the process, kills it after some of its answers, and returns what it had answered.
func killRound(t *testing.T, place, keyFile string, round int) (keys []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, self)
	child.Env = append(os.Environ(), childPlace+"="+place, "YAGURA_LEDGER_KEY="+keyFile, fmt.Sprint("YAGURA_LEDGER_ROUND=", round))
	var complaints bytes.Buffer
	child.Stderr = &complaints
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	after := 1 + rand.IntN(killedWrites*9/10)
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // the end of the process; a line without its end was no answer
		}
		if keys = append(keys, strings.TrimSuffix(line, "\n")); len(keys) == after {
			_ = child.Process.Kill() // SIGKILL
		}
	}
	if err := child.Wait(); err == nil || len(keys) < after {
		t.Errorf("round %d: the process ended by itself after %d answers: %v, %s", round, len(keys), err, &complaints)
	}
	return keys
}

func openPlace(t *testing.T, place string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
