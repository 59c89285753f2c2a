package rulesource

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"archive/zip"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/seal"
	"yagura/sigma"
)

// Notifier tells people in the transaction of what it tells of.
type Notifier interface {
	Send(tx *db.Tx, x notify.Notice) error
}

// Options are a Store's surroundings.
type Options struct {
	DB      *db.DB
	Ledger  *ledger.Log
	Records *record.Store // the kind is registered
	Blobs   *blob.Store
	Keys    *seal.Keys
	Notify  Notifier      // nil: nobody is told
	HTTP    httpx.Options // proxy, exceptions and agent of whatever asks other servers
	Dir     string        // a folder of this node for copies of packs
	Folders []string      // below which sources that are folders may lie
	Log     *slog.Logger

	// Key names a rule as the library does; Local tells whether one of our own counts in its place.
	Key   func(*sigma.Rule) string
	Local func(key string) bool
	// Reload is called when other packs are in force.
	Reload func()
}

// Store keeps sources of rules.
type Store struct {
	opt   Options
	fetch *fetcher
	queue *jobs.Queue

	mu     sync.Mutex
	copies map[string]*opened // of packs, by SHA-256
}

// opened is this node's copy of a pack.
type opened struct {
	*zip.ReadCloser
	unused time.Time // since when no source has it in force; zero: one has
}

// Open makes the folders. The tables are there.
func Open(opt Options) (*Store, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	scratch := filepath.Join(opt.Dir, "fetching")
	if err := os.RemoveAll(scratch); err != nil { // what a killed process left
		return nil, fmt.Errorf("sources of rules: %w", err)
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("sources of rules: %w", err)
	}
	how := opt.HTTP
	how.Timeout, how.MaxBody, how.Redirects = fetchLimit, maxArchive, 5
	client, err := httpx.New(how)
	return &Store{opt: opt, fetch: &fetcher{client: client, folders: opt.Folders, scratch: scratch}, copies: make(map[string]*opened)}, err
}

// Work has sources looked at when they are due, and at once where they are new or look elsewhere now.
func (s *Store) Work(q *jobs.Queue, zone *time.Location) {
	s.queue = q
	s.opt.Records.Listen(s.heard)
	jobs.Register(q, jobs.Spec{Name: "rulesource.check", Owner: Name, Attempts: 1, Timeout: 2 * fetchLimit, Concurrency: 1},
		func(ctx context.Context, c check) error {
			_, err := s.Check(ctx, c.Source)
			if fault.CodeOf(err) != fault.Internal {
				return nil // what is wrong with a source stands on its page, and it is looked at again when it is due
			}
			return err
		})
	jobs.Register(q, jobs.Spec{Name: "rulesource.due", Owner: Name, Attempts: 2, Single: true}, func(ctx context.Context, _ struct{}) error {
		return s.due(ctx)
	})
	q.Schedule("rulesource.due", jobs.MustCron("*/5 * * * *", zone), "rulesource.due", struct{}{})
}

// heard is told of what people do with sources.
func (s *Store) heard(tx *db.Tx, e record.Event) error {
	if e.Record.Kind.Name != Name {
		return nil
	}
	before, after := e.Before, e.Record
	if before != nil && before.DeletedAt.IsZero() != after.DeletedAt.IsZero() {
		tx.AfterCommit(s.opt.Reload) // its rules go, or come back
	}
	if before != nil && before.Str("address") != after.Str("address") {
		// A token is for whom it was given to: another address must not be asked with it.
		if err := s.forgetToken(tx, after.ID); err != nil {
			return err
		}
	}
	fresh := before == nil || elsewhere(before, after) || before.State != after.State
	if !fresh || !after.DeletedAt.IsZero() || after.State != active {
		return nil
	}
	return s.Ask(tx, after.ID)
}

func (s *Store) forgetToken(tx *db.Tx, id string) error {
	gone, err := tx.Exec(`DELETE FROM rulesource_token WHERE id = $1`, id)
	if err != nil || gone == 0 {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: "rulesource_token", Key: id, Action: "delete"})
}

// Ask has a source looked at soon.
func (s *Store) Ask(tx *db.Tx, id string) error {
	_, err := s.queue.Add(tx, "rulesource.check", check{id}, jobs.Unique(id), jobs.WithPriority(jobs.High))
	return err
}

// check is the payload of the job that looks at one source.
type check struct{ Source string }

// due adds a job for each source that is to be looked at.
func (s *Store) due(ctx context.Context) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		now := tx.Now()
		hours := func(n int) int64 { return db.Micros(now.Add(-time.Duration(n)*time.Hour + 5*time.Minute/2)) }
		ids, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT id FROM rulesource_source WHERE deleted_at = 0 AND state = $1 AND
			(every = 'hour' AND checked <= $2 OR every = 'day' AND checked <= $3 OR every = 'week' AND checked <= $4) ORDER BY checked LIMIT 100`,
			active, hours(1), hours(24), hours(24*7))
		for _, id := range ids {
			if err == nil {
				err = s.Ask(tx, id)
			}
		}
		return err
	})
}

// changed is the room's own part of a change: an address must do for its method, and what was known of another place is forgotten.
func changed(tx *db.Tx, before, after *record.Record) error {
	if before != nil && !elsewhere(before, after) {
		return nil
	}
	if before != nil {
		if _, err := tx.Exec(`UPDATE rulesource_fetch SET revision = '' WHERE id = $1`, after.ID); err != nil {
			return err
		}
	}
	wrong := func(key string) error {
		return record.Wrong{"address": fault.New(fault.Invalid, key, "the address will not do for a source of the method %s", after.Str("method"))}
	}
	address := after.Str("address")
	if after.Str("method") == "folder" {
		if !filepath.IsAbs(address) {
			return wrong("rulesource.fault.absolute")
		}
		return nil
	}
	if _, err := httpx.CheckURL(address); err != nil {
		return record.Wrong{"address": err}
	}
	if u, err := url.Parse(address); err != nil || u.RawQuery != "" && after.Str("method") == "git" {
		return wrong("rulesource.fault.address")
	}
	return nil
}

// elsewhere reports whether a source was told to look at another place.
func elsewhere(before, after *record.Record) bool {
	for _, field := range []string{"address", "branch", "folders"} {
		if before.Str(field) != after.Str(field) {
			return true
		}
	}
	return false
}

// state is what the machine knows of a source besides its record.
type state struct {
	pack, revision string
	problem        string
	failures       int64
}

func readState(tx *db.Tx, id string) (st state, err error) {
	found, err := db.List(tx, func(row db.Scanner) (st state, err error) {
		return st, row.Scan(&st.pack, &st.revision, &st.problem, &st.failures)
	}, `SELECT pack, revision, problem, failures FROM rulesource_fetch WHERE id = $1`, id)
	if len(found) == 1 {
		st = found[0]
	}
	return st, err
}

func (st state) write(tx *db.Tx, id string) error {
	_, err := tx.Exec(`INSERT INTO rulesource_fetch (id, pack, revision, problem, failures) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET pack = excluded.pack, revision = excluded.revision, problem = excluded.problem, failures = excluded.failures`,
		id, st.pack, st.revision, st.problem, st.failures)
	return err
}

// trouble is a fault as it is kept, so that each reader has it in their language.
type trouble struct {
	Key    string   `json:"key,omitempty"`
	Args   []string `json:"args,omitempty"`
	Detail string   `json:"detail"`
}

func troubleOf(err error) string {
	t := trouble{Detail: err.Error()}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		t.Key = f.Key
		for _, a := range f.Args {
			t.Args = append(t.Args, fmt.Sprint(a))
		}
	}
	t.Detail = t.Detail[:min(len(t.Detail), 1000)]
	text, err := json.Marshal(t)
	if err != nil {
		return ""
	}
	return string(text)
}

// fault is why the last look failed; nil where it did not.
func (st state) fault() error {
	if st.problem == "" {
		return nil
	}
	var t trouble
	if err := json.Unmarshal([]byte(st.problem), &t); err != nil {
		return err
	}
	f := &fault.Error{Code: fault.Unavailable, Key: cmp.Or(t.Key, "rulesource.fault.other"), Detail: t.Detail}
	for _, a := range t.Args {
		f.Args = append(f.Args, a)
	}
	return f
}

// SetToken keeps what a private source wants to be asked with; "" forgets it.
func (s *Store) SetToken(ctx context.Context, by *auth.User, id, token string) error {
	if token = strings.TrimSpace(token); len(token) > 4096 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fault.New(fault.Invalid, "rulesource.fault.token", "the token has characters that none has, or is too long")
	}
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := s.writable(tx, by, id); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM rulesource_token WHERE id = $1`, id); err != nil {
			return err
		}
		if token == "" {
			return s.opt.Ledger.Append(tx, ledger.Entry{Table: "rulesource_token", Key: id, Action: "delete"})
		}
		sealed, err := s.opt.Keys.Seal(tokenColumn().Purpose(id), []byte(token))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO rulesource_token (id, sealed, set_at, set_by) VALUES ($1, $2, $3, $4)`, id, sealed, db.Micros(tx.Now()), tx.Actor()); err != nil {
			return err
		}
		return s.opt.Ledger.Append(tx, ledger.Entry{Table: "rulesource_token", Key: id, Action: "set"})
	})
}

// writable is a source that somebody may change.
func (s *Store) writable(tx *db.Tx, by *auth.User, id string) (*record.Record, error) {
	rec, err := s.opt.Records.GetTx(tx, by, Name, id)
	switch {
	case err != nil:
		return nil, err
	case !by.May(string(MayWrite)):
		return nil, fault.New(fault.Forbidden, "fault.forbidden", "changing takes %s", MayWrite)
	case !rec.DeletedAt.IsZero():
		return nil, fault.New(fault.Conflict, "record.fault.deleted", "the source is deleted")
	}
	return rec, nil
}

func (s *Store) token(tx *db.Tx, id string) (string, error) {
	found, err := db.List(tx, func(row db.Scanner) (sealed string, err error) { return sealed, row.Scan(&sealed) },
		`SELECT sealed FROM rulesource_token WHERE id = $1`, id)
	if err != nil || len(found) == 0 {
		return "", err
	}
	plain, err := s.opt.Keys.Open(tokenColumn().Purpose(id), found[0])
	return string(plain), err
}

// pack reads a pack from the store of files; "" is none.
func (s *Store) pack(ctx context.Context, sha string) (Pack, error) {
	if sha == "" {
		return nil, nil
	}
	in, err := s.opt.Blobs.Open(ctx, sha)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxTotal))
	if err != nil {
		return nil, err
	}
	return unarchive(data)
}

// keep puts a pack into the store of files.
func (s *Store) keep(ctx context.Context, p Pack) (sha string, err error) {
	data, err := p.archive()
	if err != nil {
		return "", err
	}
	kept, err := s.opt.Blobs.Put(ctx, bytes.NewReader(data), int64(len(data)))
	return kept.SHA256, err
}

// Uses tells whether a source uses a file of the store: the packs in force, and those of updates that can still be looked at.
func Uses(d *db.DB) func(ctx context.Context, sha string) (bool, error) {
	return func(ctx context.Context, sha string) (used bool, err error) {
		err = d.Read(ctx, func(tx *db.Tx) error {
			var n int
			err := tx.QueryRow(`SELECT (SELECT COUNT(*) FROM rulesource_fetch WHERE pack = $1)
			+ (SELECT COUNT(*) FROM (SELECT 1 FROM rulesource_update WHERE pack = $1 OR before = $1 LIMIT 1) AS found)`, sha).Scan(&n)
			used = n > 0
			return err
		})
		return used, err
	}
}
