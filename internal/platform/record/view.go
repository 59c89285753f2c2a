package record

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// SavedView is a way to look at a kind's list that somebody saved, for themselves or for all who may read the kind.
type SavedView struct {
	ID      string // "" for one that is not saved yet
	Kind    string
	Owner   string
	Name    string
	Query   string   // as the list's address has it
	Columns []string // that it shows; none: the reader's own
	Shared  bool

	position int64
}

const (
	// MaxViews is how many views of a kind one person keeps, and how many are shared.
	MaxViews = 30
	maxName  = 60
	maxQuery = 8_000 // bytes: every reader of a shared view has it in their pages
)

// Views lists the views of a kind that somebody has: their own, and those that are shared, in order.
func (s *Store) Views(ctx context.Context, by *auth.User, kind string) (list []SavedView, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	if !by.May(k.MayRead()) {
		return nil, fault.New(fault.Forbidden, "fault.forbidden", "reading takes %s", k.MayRead())
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err = views(tx, by, kind)
		return err
	})
	return list, err
}

const viewColumns = `id, kind, owner, name, query, columns, shared, position`

func views(tx *db.Tx, by *auth.User, kind string) ([]SavedView, error) {
	return db.List(tx, scanView, `SELECT `+viewColumns+` FROM record_view WHERE kind = $1 AND (shared = 1 OR owner = $2)
		ORDER BY position, id LIMIT 1000`, kind, by.ID)
}

func scanView(row db.Scanner) (v SavedView, err error) {
	var columns string
	var shared int64
	err = row.Scan(&v.ID, &v.Kind, &v.Owner, &v.Name, &v.Query, &columns, &shared, &v.position)
	v.Columns, v.Shared = strings.Fields(columns), shared == 1
	return v, err
}

// MayChange reports whether somebody may rename, share, move or remove a view: their own, and, for who may delete records of the kind,
// a shared one of another.
func (v SavedView) MayChange(k *Kind, by *auth.User) bool {
	return v.Owner == by.ID && (!v.Shared || by.May(k.MayWrite())) || v.Shared && by.May(k.MayDelete())
}

// view reads one that somebody means to change; one of others is not there.
func (s *Store) view(tx *db.Tx, by *auth.User, kind, id string) (k *kept, v SavedView, err error) {
	if k, err = s.kind(kind); err != nil {
		return nil, v, err
	}
	v, err = scanView(tx.QueryRow(`SELECT `+viewColumns+` FROM record_view WHERE kind = $1 AND id = $2 AND (shared = 1 OR owner = $3)`, kind, id, by.ID))
	if err == nil && (!by.May(k.MayRead()) || !v.MayChange(k.Kind, by)) {
		err = fault.New(fault.Forbidden, "record.fault.view_of_others", "the view %s is another's", id)
	}
	return k, v, err
}

// SaveView keeps a view, new or changed. Sharing one takes the right to write records of the kind. Errors: fault.Invalid for a name, a query or
// columns that will not do, or for one view too many; fault.Forbidden, fault.NotFound.
func (s *Store) SaveView(ctx context.Context, env *Env, v SavedView) (SavedView, error) {
	k, err := s.kind(v.Kind)
	if err != nil {
		return v, err
	}
	switch by := env.By; {
	case !by.May(k.MayRead()):
		return v, fault.New(fault.Forbidden, "fault.forbidden", "reading takes %s", k.MayRead())
	case v.Shared && !by.May(k.MayWrite()):
		return v, fault.New(fault.Forbidden, "record.fault.view_share", "sharing a view takes %s", k.MayWrite())
	}
	if v.Name = strings.Join(strings.Fields(clean(v.Name)), " "); v.Name == "" {
		return v, missing("name")
	}
	if err := tooLong(v.Name, maxName); err != nil {
		return v, err
	}
	if err := k.checkColumns(v.Columns); err != nil {
		return v, err
	}
	q, err := k.readQuery(v.Query)
	if err != nil {
		return v, err
	}
	env = k.ahead(q, env)
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if v.Query, err = k.canonical(tx, q, env); err != nil {
			return err
		}
		if v.ID != "" {
			return s.changeView(tx, env.By, &v)
		}
		return s.addView(tx, env.By, &v)
	})
	return v, err
}

// readQuery reads a list's query from an address, without what is no part of it: the page, the view.
func (k *Kind) readQuery(query string) (Query, error) {
	if len(query) > maxQuery {
		return Query{}, invalid("record.fault.query", nil, "the query has more than %d bytes", maxQuery)
	}
	values, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err != nil {
		return Query{}, invalid("record.fault.query", nil, "%.200q is no query: %v", query, err)
	}
	return k.ParseQuery(values, Aside()...)
}

// canonical writes a query in the one way it is kept. What cannot be asked is an error.
func (k *kept) canonical(tx *db.Tx, q Query, env *Env) (string, error) {
	if _, err := k.order(q.Sort); err != nil {
		return "", err
	}
	if _, err := k.where(tx, q, env); err != nil {
		return "", err
	}
	return q.Values().Encode(), nil
}

// Aside are the names that a list's address has besides its query; those that begin with "_" are, too.
func Aside() []string { return []string{"cursor", "limit", "columns", "view", "format", "tab", "lang"} }

func (k *Kind) checkColumns(columns []string) error {
	for i, name := range columns {
		if f := k.Field(name); f == nil || f.Secret || slices.Contains(columns[:i], name) {
			return invalid("record.fault.column", []any{name}, "%s has no column %q", k.Name, name)
		}
	}
	return nil
}

func (s *Store) addView(tx *db.Tx, by *auth.User, v *SavedView) error {
	all, err := views(tx, by, v.Kind)
	if err != nil {
		return err
	}
	for _, other := range all {
		v.position = max(v.position, other.position+1)
	}
	v.ID, v.Owner = db.NewID(), by.ID
	if err := roomForView(tx, *v); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO record_view (`+viewColumns+`, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
		v.ID, v.Kind, v.Owner, v.Name, v.Query, strings.Join(v.Columns, " "), flag(v.Shared), v.position, db.Micros(tx.Now()))
	if err != nil {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_view", Key: v.ID, Action: "create"})
}

// roomForView refuses one view too many, of those that are shared or of those that its owner keeps for themselves.
func roomForView(tx *db.Tx, v SavedView) error {
	w := new(db.Where)
	w.And("kind = ?", v.Kind)
	w.And("shared = ?", flag(v.Shared))
	if !v.Shared {
		w.And("owner = ?", v.Owner)
	}
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM record_view`+w.String(), w.Args()...).Scan(&n)
	if err == nil && n >= MaxViews {
		err = invalid("record.fault.views", []any{MaxViews}, "there are %d views already", n)
	}
	return err
}

func flag(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func (s *Store) changeView(tx *db.Tx, by *auth.User, v *SavedView) error {
	_, was, err := s.view(tx, by, v.Kind, v.ID)
	if err != nil {
		return err
	}
	v.Owner, v.position = was.Owner, was.position
	if v.Shared != was.Shared {
		if err := roomForView(tx, *v); err != nil {
			return err
		}
	}
	return s.writeView(tx, *v)
}

func (s *Store) writeView(tx *db.Tx, v SavedView) error {
	_, err := tx.Exec(`UPDATE record_view SET name = $1, query = $2, columns = $3, shared = $4, position = $5, updated_at = $6 WHERE id = $7`,
		v.Name, v.Query, strings.Join(v.Columns, " "), flag(v.Shared), v.position, db.Micros(tx.Now()), v.ID)
	if err != nil {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_view", Key: v.ID, Action: "update"})
}

// RemoveView forgets a view.
func (s *Store) RemoveView(ctx context.Context, by *auth.User, kind, id string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if _, _, err := s.view(tx, by, kind, id); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM record_view WHERE id = $1`, id); err != nil {
			return err
		}
		return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_view", Key: id, Action: "delete"})
	})
}

// MoveView moves a view by one place among those that somebody may change, to the front or to the back.
func (s *Store) MoveView(ctx context.Context, by *auth.User, kind, id string, front bool) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		k, v, err := s.view(tx, by, kind, id)
		if err != nil {
			return err
		}
		all, err := views(tx, by, kind)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(other SavedView) bool { return !other.MayChange(k.Kind, by) })
		at := slices.IndexFunc(all, func(other SavedView) bool { return other.ID == id })
		to := at + 1
		if front {
			to = at - 1
		}
		if to < 0 || to >= len(all) {
			return nil // it stands there already
		}
		other := all[to]
		v.position, other.position = other.position, v.position
		if v.position == other.position { // two that were made at once
			if v.position++; front {
				v.position -= 2
			}
		}
		if err := s.writeView(tx, v); err != nil {
			return err
		}
		return s.writeView(tx, other)
	})
}

// Reading is how somebody reads the lists of a kind.
type Reading struct {
	Columns []string // that they chose; none: the kind's
	View    string   // the id of the view that they begin with, or the name of one of the kind's; "" for the first
}

// Reading returns how somebody reads the lists of a kind. Columns that are none any more are left out.
func (s *Store) Reading(ctx context.Context, by *auth.User, kind string) (x Reading, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return x, err
	}
	var columns string
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT columns, view FROM record_reading WHERE kind = $1 AND person = $2`, kind, by.ID).Scan(&columns, &x.View)
	})
	if fault.Is(err, fault.NotFound) {
		return x, nil
	}
	x.Columns = slices.DeleteFunc(strings.Fields(columns), func(name string) bool { return k.checkColumns([]string{name}) != nil })
	return x, err
}

// SetReading keeps how somebody reads the lists of a kind.
func (s *Store) SetReading(ctx context.Context, by *auth.User, kind string, x Reading) error {
	k, err := s.kind(kind)
	if err != nil {
		return err
	}
	if !by.May(k.MayRead()) {
		return fault.New(fault.Forbidden, "fault.forbidden", "reading takes %s", k.MayRead())
	}
	if err := k.checkColumns(x.Columns); err != nil {
		return err
	}
	if err := tooLong(x.View, maxName); err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO record_reading (kind, person, columns, view) VALUES ($1, $2, $3, $4)
			ON CONFLICT (kind, person) DO UPDATE SET columns = excluded.columns, view = excluded.view`, kind, by.ID, strings.Join(x.Columns, " "), x.View)
		return err
	})
}
