package rule_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/rule"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// house is a database with a ledger, the records that rules are, and alerts.
type house struct {
	db      *db.DB
	ledger  *ledger.Log
	records *record.Store
	kind    *record.Kind
	states  *rule.States
	alerts  *alert.Store
	library *rule.Library // nil until it is opened
}

// nobody are the people whom records name.
type nobody struct{ record.People }

func (nobody) PersonID(_ context.Context, text string) (string, error) { return text, nil }

func newHouse(t testing.TB, d *db.DB) *house {
	t.Helper()
	ctx := t.Context()
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "key")})
	if err == nil {
		err = d.Migrate(ctx, "record", record.Migrations())
	}
	if err == nil {
		err = d.Migrate(ctx, "alert", alert.Migrations())
	}
	if err == nil {
		err = d.Migrate(ctx, "rule", rule.Migrations())
	}
	if err == nil {
		err = log.Track(ctx, append(append(record.Tables(), alert.Tables()...), rule.Tables()...)...)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &house{db: d, ledger: log, states: rule.NewStates(d)}
	h.records = record.New(record.Options{DB: d, Ledger: log, People: nobody{}})
	h.kind = rule.RecordKind(func(key string) []string { return h.library.TitlesOf(key) }, h.states.Moved)
	if err := h.records.Register(ctx, h.kind); err != nil {
		t.Fatal(err)
	}
	h.alerts = alert.NewStore(d, alert.Options{Ledger: log, Rules: h.states})
	return h
}

// open loads the rules that opt names, and writes their records.
func (h *house) open(t testing.TB, opt rule.LoadOptions) *rule.Library {
	t.Helper()
	opt.Taxonomy = tax(t)
	var err error
	h.library, err = rule.Open(t.Context(), rule.Options{LoadOptions: opt, States: h.states, Records: h.records, Ledger: h.ledger, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = h.library.Mirror(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return h.library
}

// analyst decides about rules.
func analyst() *auth.User { return recordtest.Somebody("aoki", "rule.read", "rule.write") }

// move moves a rule's record.
func (h *house) move(ctx context.Context, key, move string) error {
	_, err := h.records.Move(recordtest.As(ctx, analyst()), analyst(), rule.Name, key, record.Moving{Move: move, Why: "because"})
	return err
}

// fixture is a library of one rule in a folder.
type fixture struct {
	*rule.Library
	*house
	dir string
}

func open(t testing.TB) *fixture {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules", "a.yml"), whoami(idA, "whoami.exe"))
	d, err := db.Open(t.Context(), dbtest.Place(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	h := newHouse(t, d)
	return &fixture{h.open(t, rule.LoadOptions{Paths: []string{filepath.Join(dir, "rules")}, Added: filepath.Join(dir, "added")}), h, dir}
}
