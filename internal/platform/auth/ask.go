package auth

import (
	"context"
	"sync"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// May reports whether a person is active and has a permission now; nobody of that id has none.
func (a *Accounts) May(ctx context.Context, person, permission string) (bool, error) {
	p, err := a.Person(ctx, person)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && p.State == Active && a.Roles.Allows(p.RoleNames(), permission), err
}

// Holders counts the people who have each role, whatever their state.
func (a *Accounts) Holders(ctx context.Context) (map[string]int, error) {
	holders := make(map[string]int)
	err := a.db.Read(ctx, func(tx *db.Tx) error {
		type count struct {
			role string
			n    int
		}
		list, err := db.List(tx, func(s db.Scanner) (c count, err error) { return c, s.Scan(&c.role, &c.n) },
			`SELECT role, COUNT(DISTINCT person) FROM auth_role GROUP BY role`)
		for _, c := range list {
			holders[c.role] = c.n
		}
		return err
	})
	return holders, err
}

// Names tells what people are called. Ids of nobody are left out.
func (a *Accounts) Names(ctx context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string, len(ids))
	if len(ids) == 0 {
		return names, nil
	}
	err := a.db.Read(ctx, func(tx *db.Tx) error {
		for len(ids) > 0 {
			some := ids[:min(len(ids), 500)]
			ids = ids[len(some):]
			where := new(db.Where)
			db.In(where, "id", some)
			list, err := db.List(tx, func(s db.Scanner) (p [2]string, err error) { return p, s.Scan(&p[0], &p[1]) },
				`SELECT id, name FROM auth_person`+where.String(), where.Args()...)
			if err != nil {
				return err
			}
			for _, p := range list {
				names[p[0]] = p[1]
			}
		}
		return nil
	})
	return names, err
}

const (
	nameLife = 10 * time.Second
	maxNames = 10_000
)

// NameBook tells the names of single people, remembering them for a few seconds: a page names the same ones often.
type NameBook struct {
	accounts *Accounts

	mu    sync.Mutex
	known map[string]string
	since time.Time
}

// NewNameBook makes an empty one.
func NewNameBook(a *Accounts) *NameBook { return &NameBook{accounts: a} }

// Name returns what the person of an id is called, "" for nobody, and where it cannot be found out.
func (b *NameBook) Name(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.since) > nameLife || len(b.known) >= maxNames {
		b.known, b.since = make(map[string]string), time.Now()
	}
	if name, ok := b.known[id]; ok {
		return name
	}
	names, err := b.accounts.Names(context.Background(), []string{id})
	if err != nil {
		return ""
	}
	b.known[id] = names[id]
	return names[id]
}
