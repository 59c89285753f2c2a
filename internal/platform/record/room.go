package record

import (
	"slices"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// What rooms whose records machines make tell the kernel, besides Made: each in the transaction that does it.

// Reworded makes records findable by the words that they have by now, after their room changed Machine fields, or words of Kind.Texts.
func (s *Store) Reworded(tx *db.Tx, kind string, ids ...string) error {
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
			if err := k.text.Put(tx, id, k.words(r)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tell keeps in a record's history what a machine found or did that leaves what people decide as it was: "file.gone". Who listens is told.
// Changes may be of Machine fields, which no history follows otherwise. Errors: fault.NotFound.
func (s *Store) Tell(tx *db.Tx, kind, id, action, note string, changes ...Change) error {
	r, err := s.GetTx(tx, System(), kind, id)
	if err != nil {
		return err
	}
	return s.happened(tx, r, action, note, changes)
}

// Recall keeps in a record's history what was done before its kind was one, as it was kept then: e has who and when. It goes before what the
// kernel keeps, in no version. Nobody is told. Errors: fault.NotFound; fault.Invalid for what has no time.
func (s *Store) Recall(tx *db.Tx, kind, id string, e Entry) error {
	r, err := s.GetTx(tx, System(), kind, id)
	if err != nil {
		return err
	}
	if e.At.IsZero() || e.At.After(tx.Now().Add(time.Minute)) {
		return fault.New(fault.Invalid, "", "an entry of %s was made at %s", r.Kind.Ref(id), e.At)
	}
	e.Version, e.Changes = 0, slices.Clone(e.Changes)
	return s.keep(tx, r, e)
}
