package app

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"yagura/docs"
	"yagura/internal/platform/access"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/help"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/once"
	"yagura/internal/platform/preference"
	"yagura/internal/platform/web"
	"yagura/locale"
)

// house is the whole server without its ports: every room, on a fresh database of the engine that the run is for.
type house struct {
	*Server
	t    testing.TB
	site *web.Site
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return newHouseWith(t, io.Discard, nil)
}

// newHouseWith has more settings, and its log goes somewhere.
func newHouseWith(t testing.TB, logged io.Writer, settings map[string]string) *house {
	t.Helper()
	return newHouseFor(t, logged, settings, func(e *Engine) auth.Authenticator { return acted{e.Accounts} })
}

// newHouseFor has its own way to know who is there, too.
func newHouseFor(t testing.TB, logged io.Writer, settings map[string]string, who func(e *Engine) auth.Authenticator) *house {
	t.Helper()
	ctx := t.Context()
	flags := map[string]string{"data": filepath.Join(t.TempDir(), "data"), "http.public_url": "https://yagura.example", "store.min_free": "64MiB"}
	maps.Copy(flags, settings)
	c, _, err := config.Load(config.Sources{
		File:   os.DevNull,
		Flags:  flags,
		Getenv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Database.URL == "" {
		if place := dbtest.Place(t); strings.Contains(place, "://") {
			c.Database.URL = config.Secret(place)
		}
	}
	log := slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	engine, err := Open(ctx, c, RecordsOptions{Log: log, PublicURL: c.HTTP.PublicURL})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Engine: engine, opt: ServerOptions{Config: c, Log: log}, started: time.Now()}
	t.Cleanup(func() {
		limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := engine.Close(limit); err != nil {
			t.Error(err)
		}
	})
	if err := s.LoadRules(ctx); err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Options{
		Once: (&once.Keeper{DB: engine.DB, Keys: engine.Keys}).Do,
		Auth: who(engine), Log: log, Keeper: preference.New(engine.DB, engine.Accounts), Name: auth.NewNameBook(engine.Accounts).Name, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	modules, err := s.modules(site)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if err := site.Mount(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := site.Check(); err != nil {
		t.Fatal(err)
	}
	return &house{Server: s, t: t, site: site}
}

// acted lets a test be a person of a role by a header: how people prove who they are is tested with the accounts and their pages.
// What each may do is decided by the real roles.
type acted struct{ accounts *auth.Accounts }

const actAs = "X-Test-Role"

func (a acted) User(r *http.Request) (*auth.User, error) {
	role := r.Header.Get(actAs)
	if role == "" {
		return a.accounts.User(r)
	}
	return &auth.User{
		ID: "person-" + role, Name: role, Roles: []string{role}, Session: true, SessionID: "s", StepUp: time.Now(),
		Allowed: func(p string) bool { return a.accounts.Roles.Allows([]string{role}, p) },
	}, nil
}

// knocking are the people who try every door. "" is a guest.
var knocking = []string{"", "employee", "analyst", "auditor", "admin"}

func (h *house) ask(role, method, path string, form url.Values) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set(actAs, role)
	w := httptest.NewRecorder()
	h.site.Handler().ServeHTTP(w, r)
	return w
}

// fill puts an id that nothing has into a pattern's wildcards.
func fill(pattern string) string {
	var path strings.Builder
	for rest := pattern; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		path.WriteString(before)
		if !found {
			break
		}
		name, tail, _ := strings.Cut(after, "}")
		if name != "$" {
			path.WriteString("01900000-0000-7000-8000-000000000000")
		}
		rest = tail
	}
	return path.String()
}

// TestEveryRouteAsEachOfThePeople knocks at every door that any room has, as each of the people. Who is let in follows from the
// route's permission and the roles' file; the rows are also written down in testdata/routes.txt, so that a change of who may do
// what is seen by whoever reads the change.
func TestEveryRouteAsEachOfThePeople(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var rows []string
	for _, m := range h.site.Modules() {
		for _, route := range m.Routes {
			method, pattern, _ := strings.Cut(route.Pattern, " ")
			var in []string
			for _, role := range knocking {
				may := h.mayOpen(role, route.Permission)
				if may {
					in = append(in, map[bool]string{true: "guest", false: role}[role == ""])
				}
				if pattern == "/search/tail" && may {
					continue // it goes on until the visitor leaves
				}
				answer := h.ask(role, method, fill(pattern), url.Values{})
				// What lies behind the door may refuse, too: these people have no real session.
				refused := answer.Code == http.StatusForbidden && strings.Contains(answer.Body.String(), "lacks") || role == "" && answer.Code == http.StatusUnauthorized
				switch {
				case answer.Code >= 500:
					t.Errorf("%s as %q: status %d: %s", route.Pattern, role, answer.Code, answer.Body)
				case may && refused && route.Permission != web.Public:
					t.Errorf("%s as %q: status %d, and %q should be let in", route.Pattern, role, answer.Code, route.Permission)
				case !may && role == "" && answer.Code != http.StatusUnauthorized:
					t.Errorf("%s as a guest: status %d, want 401", route.Pattern, answer.Code)
				case !may && role != "" && answer.Code != http.StatusForbidden:
					t.Errorf("%s as %q: status %d, want 403", route.Pattern, role, answer.Code)
				}
			}
			fresh := ""
			if route.Fresh {
				fresh = " (fresh)"
			}
			rows = append(rows, route.Pattern+"  "+string(route.Permission)+fresh+"  "+strings.Join(in, " "))
		}
	}
	slices.Sort(rows)
	golden(t, filepath.Join("testdata", "routes.txt"), strings.Join(rows, "\n")+"\n")
}

// TestHelpIsAboutThePage finds a module whose pages' help leads nowhere.
func TestHelpIsAboutThePage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	documents, err := help.New(h.site, docs.Files())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range h.site.Modules() {
		if m.Help != "" && !documents.Has(m.Help) {
			t.Errorf("the help of %s is %q, which is no document", m.Name, m.Help)
		}
	}
}

func (h *house) mayOpen(role string, p web.Permission) bool {
	switch p {
	case web.Public:
		return true
	case web.SignedIn, web.Enrolling:
		return role != ""
	}
	return role != "" && h.Roles.Allows([]string{role}, string(p))
}

// golden compares a text with a file; YAGURA_GOLDEN=write writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("YAGURA_GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what is now (%v); with YAGURA_GOLDEN=write the test writes it:\n%s", path, err, difference(string(want), got))
	}
}

func difference(want, got string) string {
	var b strings.Builder
	had := strings.Split(want, "\n")
	for _, line := range strings.Split(got, "\n") {
		if !slices.Contains(had, line) {
			b.WriteString("+ " + line + "\n")
		}
	}
	has := strings.Split(got, "\n")
	for _, line := range had {
		if !slices.Contains(has, line) {
			b.WriteString("- " + line + "\n")
		}
	}
	return b.String()
}

// TestRolesAreMadeOfPermissionsThatExist finds a misspelt permission in the roles' file, a permission that nobody could be given, and
// an auditor who may change something.
func TestRolesAreMadeOfPermissionsThatExist(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.site.Permissions()
	roles, err := access.Parse(rolesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range roles {
		for _, p := range role.Allow {
			if !slices.ContainsFunc(known, func(k web.Permission) bool { return access.Role{Allow: []string{p}}.Allows(string(k)) }) {
				t.Errorf("%s: %s is no permission of any room", role.Name, p)
			}
		}
	}
	for _, p := range known {
		reads := strings.HasSuffix(string(p), ".read")
		if h.Roles.Allows([]string{"auditor"}, string(p)) != (reads || p == "ledger.verify") {
			t.Errorf("the auditor and %s", p)
		}
		if !h.Roles.Allows([]string{access.Admin}, string(p)) || h.Roles.Allows([]string{"employee"}, string(p)) {
			t.Errorf("the administrator or the employee and %s", p)
		}
	}
}

// TestEveryTableIsTrackedOrSaysWhyNot finds a table that the ledger does not know of.
func TestEveryTableIsTrackedOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	tracked := make(map[string]bool)
	for _, table := range Tables() {
		tracked[table.Name] = true
	}
	untracked := Untracked()
	var names []string
	err := h.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
		names, err = db.List(tx, func(s db.Scanner) (name string, err error) { return name, s.Scan(&name) }, tableNames())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_text_doc") || strings.Contains(name, "_text_words") {
			continue // finds records by words of theirs
		}
		if strings.HasSuffix(name, "_schema") || strings.HasPrefix(name, "ledger_") || strings.HasPrefix(name, "sqlite_") {
			continue // versions of tables; the ledger's own
		}
		if _, excused := untracked[name]; !tracked[name] && !excused {
			t.Errorf("the table %s is in no ledger and nobody says why", name)
		}
		delete(untracked, name)
		delete(tracked, name)
	}
	if len(untracked)+len(tracked) > 0 {
		t.Errorf("there are no tables %v %v", slices.Collect(maps.Keys(untracked)), slices.Collect(maps.Keys(tracked)))
	}
}

// TestEveryOldDatabaseComesForward stops the migrations at every step there was, and goes on from there to the newest: who
// updates may come from any version.
func TestEveryOldDatabaseComesForward(t *testing.T) {
	t.Parallel()
	for steps := 0; ; steps++ {
		more := false
		var old []store
		for _, s := range stores() {
			first := firstSteps(t, s, steps)
			more = more || len(first) == steps
			old = append(old, store{name: s.name, migrations: first})
		}
		if !more {
			return
		}
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			for _, state := range [][]store{old, stores(), stores()} { // the last time there is nothing to do
				for _, s := range state {
					if err := d.Migrate(t.Context(), s.name, s.migrations); err != nil {
						t.Fatalf("%s, come from step %d: %v", s.name, steps, err)
					}
				}
			}
		})
	}
}

// firstSteps are the first migrations of a room, as many as asked for or as there are.
func firstSteps(t *testing.T, s store, steps int) fstest.MapFS {
	t.Helper()
	files, err := fs.Glob(s.migrations, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no migrations: %v", s.name, err)
	}
	slices.Sort(files)
	first := fstest.MapFS{}
	for _, name := range files[:min(steps, len(files))] {
		text, err := fs.ReadFile(s.migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		first[name] = &fstest.MapFile{Data: text}
	}
	return first
}

func tableNames() string {
	if os.Getenv("YAGURA_TEST_ENGINE") == "postgres" {
		return `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	}
	return `SELECT name FROM sqlite_master WHERE type = 'table'`
}

// TestWhatPeopleDoIsInTheLedger works a little in every room that keeps records, and then verifies.
func TestWhatPeopleDoIsInTheLedger(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := h.Rules.Mirror(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, do := range []struct {
		path string
		form url.Values
	}{
		{"/search/saved", url.Values{"name": {"夜間の失敗"}, "q": {"event.code:=4625"}, "since": {"24h"}}},
		{"/sources/-/tokens", url.Values{"name": {"pc-winlogbeat"}, "kind": {"winlogbeat"}}},
		{"/rules/" + h.Rules.Set().Rules[0].Key + "/move/retire", url.Values{"version": {"1"}, "why": {"試験"}}},
		{"/roles", url.Values{"name": {"store-desk"}, "title": {"店舗窓口"}, "permission": {"alert.read"}, "version": {"0"}}},
	} {
		if got := h.ask("admin", http.MethodPost, do.path, do.form); got.Code >= 400 {
			t.Fatalf("POST %s: status %d: %s", do.path, got.Code, got.Body)
		}
	}
	report, err := h.Ledger.Verify(t.Context(), ledger.VerifyOptions{})
	if err != nil || !report.OK() || report.Leaves < 5 {
		t.Errorf("%+v, %v", report, err)
	}
	recent, err := h.Ledger.Recent(t.Context(), ledger.Filter{Actor: "person-admin", Limit: 10})
	if err != nil || len(recent.Items) < 4 {
		t.Errorf("the administrator's changes: %+v, %v", recent, err)
	}
}

// TestEveryJobHasANameAndWords finds a job or a schedule that people would see by its key only.
func TestEveryJobHasANameAndWords(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	words, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Jobs.Check(); err != nil {
		t.Fatal(err)
	}
	known := words.Keys(i18n.Japanese)
	for _, kind := range h.Jobs.Kinds() {
		if !slices.Contains(known, "job.name."+kind.Name) {
			t.Errorf("the job %s of %s has no words", kind.Name, kind.Owner)
		}
	}
	schedules, err := h.Jobs.Schedules(t.Context())
	if err != nil || len(schedules) < 3 {
		t.Fatalf("%+v, %v", schedules, err)
	}
	for _, s := range schedules {
		if !slices.Contains(known, "job.name."+s.Name) {
			t.Errorf("the schedule %s has no words", s.Name)
		}
	}
}
