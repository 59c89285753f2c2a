package room_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/ledger/room"
	"yagura/internal/platform/web/webtest"
)

func open(t *testing.T, d *db.DB) *ledger.Log {
	t.Helper()
	table := "-- +goose Up\nCREATE TABLE thing (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL);"
	if err := d.Migrate(t.Context(), "thing", fstest.MapFS{"00001_thing.sql": {Data: []byte(table)}}); err != nil {
		t.Fatal(err)
	}
	log, err := ledger.Open(t.Context(), d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "ledger.key")})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Track(t.Context(), ledger.Table{Name: "thing", Key: "id", Link: "/things/{key}"}); err != nil {
		t.Fatal(err)
	}
	return log
}

func write(t *testing.T, d *db.DB, fn func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(db.WithActor(t.Context(), "tanaka"), fn); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, d *db.DB, log *ledger.Log, key string) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		if _, err := tx.Exec(`INSERT INTO thing (id, name) VALUES ($1, '名前')`, key); err != nil {
			return err
		}
		return log.Append(tx, ledger.Entry{Table: "thing", Key: key, Action: "create"})
	})
}

func TestTheAuditorsPage(t *testing.T) {
	t.Parallel()
	d, site := dbtest.New(t), webtest.New(t)
	log := open(t, d)
	create(t, d, log, "a"+webtest.Probe)
	create(t, d, log, "b")
	names := func(context.Context, []string) (map[string]string, error) {
		return map[string]string{"tanaka": "田中 " + webtest.Probe}, nil
	}
	site.Mount(room.New(site.Site, log, names, slog.New(slog.DiscardHandler)).Module())
	if err := site.Check(); err != nil {
		t.Fatal(err)
	}
	write(t, d, func(tx *db.Tx) error { // behind the ledger's back
		_, err := tx.Exec(`UPDATE thing SET name = 'x'`)
		return err
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		log.Run(ctx, slog.New(slog.DiscardHandler))
		close(done)
	}()
	t.Cleanup(func() { stop(); <-done })
	if body := site.Do(webtest.Request{As: webtest.Reader, Path: "/ledger?table=thing"}).Body.String(); !strings.Contains(body, `href="/things/b"`) {
		t.Error("a leaf does not lead to its record")
	}
	site.Pages("/ledger", "/ledger?table=thing&actor=tanaka", "/ledger?actor=nobody")
	site.Guarded()

	for path, want := range map[string]string{"/ledger/checkpoint": log.Origin(), "/ledger/proof/thing/b": `"digest"`} {
		got := site.Do(webtest.Request{As: webtest.Reader, Path: path})
		if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) || strings.Contains(got.Body.String(), "nonce") {
			t.Errorf("%s: status %d: %s", path, got.Code, got.Body)
		}
	}
	var state struct {
		Size int64
		Last *struct{ Problems int }
	}
	site.Call(webtest.Reader, "GET", "/api/v1/ledger", "", http.StatusOK, &state)
	site.Call(webtest.Reader, "POST", "/api/v1/ledger/verify", "", http.StatusForbidden, nil)
	site.Call(webtest.Robot, "POST", "/api/v1/ledger/verify", "", http.StatusAccepted, nil)
	if state.Size < 2 {
		t.Errorf("%+v", state)
	}
	if got := site.Do(webtest.Request{As: webtest.Reader, Path: "/ledger/verify", Form: url.Values{}}); got.Code != http.StatusForbidden {
		t.Errorf("a reader verifies: status %d", got.Code)
	}
	if got := site.Do(webtest.Request{As: webtest.Admin, Path: "/ledger/verify", Form: url.Values{"now": {"1"}}}); got.Code != http.StatusSeeOther {
		t.Fatalf("verifying: status %d", got.Code)
	}
	for t.Context().Err() == nil {
		body := site.Do(webtest.Request{As: webtest.Reader, Path: "/ledger"}).Body.String()
		if polls := strings.Contains(body, "every 2s"); polls != strings.Contains(body, "disabled>Verify now") {
			t.Fatalf("it asks again: %t, and the button says otherwise", polls)
		} else if !polls && strings.Contains(body, "Record changed") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	site.Pages("/ledger") // with what was found
	kept, err := log.LastVerification(t.Context())
	if err != nil || kept.Report == nil || kept.Report.OK() {
		t.Errorf("what was found does not outlive the process: %+v, %v", kept, err)
	}
}
