package rulesource

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
)

// Update is a pack that a source brought.
type Update struct {
	ID, SourceID            string
	Found                   time.Time
	State                   string // waiting, taken, declined, overtaken
	Revision                string
	Rules, Refused          int64
	Added, Changed, Removed int64
	Held                    string // why it waits although its source is trusted: "shrunk"
	Decided                 time.Time
	DecidedBy, Why          string

	pack, before string
}

const updateColumns = `id, source_id, found_at, state, revision, rules, refused, added, changed, removed, held, decided_at, decided_by, why, pack, before`

func scanUpdate(row db.Scanner) (u Update, err error) {
	var found, decided int64
	err = row.Scan(&u.ID, &u.SourceID, &found, &u.State, &u.Revision, &u.Rules, &u.Refused, &u.Added, &u.Changed, &u.Removed, &u.Held, &decided,
		&u.DecidedBy, &u.Why, &u.pack, &u.before)
	u.Found, u.Decided = db.Time(found), db.Time(decided)
	return u, err
}

// Check looks at a source and keeps what it brings. It returns the outcome; an error is also kept with the source.
func (s *Store) Check(ctx context.Context, id string) (outcome string, err error) {
	var rec *record.Record
	var st state
	var token string
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if rec, err = s.opt.Records.GetTx(tx, record.System(), Name, id); err != nil {
			return err
		}
		if st, err = readState(tx, id); err != nil {
			return err
		}
		token, err = s.token(tx, id)
		return err
	})
	if err != nil || !rec.DeletedAt.IsZero() {
		return "", err
	}
	brought, err := s.bring(ctx, rec, st, token)
	if err != nil {
		if ctx.Err() != nil {
			return "", err // told to stop: that says nothing of the source
		}
		return Failed, errors.Join(err, s.failed(ctx, rec, err))
	}
	return s.settle(ctx, rec, brought)
}

// brought is what a look at a source found.
type brought struct {
	revision string
	same     bool // as what is in force, or as what waits already
	pack     string
	figures  figures
	before   figures
	current  string
}

// bring fetches a source and compares it with what is in force.
func (s *Store) bring(ctx context.Context, rec *record.Record, st state, token string) (b brought, err error) {
	got, err := s.fetch.fetch(ctx, origin{
		method: rec.Str("method"), address: rec.Str("address"), branch: rec.Str("branch"), folders: rec.Str("folders"), token: token, revision: st.revision,
	})
	b = brought{revision: got.revision, current: st.pack, same: got.files == nil}
	if err == nil && got.revision != "" && got.revision == st.revision {
		b.same = true // seen before, and perhaps declined: the next one is waited for
	}
	if err != nil || b.same {
		return b, err
	}
	current, err := s.pack(ctx, st.pack)
	if err != nil {
		return b, err
	}
	pack := got.files.pack(current, time.Now())
	b.figures, b.before = review(current, pack), review(nil, current)
	if b.figures.rules == 0 {
		return b, fault.New(fault.Invalid, "rulesource.fault.none", "there is no rule in it that can be used")
	}
	if b.same = pack.same(current); b.same {
		return b, nil
	}
	b.pack, err = s.keep(ctx, pack)
	return b, err
}

// settle keeps what a look brought, and takes it where the source is trusted.
func (s *Store) settle(ctx context.Context, rec *record.Record, b brought) (outcome string, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		now, err := s.opt.Records.GetTx(tx, record.System(), Name, rec.ID)
		if err != nil {
			return err
		}
		if elsewhere(rec, now) || !now.DeletedAt.IsZero() {
			return nil // it looks elsewhere meanwhile, and is looked at again for that
		}
		st, err := readState(tx, rec.ID)
		if err != nil {
			return err
		}
		if st.pack != b.current {
			return nil // another update was taken meanwhile: what changes is to be counted again
		}
		st.revision, st.problem, st.failures = b.revision, "", 0
		if err := st.write(tx, rec.ID); err != nil {
			return err
		}
		waits, err := s.waiting(tx, rec.ID)
		if err != nil {
			return err
		}
		if outcome = Unchanged; waits != nil {
			outcome = Waiting
		}
		if !b.same {
			outcome, err = s.came(tx, now, waits, b)
		}
		if err != nil {
			return err
		}
		return s.looked(tx, rec.ID, outcome)
	})
	return outcome, err
}

// looked writes down how a look went.
func (s *Store) looked(tx *db.Tx, id, outcome string) error {
	_, err := tx.Exec(`UPDATE rulesource_source SET outcome = $1, checked = $2 WHERE id = $3`, outcome, db.Micros(tx.Now()), id)
	return err
}

// waiting is the update of a source that waits for somebody; nil for none.
func (s *Store) waiting(tx *db.Tx, source string) (*Update, error) {
	found, err := db.List(tx, scanUpdate, `SELECT `+updateColumns+` FROM rulesource_update WHERE source_id = $1 AND state = 'waiting'`, source)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// came keeps an update. One that waited is overtaken by it.
func (s *Store) came(tx *db.Tx, rec *record.Record, waits *Update, b brought) (outcome string, err error) {
	if waits != nil && waits.Revision == b.revision {
		return Waiting, nil
	}
	if waits != nil {
		if err := s.decide(tx, waits.ID, "overtaken", "", ""); err != nil {
			return "", err
		}
	}
	u := Update{
		ID: db.NewID(), SourceID: rec.ID, State: "waiting", Revision: b.revision, pack: b.pack, before: b.current,
		Rules: int64(b.figures.rules), Refused: int64(b.figures.refused),
		Added: int64(b.figures.added), Changed: int64(b.figures.changed), Removed: int64(b.figures.removed),
	}
	if rec.Str("trust") == Trusted && shrunk(b.before, b.figures) {
		u.Held = "shrunk"
	}
	_, err = tx.Exec(`INSERT INTO rulesource_update (`+updateColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', '', $12, $13)`,
		u.ID, u.SourceID, db.Micros(tx.Now()), u.State, u.Revision, u.Rules, u.Refused, u.Added, u.Changed, u.Removed, u.Held, u.pack, u.before)
	if err != nil {
		return "", fmt.Errorf("keeping an update of rules: %w", err)
	}
	if err := s.opt.Ledger.Append(tx, ledger.Entry{Table: "rulesource_update", Key: u.ID, Action: "found"}); err != nil {
		return "", err
	}
	if rec.Str("trust") == Trusted && u.Held == "" {
		return Taken, s.take(tx, u, "")
	}
	changes := u.Added + u.Changed + u.Removed
	return Waiting, s.tell(tx, Came, u.ID, rec, notify.Args{"source": notify.Text(rec.Title), "changes": notify.Text(strconv.FormatInt(changes, 10))})
}

func (s *Store) tell(tx *db.Tx, topic, key string, rec *record.Record, args notify.Args) error {
	if s.opt.Notify == nil {
		return nil
	}
	return s.opt.Notify.Send(tx, notify.Notice{
		Topic: topic, Key: key, Ref: ref.Ref{Kind: Name, ID: rec.ID}, Unit: rec.Unit, Args: args, To: notify.Audience{Permission: string(MayWrite)},
	})
}

// tellAfter is how often in a row a source has failed when people are told, once until it works again.
const tellAfter = 3

// failed keeps why a look failed.
func (s *Store) failed(ctx context.Context, rec *record.Record, why error) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		st, err := readState(tx, rec.ID)
		if err != nil {
			return err
		}
		st.problem, st.failures = troubleOf(why), st.failures+1
		if err := errors.Join(st.write(tx, rec.ID), s.looked(tx, rec.ID, Failed)); err != nil || st.failures != tellAfter {
			return err
		}
		return s.tell(tx, Broke, "", rec, notify.Args{"source": notify.Text(rec.Title)})
	})
}

// decide ends an update's wait.
func (s *Store) decide(tx *db.Tx, id, how, by, why string) error {
	_, err := tx.Exec(`UPDATE rulesource_update SET state = $1, decided_at = $2, decided_by = $3, why = $4 WHERE id = $5`, how, db.Micros(tx.Now()), by, why, id)
	if err != nil {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: "rulesource_update", Key: id, Action: how})
}

// take puts an update into force.
func (s *Store) take(tx *db.Tx, u Update, by string) error {
	st, err := readState(tx, u.SourceID)
	if err != nil {
		return err
	}
	st.pack = u.pack
	if err := errors.Join(st.write(tx, u.SourceID), s.decide(tx, u.ID, "taken", by, "")); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE rulesource_source SET rules = $1, renewed = $2 WHERE id = $3`, u.Rules, db.Micros(tx.Now()), u.SourceID); err != nil {
		return err
	}
	tx.AfterCommit(s.opt.Reload)
	return nil
}

// Decide takes an update that waits, or declines it with a reason: then the next one is waited for. A fault.Conflict where it waits no more.
func (s *Store) Decide(ctx context.Context, by *auth.User, source, id string, take bool, why string) error {
	if !take && why == "" {
		return record.Wrong{"why": fault.New(fault.Invalid, "record.fault.missing", "a reason must be given")}
	}
	if utf8.RuneCountInString(why) > record.MaxNote {
		return record.Wrong{"why": &fault.Error{Code: fault.Invalid, Key: "record.fault.long", Args: []any{record.MaxNote}, Detail: "the reason is too long"}}
	}
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if _, err := s.writable(tx, by, source); err != nil {
			return err
		}
		u, err := s.update(tx, source, id)
		switch {
		case err != nil:
			return err
		case u.State != "waiting":
			return fault.New(fault.Conflict, "rulesource.fault.decided", "the update is %s", u.State)
		case take:
			if err := s.take(tx, u, by.ID); err != nil {
				return err
			}
			return s.looked(tx, source, Taken)
		default:
			if err := s.decide(tx, id, "declined", by.ID, why); err != nil {
				return err
			}
			return s.looked(tx, source, Unchanged)
		}
	})
}

func (s *Store) update(tx *db.Tx, source, id string) (Update, error) {
	found, err := db.List(tx, scanUpdate, `SELECT `+updateColumns+` FROM rulesource_update WHERE source_id = $1 AND id = $2`, source, id)
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "rulesource.fault.update", "the source has no update %q", id)
	}
	if err != nil {
		return Update{}, err
	}
	return found[0], nil
}

// Updates lists a source's latest updates, the newest first.
func (s *Store) Updates(ctx context.Context, source string, limit int) (list []Update, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err = db.List(tx, scanUpdate, `SELECT `+updateColumns+` FROM rulesource_update WHERE source_id = $1 ORDER BY found_at DESC, id DESC LIMIT $2`, source, limit)
		return err
	})
	return list, err
}

// Differences lists what an update changes, file by file: at most limit, those behind a name.
func (s *Store) Differences(ctx context.Context, source, id, after string, limit int) (u Update, list []Difference, more bool, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		u, err = s.update(tx, source, id)
		return err
	})
	if err != nil {
		return u, nil, false, err
	}
	old, err := s.pack(ctx, u.before)
	if err != nil {
		return u, nil, false, err
	}
	came, err := s.pack(ctx, u.pack)
	if err != nil {
		return u, nil, false, err
	}
	for _, d := range compare(old, came) {
		if d.name() <= after {
			continue
		}
		if len(list) == limit {
			return u, list, true, nil
		}
		list = append(list, d.describe(s.opt.Key, s.opt.Local))
	}
	return u, list, false, nil
}

// Tree is the rule files of a source that are in force.
type Tree struct {
	ID, Title string
	FS        fs.FS
	Starts    string // the state that new rules of it begin in
}

// Trees are the files of all sources. Each node has a copy of its own of every pack; one that cannot be had now is left out, with an error.
func (s *Store) Trees(ctx context.Context) (list []Tree, err error) {
	type one struct{ id, title, starts, pack string }
	var all []one
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		all, err = db.List(tx, func(row db.Scanner) (o one, err error) { return o, row.Scan(&o.id, &o.title, &o.starts, &o.pack) },
			`SELECT s.id, s.title, s.starts, f.pack FROM rulesource_source s JOIN rulesource_fetch f ON f.id = s.id WHERE s.deleted_at = 0 AND f.pack <> '' ORDER BY s.created_at, s.id`)
		return err
	})
	if err != nil {
		return nil, err
	}
	var failed []error
	used := make(map[string]bool, len(all))
	for _, o := range all {
		used[o.pack] = true
		tree, err := s.open(ctx, o.pack)
		if err != nil {
			failed = append(failed, fmt.Errorf("the rules of %s: %w", o.title, err))
			continue
		}
		list = append(list, Tree{o.id, o.title, tree, o.starts})
	}
	s.forget(used, time.Now())
	return list, errors.Join(failed...)
}

// grace is how long a copy stays open after another pack came into force: somebody may be reading its rules.
const grace = time.Hour

// forget closes and removes copies that are used no more.
func (s *Store) forget(used map[string]bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sha, c := range s.copies {
		switch {
		case used[sha]:
			c.unused = time.Time{}
		case c.unused.IsZero():
			c.unused = now
		case now.Sub(c.unused) > grace:
			delete(s.copies, sha)
			if err := errors.Join(c.Close(), os.Remove(s.place(sha))); err != nil {
				s.opt.Log.Warn("a copy of rules cannot be removed", "error", err)
			}
		}
	}
}

// place is where this node has its copy of a pack.
func (s *Store) place(sha string) string { return filepath.Join(s.opt.Dir, sha+".zip") }

// open opens this node's copy of a pack. Copies stay open while the program runs: rules are read from them when they are shown.
func (s *Store) open(ctx context.Context, sha string) (fs.FS, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.copies[sha]; known != nil {
		return known, nil
	}
	tree, err := zip.OpenReader(s.place(sha))
	if err != nil {
		if err = s.copy(ctx, sha); err == nil {
			tree, err = zip.OpenReader(s.place(sha))
		}
	}
	if err != nil {
		return nil, err
	}
	s.copies[sha] = &opened{ReadCloser: tree}
	return tree, nil
}

func (s *Store) copy(ctx context.Context, sha string) error {
	in, err := s.opt.Blobs.Open(ctx, sha)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Join(s.opt.Dir, "fetching"), "pack-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), s.place(sha))
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

// Close closes the copies.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, c := range s.copies {
		errs = append(errs, c.Close())
	}
	clear(s.copies)
	return errors.Join(errs...)
}
