package record

import (
	"context"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
)

// index keeps what a record is found by: the words of its texts, and its tags.
func (s *Store) index(tx *db.Tx, k *kept, before, after *Record) error {
	if text := k.words(after); before == nil || text != k.words(before) {
		if err := k.text.Put(tx, after.ID, text); err != nil {
			return err
		}
	}
	if before != nil && slices.Equal(before.Tags, after.Tags) {
		return nil
	}
	if before != nil {
		if _, err := tx.Exec(`DELETE FROM record_tag WHERE kind = $1 AND record_id = $2`, k.Name, after.ID); err != nil {
			return err
		}
	}
	for _, tag := range after.Tags {
		if _, err := tx.Exec(`INSERT INTO record_tag (kind, tag, record_id) VALUES ($1, $2, $3)`, k.Name, tag, after.ID); err != nil {
			return err
		}
	}
	return nil
}

// words are the texts that a record is found by.
func (k *kept) words(r *Record) string {
	var texts []string
	for _, f := range k.All() {
		if f.Search && !f.Secret {
			texts = append(texts, r.Text(f.Name))
		}
	}
	if k.Texts != nil {
		texts = append(texts, k.Texts(r)...)
	}
	return strings.Join(texts, "\n")
}

// Made makes records findable that their room made by itself, in their transaction.
func (s *Store) Made(tx *db.Tx, kind string, ids ...string) error {
	k, err := s.kind(kind)
	if err != nil {
		return err
	}
	found, err := s.Find(tx, System(), kind, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if r := found[id]; r != nil {
			if err := s.index(tx, k, nil, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// reindexBatch is how many records are indexed in one transaction.
const reindexBatch = 500

// Reindex makes records findable by their texts that are not yet: those that were there before their kind was registered. It returns how many
// there were, and takes its time: run it beside the work.
func (s *Store) Reindex(ctx context.Context, kind string) (n int, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for last := ""; ; {
		var batch []string
		err := s.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
			batch, err = db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) }, `SELECT id FROM `+k.Table+` WHERE id > $1
				AND NOT EXISTS (SELECT 1 FROM `+k.text.Documents()+` AS found WHERE found.key = `+k.Table+`.id) ORDER BY id LIMIT $2`, last, reindexBatch)
			return err
		})
		if err != nil || len(batch) == 0 {
			return n, err
		}
		err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			found, err := s.Find(tx, System(), kind, batch) // as they are now: somebody may have changed one since
			for _, r := range found {
				if err := k.text.Put(tx, r.ID, k.words(r)); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil {
			return n, err
		}
		n, last = n+len(batch), batch[len(batch)-1]
	}
}

// Search finds records of a kind that somebody may see, by words: at most limit, those made last first. Nothing is found for no words, nor by who
// may not read the kind.
func (s *Store) Search(ctx context.Context, by *auth.User, kind, text string, limit int) (list []*Record, err error) {
	k, err := s.kind(kind)
	if err != nil || strings.TrimSpace(text) == "" || !by.May(k.MayRead()) {
		return nil, err
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		ids, all, err := k.glanced(tx, Query{Text: text}, &Env{By: by}, order{down: true}, "", limit)
		if err != nil {
			return err
		}
		if all || len(ids) >= max(limit, glancedAtLeast) {
			list, err = k.inOrder(tx, ids[:min(len(ids), limit)])
			return err
		}
		w := new(db.Where)
		w.And("deleted_at = 0")
		k.text.Match(w, "id", text)
		if err := k.visible(tx, by, w); err != nil {
			return err
		}
		list, err = db.List(tx, k.scan, `SELECT `+k.columns+` FROM `+k.Table+w.String()+` ORDER BY id DESC LIMIT `+w.Next(1), w.Args(limit)...)
		return err
	})
	return list, err
}
