package record

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/calendar"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/fulltext"
	"yagura/internal/platform/ledger"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations are the kernel's own tables, for db.Migrate(ctx, "record", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Tables are the kernel's own records, for the ledger; each kind's own table is Kind.Ledger.
func Tables() []ledger.Table {
	return append([]ledger.Table{
		{Name: "record_history", Key: "id"},
		{Name: "record_view", Key: "id"},
		{Name: "record_export", Key: "id"},
		{Name: "record_import", Key: "id"},
	}, things()...)
}

// People is what records need to know of people and organisation units.
type People interface {
	// PersonID finds a person by id, mail address or name; fault.Invalid where there is none, or more than one.
	PersonID(ctx context.Context, text string) (string, error)
	// UnitID finds a unit by id, code or name; likewise.
	UnitID(ctx context.Context, text string) (string, error)
	// Below returns the ids of all units below one.
	Below(ctx context.Context, unit string) ([]string, error)
	// Someone returns a person who is active, with what they may do now; fault.NotFound for any other.
	Someone(tx *db.Tx, id string) (*auth.User, error)
	// Called returns the id of the active person whom a mention means: a mail address, or the part before its "@" where that is one
	// person's. "" where it is nobody's.
	Called(tx *db.Tx, text string) (string, error)
}

// Options are what a Store needs.
type Options struct {
	DB     *db.DB
	Ledger *ledger.Log
	People People
	Blobs  *blob.Store // where attachments are kept
	// MaxFile is the largest attachment, in bytes; 0 is DefaultMaxFile.
	MaxFile int64
	// KeepRemoved is how long the file of an attachment that was removed is kept; 0 is for ever.
	KeepRemoved time.Duration
	// Class is what the organisation's papers are where their kind says nothing else; "" is Internal.
	Class Class
	// Calendar knows the holidays by which tasks that come again are shifted; nil knows none.
	Calendar *calendar.Calendar
}

// Store keeps records of every kind. Register first, then use; after that it is safe for concurrent use.
type Store struct {
	opt       Options
	kinds     map[string]*kept
	order     []string
	listeners []Listener
	reminded  []TaskListener
	due       []DueListener
	late      []ApprovalListener

	mu sync.Mutex // for reindexing
}

// kept is a kind with what the store needs for it.
type kept struct {
	*Kind
	text    *fulltext.Index
	columns string // of the whole row, in the order of scan
}

// Event is something that was done to a record.
type Event struct {
	Record  *Record
	Before  *Record // nil for a new record
	Action  string  // as in the history
	Note    string
	Changes []Change
	// Mentions are the people whom it concerns, and who may see the record: those whom a comment names, whom an original is handed to,
	// whose approval is asked for.
	Mentions []string
}

// Listener is told of each event in its transaction: it must not wait for anything slow. Its error undoes the change.
type Listener func(tx *db.Tx, e Event) error

// New makes a store; the tables of Migrations are there.
func New(opt Options) *Store { return &Store{opt: opt, kinds: make(map[string]*kept)} }

// Listen has a listener told of everything.
func (s *Store) Listen(l Listener) { s.listeners = append(s.listeners, l) }

// Register makes a kind known. Its table is there. Errors: a declaration that will not do.
func (s *Store) Register(ctx context.Context, k *Kind) error {
	if s.kinds[k.Name] != nil {
		return fmt.Errorf("the kind %s is registered twice", k.Name)
	}
	if err := k.prepare(); err != nil {
		return err
	}
	text, err := fulltext.Open(ctx, s.opt.DB, k.Table+"_text")
	if err != nil {
		return err
	}
	known := &kept{Kind: k, text: text}
	names := slices.Clone(base())
	for i := range k.Fields {
		names = append(names, k.Fields[i].column())
	}
	known.columns = strings.Join(names, ", ")
	s.kinds[k.Name], s.order = known, append(s.order, k.Name)
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, known.scan, `SELECT `+known.columns+` FROM `+k.Table+` LIMIT 1`)
		return err
	})
	if err != nil {
		return fmt.Errorf("the table of kind %s: %w", k.Name, err)
	}
	return nil
}

// base are the columns that every kind's table has.
func base() []string {
	return []string{"id", "title", "state", "owner", "unit", "due", "tags", "created_at", "created_by", "updated_at", "updated_by",
		"version", "deleted_at", "deleted_by", "deleted_why"}
}

// Kind returns a kind by name; a fault.NotFound where there is none.
func (s *Store) Kind(name string) (*Kind, error) {
	k, err := s.kind(name)
	if err != nil {
		return nil, err
	}
	return k.Kind, nil
}

func (s *Store) kind(name string) (*kept, error) {
	if k := s.kinds[name]; k != nil {
		return k, nil
	}
	return nil, fault.New(fault.NotFound, "", "there is no kind of record %q", name)
}

// Kinds lists all kinds, in the order they were registered.
func (s *Store) Kinds() []*Kind {
	list := make([]*Kind, len(s.order))
	for i, name := range s.order {
		list[i] = s.kinds[name].Kind
	}
	return list
}

// Env is who reads or writes records, for texts that depend on it.
func (s *Store) Env(ctx context.Context, by *auth.User, zone *time.Location) *Env {
	env := &Env{By: by, Zone: zone, Now: time.Now().UTC()}
	if people := s.opt.People; people != nil {
		env.Person = func(text string) (string, error) { return people.PersonID(ctx, text) }
		env.Unit = func(text string) (string, error) { return people.UnitID(ctx, text) }
		env.Below = func(id string) ([]string, error) { return people.Below(ctx, id) }
	}
	return env
}

const systemID = "system"

// System is the program itself, which may do everything with records.
func System() *auth.User {
	return &auth.User{ID: systemID, Name: systemID, Allowed: func(string) bool { return true }}
}

func (k *kept) scan(row db.Scanner) (*Record, error) {
	r := &Record{Kind: k.Kind, Values: make(map[string]any, len(k.Fields))}
	var tags string
	var due, created, updated, deleted int64
	into := make([]any, 0, 15+len(k.Fields))
	into = append(into, &r.ID, &r.Title, &r.State, &r.Owner, &r.Unit, &due, &tags, &created, &r.CreatedBy, &updated, &r.UpdatedBy,
		&r.Version, &deleted, &r.DeletedBy, &r.DeletedWhy)
	raw := make([]any, len(k.Fields))
	for i := range raw {
		into = append(into, &raw[i])
	}
	if err := row.Scan(into...); err != nil {
		return nil, err
	}
	r.Due, r.CreatedAt, r.UpdatedAt, r.DeletedAt = db.Time(due), db.Time(created), db.Time(updated), db.Time(deleted)
	r.Tags = strings.Fields(tags)
	for i := range raw {
		v, err := k.Fields[i].Type.fromDB(raw[i])
		if err != nil {
			return nil, fmt.Errorf("the field %s of %s: %w", k.Fields[i].Name, k.Ref(r.ID), err)
		}
		r.Values[k.Fields[i].Name] = v
	}
	return r, nil
}

// visible are the conditions under which records of the kind are shown to somebody: a permission, and what the kind says.
func (k *kept) visible(tx *db.Tx, by *auth.User, w *db.Where) error {
	if !by.May(k.MayRead()) {
		return fault.New(fault.Forbidden, "fault.forbidden", "reading takes %s", k.MayRead())
	}
	if k.Visible == nil {
		return nil
	}
	return k.Visible(tx, by, w)
}

// Get returns a record that may be shown to somebody; else fault.NotFound. A deleted one is shown to who may delete, and restore.
func (s *Store) Get(ctx context.Context, by *auth.User, kind, id string) (r *Record, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		r, err = s.GetTx(tx, by, kind, id)
		return err
	})
	return r, err
}

// GetTx is Get within a transaction.
func (s *Store) GetTx(tx *db.Tx, by *auth.User, kind, id string) (*Record, error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	w := new(db.Where)
	w.And("id = ?", id)
	if err := k.visible(tx, by, w); err != nil {
		return nil, err
	}
	r, err := k.scan(tx.QueryRow(`SELECT `+k.columns+` FROM `+k.Table+w.String(), w.Args()...))
	if err == nil && !r.DeletedAt.IsZero() && !by.May(k.MayDelete()) {
		return nil, fault.New(fault.NotFound, "", "%s is deleted", k.Ref(id))
	}
	return r, err
}

// May reports whether a record may be shown to somebody.
func (s *Store) May(tx *db.Tx, by *auth.User, kind, id string) (bool, error) {
	_, err := s.GetTx(tx, by, kind, id)
	switch fault.CodeOf(err) {
	case "":
		return true, nil
	case fault.NotFound, fault.Forbidden:
		return false, nil
	}
	return false, err
}

// Find returns the records of a kind that have the given ids and may be shown to somebody, by id.
func (s *Store) Find(tx *db.Tx, by *auth.User, kind string, ids []string) (map[string]*Record, error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Record, len(ids))
	for some := range slices.Chunk(ids, 200) {
		w := new(db.Where)
		db.In(w, "id", some)
		if err := k.visible(tx, by, w); err != nil {
			return nil, err
		}
		list, err := db.List(tx, k.scan, `SELECT `+k.columns+` FROM `+k.Table+w.String(), w.Args()...)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			found[r.ID] = r
		}
	}
	return found, nil
}
