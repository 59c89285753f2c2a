package rulesource_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/rulesource"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/seal"
)

// ruleText is a rule as a repository has it.
func ruleText(id, level string) string {
	return fmt.Sprintf("title: Rule %s\nid: %s\nauthor: Somebody\nlicense: DRL-1.1\nlogsource: {product: windows, category: process_creation}\ndetection:\n  sel:\n    Image|endswith: '\\%s.exe'\n  condition: sel\nlevel: %s\n", id, id, id, level)
}

const (
	first  = "11111111-1111-4111-8111-111111111111"
	second = "22222222-2222-4222-8222-222222222222"
	third  = "33333333-3333-4333-8333-333333333333"
)

type rig struct {
	*rulesource.Store
	records *record.Store
	db      *db.DB
	blobs   *blob.Store
	reloads int
	told    []notify.Notice
	local   map[string]bool
	folder  string // below which folders may lie
}

func (g *rig) Send(_ *db.Tx, n notify.Notice) error { g.told = append(g.told, n); return nil }

func newRig(t *testing.T, d *db.DB, folders ...string) *rig {
	t.Helper()
	ctx := t.Context()
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(t.TempDir(), "key")})
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]fs.FS{"record": record.Migrations(), rulesource.Name: rulesource.Migrations()} {
		if err := d.Migrate(ctx, name, files); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Track(ctx, append(record.Tables(), rulesource.Tables()...)...); err != nil {
		t.Fatal(err)
	}
	queue, err := jobs.Open(ctx, jobs.Options{DB: d})
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{db: d, local: make(map[string]bool), folder: t.TempDir()}
	if g.blobs, err = blob.Open(blob.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	g.records = record.New(record.Options{DB: d, Ledger: log, Blobs: g.blobs})
	if err := g.records.Register(ctx, rulesource.Kind()); err != nil {
		t.Fatal(err)
	}
	g.Store, err = rulesource.Open(rulesource.Options{
		DB: d, Ledger: log, Records: g.records, Blobs: g.blobs, Keys: seal.Generate(), Notify: g, Dir: t.TempDir(), Folders: append(folders, g.folder),
		HTTP: httpx.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
		Key:  alert.RuleKey, Local: func(key string) bool { return g.local[key] }, Reload: func() { g.reloads++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	g.Work(queue, time.UTC)
	return g
}

// make writes down a source.
func (g *rig) make(t *testing.T, method, address, trust, folders string) string {
	t.Helper()
	rec, err := g.records.Create(t.Context(), record.System(), rulesource.Name, record.Values{
		"title": "A source", "method": method, "address": address, "trust": trust, "starts": "shadow", "every": "day", "folders": folders,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rec.ID
}

func (g *rig) check(t *testing.T, id, want string) {
	t.Helper()
	got, err := g.Check(t.Context(), id)
	if got != want {
		t.Errorf("outcome %q (%v), want %q", got, err, want)
	}
}

// inForce lists the rule files that are in force.
func (g *rig) inForce(t *testing.T) (names []string) {
	t.Helper()
	trees, err := g.Trees(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range trees {
		err := fs.WalkDir(tree.FS, ".", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range files {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// server serves one archive, whatever it is at the moment, as code hosts do: with an ETag.
type server struct {
	body   []byte
	status int
	asked  int
	token  string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	s.token = r.Header.Get("Authorization")
	tag := fmt.Sprintf("%q", fmt.Sprint(len(s.body)))
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("ETag", tag)
	_, _ = w.Write(s.body)
}

func TestAnUpdateWaitsUntilSomebodyHasSeenIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		g := newRig(t, d)
		host := &server{body: zipOf(t, map[string]string{"sigma-1/rules/a.yml": ruleText(first, "high"), "sigma-1/rules/b.yml": ruleText(second, "low"), "sigma-1/README.md": "x"})}
		at := httptest.NewServer(host)
		defer at.Close()
		id := g.make(t, "zip", at.URL+"/rules.zip", rulesource.Reviewed, "")
		g.check(t, id, rulesource.Waiting)
		if names := g.inForce(t); len(names) != 0 {
			t.Errorf("in force before anybody looked: %q", names)
		}
		g.take(t, id)
		if names := g.inForce(t); !slices.Equal(names, []string{"rules/a.yml", "rules/b.yml"}) || g.reloads != 1 {
			t.Errorf("in force %q, %d reloads", names, g.reloads)
		}
		g.check(t, id, rulesource.Unchanged)

		g.local[first] = true
		host.body = zipOf(t, map[string]string{"sigma-2/rules/a.yml": ruleText(first, "critical"), "sigma-2/rules/new/b.yml": ruleText(second, "low"), "sigma-2/rules/c.yml": ruleText(third, "medium")})
		g.check(t, id, rulesource.Waiting)
		g.check(t, id, rulesource.Waiting) // and is not told again
		if len(g.told) != 2 {
			t.Errorf("told %d times, want once for each update", len(g.told))
		}
		u := g.updates(t, id)[0]
		_, files, more, err := g.Differences(t.Context(), id, u.ID, "", 10)
		if err != nil || more {
			t.Fatal(err, more)
		}
		var said []string
		for _, f := range files {
			line := f.Kind + " " + f.Name
			for _, r := range f.Rules {
				line += fmt.Sprintf(" %s>%s %v", r.Before, r.Level, r.Local)
			}
			said = append(said, line)
		}
		want := []string{"changed rules/a.yml high>critical true", "added rules/c.yml >medium false", "moved rules/new/b.yml low>low false"}
		if !slices.Equal(said, want) {
			t.Errorf("differences %q, want %q", said, want)
		}
		if got := files[0].Lines; !slices.ContainsFunc(got, func(l rulesource.Line) bool { return l.Sign == "-" && l.Text == "level: high" }) {
			t.Errorf("lines %q", got)
		}
		if err := g.Decide(t.Context(), record.System(), id, u.ID, false, ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("declined without a reason: %v", err)
		}
		if err := g.Decide(t.Context(), record.System(), id, u.ID, false, "not before the freeze"); err != nil {
			t.Fatal(err)
		}
		if err := g.Decide(t.Context(), record.System(), id, u.ID, true, ""); !fault.Is(err, fault.Conflict) {
			t.Errorf("taken after it was declined: %v", err)
		}
		if names := g.inForce(t); !slices.Equal(names, []string{"rules/a.yml", "rules/b.yml"}) {
			t.Errorf("declined, and in force %q", names)
		}
		g.check(t, id, rulesource.Unchanged) // the same again is not asked again
	})
}

func (g *rig) updates(t *testing.T, id string) []rulesource.Update {
	t.Helper()
	list, err := g.Updates(t.Context(), id, 20)
	if err != nil || len(list) == 0 {
		t.Fatal("no updates", err)
	}
	return list
}

func (g *rig) take(t *testing.T, id string) {
	t.Helper()
	if err := g.Decide(t.Context(), record.System(), id, g.updates(t, id)[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
}

func TestATrustedSourceIsTakenUnlessItShrinks(t *testing.T) {
	t.Parallel()
	g := newRig(t, dbtest.New(t))
	host := &server{body: zipOf(t, map[string]string{"a.yml": ruleText(first, "high"), "b.yml": ruleText(second, "low"), "c.yml": ruleText(third, "low")})}
	at := httptest.NewServer(host)
	defer at.Close()
	id := g.make(t, "zip", at.URL, rulesource.Trusted, "")
	if err := g.SetToken(t.Context(), record.System(), id, "secret-token"); err != nil {
		t.Fatal(err)
	}
	g.check(t, id, rulesource.Taken)
	if host.token != "Bearer secret-token" {
		t.Errorf("asked with %q", host.token)
	}
	// A token is for whom it was given to.
	other := httptest.NewServer(host)
	defer other.Close()
	if _, err := g.records.Edit(t.Context(), record.System(), rulesource.Name, id, 0, record.Values{"address": other.URL}, ""); err != nil {
		t.Fatal(err)
	}
	g.check(t, id, rulesource.Unchanged)
	if host.token != "" {
		t.Errorf("another address was asked with %q", host.token)
	}
	host.body = zipOf(t, map[string]string{"a.yml": ruleText(first, "high")})
	g.check(t, id, rulesource.Waiting)
	if u := g.updates(t, id)[0]; u.Held != "shrunk" {
		t.Errorf("an update that takes away two of three rules: %+v", u)
	}
	if names := g.inForce(t); len(names) != 3 {
		t.Errorf("in force %q", names)
	}
}

func TestASourceThatFailsTakesNothingAway(t *testing.T) {
	t.Parallel()
	g := newRig(t, dbtest.New(t))
	good := zipOf(t, map[string]string{"a.yml": ruleText(first, "high")})
	host := &server{body: good}
	at := httptest.NewServer(host)
	defer at.Close()
	id := g.make(t, "zip", at.URL, rulesource.Trusted, "")
	g.check(t, id, rulesource.Taken)
	bomb := zipOf(t, map[string]string{"bomb.yml": strings.Repeat("a", 2<<20)})
	for what, body := range map[string][]byte{
		"an error page": []byte("<!doctype html><title>Sorry</title>"), "nothing": {}, "half": good[:len(good)/2], "a bomb": bomb,
		"a clash":  zipOf(t, map[string]string{"a.yml": ruleText(first, "high"), "a.yml/b.yml": ruleText(second, "low")}),
		"no rules": zipOf(t, map[string]string{"docs/a.yml": "a: 1"}),
		"escapes":  zipOf(t, map[string]string{"../../etc/a.yml": ruleText(first, "high"), "/b.yml": ruleText(second, "low"), `c\..\d.yml`: ruleText(third, "low"), ".git/x.yml": ruleText(third, "low")}),
	} {
		host.body = body
		if got, err := g.Check(t.Context(), id); got != rulesource.Failed || fault.Is(err, fault.Internal) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	host.status = http.StatusBadGateway
	g.check(t, id, rulesource.Failed)
	if names := g.inForce(t); len(names) != 1 {
		t.Errorf("in force %q", names)
	}
	if len(g.told) != 1 || g.told[0].Topic != rulesource.Broke {
		t.Errorf("told of a source that is broken: %+v", g.told)
	}
	host.status, host.body = 0, good
	g.check(t, id, rulesource.Unchanged)
}

func TestWhereASourceMayNotBe(t *testing.T) {
	t.Parallel()
	g := newRig(t, dbtest.New(t))
	for _, c := range []struct{ method, address string }{
		{"zip", "file:///etc/passwd"}, {"zip", "https://user:word@example.com/a.zip"}, {"git", "ssh://git@example.com/a"}, {"git", "ext::sh -c id"},
		{"git", "--upload-pack=id"}, {"git", "/etc"}, {"folder", "rules"}, {"folder", "../.."},
	} {
		_, err := g.records.Create(t.Context(), record.System(), rulesource.Name, record.Values{
			"title": "x", "method": c.method, "address": c.address, "trust": rulesource.Reviewed, "starts": "draft", "every": "never"})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s %s: %v", c.method, c.address, err)
		}
	}
	outside := t.TempDir()
	link := filepath.Join(g.folder, "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{outside, link, filepath.Join(g.folder, "..", filepath.Base(outside)), filepath.Join(g.folder, "nowhere"), "/etc"} {
		id := g.make(t, "folder", address, rulesource.Trusted, "")
		if got, err := g.Check(t.Context(), id); got != rulesource.Failed || !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
	for _, address := range []string{"http://169.254.169.254/latest", "http://[::1]:9/x.zip", "http://10.0.0.1/x.zip"} {
		for _, method := range []string{"zip", "git"} {
			id := g.make(t, method, address, rulesource.Trusted, "")
			if got, err := g.Check(t.Context(), id); got != rulesource.Failed || !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s %s: %q, %v", method, address, got, err)
			}
		}
	}
}

func TestAFolder(t *testing.T) {
	t.Parallel()
	g := newRig(t, dbtest.New(t))
	root := filepath.Join(g.folder, "ours")
	write(t, filepath.Join(root, "windows", "a.yml"), ruleText(first, "high"))
	write(t, filepath.Join(root, "linux", "b.yaml"), ruleText(second, "low"))
	write(t, filepath.Join(root, ".git", "c.yml"), ruleText(third, "low"))
	write(t, filepath.Join(g.folder, "beside.yml"), ruleText(third, "low"))
	if err := os.Symlink(filepath.Join(g.folder, "beside.yml"), filepath.Join(root, "out.yml")); err != nil {
		t.Fatal(err)
	}
	id := g.make(t, "folder", root, rulesource.Trusted, "")
	g.check(t, id, rulesource.Taken)
	if names := g.inForce(t); !slices.Equal(names, []string{"linux/b.yaml", "windows/a.yml"}) {
		t.Errorf("in force %q", names)
	}
	only := g.make(t, "folder", root, rulesource.Trusted, "/windows, nothing")
	g.check(t, only, rulesource.Taken)
	if names := g.inForce(t); !slices.Equal(names, []string{"linux/b.yaml", "windows/a.yml", "windows/a.yml"}) {
		t.Errorf("in force %q", names)
	}
	if err := g.records.Delete(t.Context(), record.System(), rulesource.Name, id, 0, "not ours"); err != nil {
		t.Fatal(err)
	}
	if names := g.inForce(t); !slices.Equal(names, []string{"windows/a.yml"}) {
		t.Errorf("after one was deleted: %q", names)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestARepository fetches from git's own server program over HTTP.
func TestARepository(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatalf("the tests need git: %v", err)
	}
	root := t.TempDir()
	work := filepath.Join(root, "work")
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write(t, filepath.Join(work, "rules", "a.yml"), ruleText(first, "high"))
	write(t, filepath.Join(work, "other", "b.yml"), ruleText(second, "high"))
	git("init", "-q", "-b", "main", "work")
	git("-C", "work", "add", "-A")
	git("-C", "work", "commit", "-q", "-m", "one")
	git("-C", "work", "tag", "-a", "v1", "-m", "v1")
	git("clone", "-q", "--bare", "work", "rules.git")
	var auth string
	backend := &cgi.Handler{Path: git("--exec-path") + "/git-http-backend", Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"}}
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		backend.ServeHTTP(w, r)
	}))
	defer at.Close()

	g := newRig(t, dbtest.New(t))
	id := g.make(t, "git", at.URL+"/rules.git", rulesource.Trusted, "rules")
	g.check(t, id, rulesource.Taken)
	if names := g.inForce(t); !slices.Equal(names, []string{"rules/a.yml"}) {
		t.Errorf("in force %q", names)
	}
	if u := g.updates(t, id)[0]; u.Revision != git("-C", "work", "rev-parse", "HEAD") {
		t.Errorf("revision %s", u.Revision)
	}
	g.check(t, id, rulesource.Unchanged)

	write(t, filepath.Join(work, "rules", "c.yml"), ruleText(third, "low"))
	git("-C", "work", "add", "-A")
	git("-C", "work", "commit", "-q", "-m", "two")
	git("-C", "work", "push", "-q", filepath.Join(root, "rules.git"), "main")
	if err := g.SetToken(t.Context(), record.System(), id, "word"); err != nil {
		t.Fatal(err)
	}
	g.check(t, id, rulesource.Taken)
	if names := g.inForce(t); !slices.Equal(names, []string{"rules/a.yml", "rules/c.yml"}) {
		t.Errorf("in force %q", names)
	}
	if !strings.HasPrefix(auth, "Basic ") {
		t.Errorf("asked with %q", auth)
	}
	for branch, want := range map[string]string{"v1": rulesource.Taken, "nowhere": rulesource.Failed} {
		if _, err := g.records.Edit(t.Context(), record.System(), rulesource.Name, id, 0, record.Values{"branch": branch}, ""); err != nil {
			t.Fatal(err)
		}
		if got, err := g.Check(context.WithoutCancel(t.Context()), id); got != want && !(branch == "v1" && got == rulesource.Waiting) {
			t.Errorf("branch %s: %q, %v", branch, got, err)
		}
	}
	missing := g.make(t, "git", at.URL+"/no.git", rulesource.Trusted, "")
	g.check(t, missing, rulesource.Failed)
}

func TestFilesInUseAreKnown(t *testing.T) {
	t.Parallel()
	g := newRig(t, dbtest.New(t))
	at := httptest.NewServer(&server{body: zipOf(t, map[string]string{"a.yml": ruleText(first, "high")})})
	defer at.Close()
	g.check(t, g.make(t, "zip", at.URL, rulesource.Reviewed, ""), rulesource.Waiting)
	err := g.blobs.Walk(t.Context(), func(b blob.Stored) error {
		used, err := rulesource.Uses(g.db)(t.Context(), b.SHA256)
		if err == nil && !used {
			t.Errorf("nobody would use %s", b.SHA256)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if used, err := rulesource.Uses(g.db)(t.Context(), strings.Repeat("0", 64)); used || err != nil {
		t.Errorf("a file that nobody has is used: %v", err)
	}
}

// TestSigmaHQ takes a whole real repository: every rule of it, and nothing again where nothing changed.
func TestSigmaHQ(t *testing.T) {
	corpus := os.Getenv("YAGURA_CORPUS")
	if corpus == "" {
		t.Skip("YAGURA_CORPUS names no folder of real rules")
	}
	corpus, err := filepath.Abs(corpus)
	if err != nil {
		t.Fatal(err)
	}
	g := newRig(t, dbtest.NewSQLite(t, time.Now), filepath.Join(corpus, "sigma"))
	id := g.make(t, "folder", filepath.Join(corpus, "sigma"), rulesource.Trusted, "rules rules-emerging-threats")
	g.check(t, id, rulesource.Taken)
	u := g.updates(t, id)[0]
	if u.Rules < 3000 || u.Added < 3000 || u.Refused > 20 || int(u.Added) != len(g.inForce(t)) {
		t.Errorf("taken %+v", u)
	}
	g.check(t, id, rulesource.Unchanged)
	_, files, more, err := g.Differences(t.Context(), id, u.ID, "rules/linux", 5)
	if err != nil || !more || len(files) != 5 || !strings.HasPrefix(files[0].Name, "rules/linux/") || files[0].Rules[0].Author == "" {
		t.Errorf("differences behind a name: %+v, %v, %v", files, more, err)
	}
}
