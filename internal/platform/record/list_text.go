package record

import (
	"fmt"
	"slices"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fulltext"
)

const (
	// firstGlance and glance are how many records a search looks at one by one, from where the page begins, before it asks the index of words. What has a word
	// that one record in fifty has is found among so many; what is rarer, the index finds quickly. Of a word that most have, fewer are enough.
	firstGlance = 1500
	glance      = 5000
	// glancedAtLeast is how many of them must be meant: then there are too many for the index, and the count is what was seen.
	// A word that no more than rare records have is left to the index.
	glancedAtLeast = 50
	rare           = 1000
)

// searched is a page of a list that is asked for words. Where many have them the page is found along the list's order, and the count is what was
// seen on the way; where few records meet the other conditions each of those is asked; else the index of words says which ones have them: all,
// or, of a word that more than fulltext.MaxFound have and the first of the list have not, those that were added last.
func (k *kept) searched(tx *db.Tx, q Query, env *Env, o order, cursor string, limit int) (listed Listed, err error) {
	ids, all, err := k.glanced(tx, q, env, o, cursor, limit)
	if err != nil {
		return listed, err
	}
	if !all && len(ids) < max(limit+1, glancedAtLeast) {
		return k.searchedFar(tx, q, env, o, cursor, limit)
	}
	list, err := k.inOrder(tx, ids[:min(len(ids), limit+1)])
	if err == nil && cursor != "" {
		ids, all, err = k.glanced(tx, q, env, o, "", limit)
	}
	if err != nil {
		return listed, err
	}
	page, err := db.Paged(list, limit, o.key)
	listed = counting(page, int64(len(ids)))
	if !all && !listed.More {
		listed.More = true
		if listed.Count > glancedAtLeast {
			listed.Count -= listed.Count % glancedAtLeast // "350+" of 357 that were seen
		}
	}
	return listed, err
}

// searchedFar is searched for what the first of the list have not.
func (k *kept) searchedFar(tx *db.Tx, q Query, env *Env, o order, cursor string, limit int) (listed Listed, err error) {
	most, words := fulltext.MaxFound, k.text.Match // no words find more, and looking for them twice costs more than sorting
	if len(q.Filters) > 0 {
		others := q
		others.Text = ""
		n, err := k.count(tx, others, env, few+1)
		if err != nil {
			return listed, err
		}
		if n <= few {
			most, words = few, k.text.Holds
		}
	}
	page, n, err := k.sorted(tx, q, env, o, cursor, limit, most, words)
	return counting(page, n), err
}

// glanced looks along the order, from a cursor, at the next records, a glance at the most, and returns the ids of those that are meant, as far as
// counting goes. all says that those were the last of the list.
func (k *kept) glanced(tx *db.Tx, q Query, env *Env, o order, cursor string, limit int) (ids []string, all bool, err error) {
	for _, steps := range []int{firstGlance, glance} {
		if ids, all, err = k.steps(tx, q, env, o, cursor, steps); err != nil || all || len(ids) >= max(limit+1, glancedAtLeast) {
			break
		}
		if more, err := k.text.More(tx, q.Text, rare); err != nil || !more {
			return ids, false, err
		}
	}
	return ids, all, err
}

func (k *kept) steps(tx *db.Tx, q Query, env *Env, o order, cursor string, steps int) (ids []string, all bool, err error) {
	// The conditions stand where no index is looked for: each record of the order's index is one step, whether it is meant or not.
	w, err := k.whereBut(tx, q, env, &o, k.text.Holds)
	if err != nil {
		return nil, false, err
	}
	meant := w.Condition()
	w.Reset()
	if err := o.after(w, cursor); err != nil {
		return nil, false, err
	}
	taken := 0
	ids, err = db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id, &taken) },
		`WITH near AS MATERIALIZED (SELECT `+o.columns()+`, CASE WHEN `+meant+` THEN 1 ELSE 0 END AS near__meant FROM `+k.Table+w.String()+` ORDER BY `+o.sql()+
			` LIMIT `+w.Next(1)+`) SELECT id, (SELECT COUNT(*) FROM near) FROM near WHERE near__meant = 1 ORDER BY `+o.sql()+` LIMIT `+w.Next(2), w.Args(steps, MaxCount+1)...)
	return ids, taken > 0 && taken < steps, err
}

// inOrder reads records in the order of their ids here.
func (k *kept) inOrder(tx *db.Tx, ids []string) (list []*Record, err error) {
	for some := range slices.Chunk(ids, 500) {
		w := new(db.Where)
		db.In(w, "id", some)
		found, err := db.List(tx, k.scan, `SELECT `+k.columns+` FROM `+k.Table+w.String(), w.Args()...)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	at := make(map[string]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	slices.SortFunc(list, func(a, b *Record) int { return at[a.ID] - at[b.ID] })
	if len(list) != len(ids) {
		return nil, fmt.Errorf("%d of %d records of kind %s were read", len(list), len(ids), k.Name)
	}
	return list, nil
}
