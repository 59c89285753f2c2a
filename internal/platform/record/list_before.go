package record

import (
	"cmp"
	"context"
	"strings"

	"yagura/internal/platform/db"
)

// Before returns the cursor of the page before that of a cursor, with the same limit; "" for the first page. It walks the order the other way
// round from there.
func (s *Store) Before(ctx context.Context, kind string, q Query, env *Env, cursor string, limit int) (string, error) {
	k, err := s.kind(kind)
	if err != nil || cursor == "" {
		return "", err
	}
	if word, down := strings.CutPrefix(cmp.Or(q.Sort, k.Sort), "-"); down {
		q.Sort = word
	} else {
		q.Sort = "-" + word
	}
	o, err := k.order(q.Sort)
	if err != nil {
		return "", err
	}
	// The cursor is the last record of the page before, which those before that one follow; the page begins behind the last of these.
	page, err := s.List(ctx, kind, q, env, cursor, limit)
	if err != nil || len(page.Items) < limit {
		return "", err
	}
	return db.EncodeCursor(o.key(page.Items[limit-1])...)
}
