package seal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

var column = seal.Column{Table: "vault_secret", Key: "id", Column: "sealed"}

// fill makes a sealed column in a database, and n values in it.
func fill(t *testing.T, d *db.DB, keys *seal.Keys, n int) {
	t.Helper()
	err := d.Migrate(t.Context(), "vault", fstest.MapFS{"00001_vault.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE vault_secret (id TEXT NOT NULL PRIMARY KEY, sealed TEXT);")}})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		for i := range n {
			id := fmt.Sprintf("%06d", i)
			if _, err := tx.Exec(`INSERT INTO vault_secret (id, sealed) VALUES ($1, $2)`, id, sealed(t, keys, column.Purpose(id), "secret "+id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, d *db.DB, statement string, args ...any) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(statement, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

func survey(t *testing.T, d *db.DB) map[string]int64 {
	t.Helper()
	counts, err := seal.Survey(t.Context(), d, []seal.Column{column})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestRotationSealsEverythingUnderTheNewestKey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, rotationSealsEverythingUnderTheNewestKey)
}

func rotationSealsEverythingUnderTheNewestKey(t *testing.T, d *db.DB) {
	both := load(t, seal.Options{Env: secret('1') + "," + secret('2')})
	first := both.IDs()[0]
	fill(t, d, load(t, seal.Options{Env: secret('1')}), 350)
	exec(t, d, `INSERT INTO vault_secret (id, sealed) VALUES ('empty', ''), ('null', NULL)`)
	exec(t, d, `UPDATE vault_secret SET sealed = 's1.garbage' WHERE id = '000042'`)
	exec(t, d, `UPDATE vault_secret SET sealed = (SELECT sealed FROM vault_secret WHERE id = '000008') WHERE id = '000007'`)

	var told []string
	var progress int64
	report, err := both.Rotate(t.Context(), d, seal.Rotation{
		Columns:  []seal.Column{column},
		Changed:  func(_ *db.Tx, c seal.Column, id string) error { told = append(told, c.Table+" "+id); return nil },
		Progress: func(_ seal.Column, n int64) { progress = n },
	})
	if err != nil || report.Resealed != 348 || report.Failed != 2 || len(report.Errors) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	if len(told) != 348 || told[0] != "vault_secret 000000" || progress != 348 {
		t.Errorf("told of %d rows, the last progress was %d", len(told), progress)
	}
	for i, id := range []string{"000007", "000042"} {
		if !errors.Is(report.Errors[i], seal.ErrDamaged) || !strings.Contains(report.Errors[i].Error(), column.Purpose(id)) {
			t.Errorf("failure %d: %v", i, report.Errors[i])
		}
	}
	if counts := survey(t, d); counts[both.Newest()] != 348 || counts[first] != 1 || counts[""] != 1 {
		t.Errorf("counted %v", counts)
	}
	newest := load(t, seal.Options{Env: secret('2')})
	err = d.Read(t.Context(), func(tx *db.Tx) error {
		var text string
		if err := tx.QueryRow(`SELECT sealed FROM vault_secret WHERE id = '000349'`).Scan(&text); err != nil {
			return err
		}
		plain, err := newest.Open(column.Purpose("000349"), text)
		if string(plain) != "secret 000349" {
			t.Errorf("opened %q", plain)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if again, err := both.Rotate(t.Context(), d, seal.Rotation{Columns: []seal.Column{column}}); err != nil || again.Resealed != 0 || again.Failed != 2 {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

func TestRotationGoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, rotationGoesOnWhereItWasStopped)
}

func rotationGoesOnWhereItWasStopped(t *testing.T, d *db.DB) {
	both := load(t, seal.Options{Env: secret('1') + "," + secret('2')})
	fill(t, d, load(t, seal.Options{Env: secret('1')}), 250)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	how := seal.Rotation{Columns: []seal.Column{column}, Progress: func(seal.Column, int64) { cancel() }}
	if _, err := both.Rotate(ctx, d, how); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped with %v", err)
	}
	if n := survey(t, d)[both.Newest()]; n != 100 {
		t.Fatalf("%d were done before the stop", n)
	}
	// The ledger refuses: that batch is undone as a whole.
	refused := errors.New("refused")
	count := 0
	how = seal.Rotation{Columns: []seal.Column{column}, Changed: func(*db.Tx, seal.Column, string) error {
		if count++; count == 130 {
			return refused
		}
		return nil
	}}
	if _, err := both.Rotate(t.Context(), d, how); !errors.Is(err, refused) || survey(t, d)[both.Newest()] != 200 {
		t.Fatalf("%v, %v", survey(t, d), err)
	}
	if report, err := both.Rotate(t.Context(), d, seal.Rotation{Columns: []seal.Column{column}}); err != nil || report.Resealed != 50 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAMissingKeyIsFoundAtTheStart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, aMissingKeyIsFoundAtTheStart)
}

func aMissingKeyIsFoundAtTheStart(t *testing.T, d *db.DB) {
	right := seal.Generate()
	fill(t, d, right, 3)
	if err := right.Check(t.Context(), d, []seal.Column{column}); err != nil {
		t.Error(err)
	}
	err := seal.Generate().Check(t.Context(), d, []seal.Column{column})
	if !errors.Is(err, seal.ErrUnknownKey) || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "3 values") || !strings.Contains(err.Error(), right.Newest()) {
		t.Errorf("with another key: %v", err)
	}
}

func TestAKeyThatAnotherNodeAddedIsFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "seal.key")
	here := load(t, seal.Options{File: path})
	if _, err := seal.Add(path); err != nil {
		t.Fatal(err)
	}
	there := load(t, seal.Options{File: path})
	text := sealed(t, there, "t.c/1", "x")
	seal.Age(here)
	if got, err := here.Open("t.c/1", text); err != nil || string(got) != "x" || here.Newest() != there.Newest() {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOnlyPlainNamesBecomeSQL(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, onlyPlainNamesBecomeSQL)
}

func onlyPlainNamesBecomeSQL(t *testing.T, d *db.DB) {
	fill(t, d, seal.Generate(), 0)
	bad := []seal.Column{{Table: "a; DROP TABLE b", Key: "id", Column: "c"}, {Table: "a", Key: "", Column: "c"}, {Table: "a", Key: "id", Column: `c"`}}
	for _, c := range bad {
		if _, err := seal.Generate().Rotate(t.Context(), d, seal.Rotation{Columns: []seal.Column{c}}); err == nil {
			t.Errorf("took %+v", c)
		}
		if _, err := seal.Survey(t.Context(), d, []seal.Column{c}); err == nil {
			t.Errorf("took %+v", c)
		}
	}
}
