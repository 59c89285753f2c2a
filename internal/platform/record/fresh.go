package record

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
)

// MaxFresh is as far as new records are counted.
const MaxFresh = 100

// CountMadeSince counts the records of a query that were made after a time, as far as MaxFresh. It looks at the latest of all alone, along the
// index of created_at: pages ask for it again and again.
func (s *Store) CountMadeSince(ctx context.Context, kind string, q Query, env *Env, since time.Time) (n int, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return 0, err
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		w, err := k.whereBut(tx, q, env, nil, k.text.Holds)
		if err != nil {
			return err
		}
		w.And(`id IN (SELECT id FROM (SELECT id FROM `+k.Table+` WHERE created_at > ? ORDER BY created_at DESC, id DESC LIMIT `+fmt.Sprint(10*MaxFresh)+`) AS latest)`, db.Micros(since))
		return tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM `+k.Table+w.String()+` LIMIT `+w.Next(1)+`) AS counted`, w.Args(MaxFresh)...).Scan(&n)
	})
	return n, err
}
