package record

import (
	"context"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Move returns a move by name; nil where the kind has none of it.
func (k *Kind) Move(name string) *Move {
	i := slices.IndexFunc(k.Moves, func(m Move) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &k.Moves[i]
}

// from reports whether the move leads out of a state.
func (m *Move) from(state string) bool {
	if len(m.From) == 0 {
		return state != m.To
	}
	return slices.Contains(m.From, state)
}

func (m *Move) permission(k *Kind) string {
	if m.Permission != "" {
		return m.Permission
	}
	return k.MayWrite()
}

// MovesFor returns the moves that somebody may make with a record as it stands; what a move needs first is asked for when it is made.
func (k *Kind) MovesFor(by *auth.User, r *Record) (list []*Move) {
	for i := range k.Moves {
		if m := &k.Moves[i]; r.DeletedAt.IsZero() && m.from(r.State) && by.May(m.permission(k)) {
			list = append(list, m)
		}
	}
	return list
}

// Moving is what goes with a move.
type Moving struct {
	Move    string
	Version int64  // the record's, as it was seen; 0 takes whatever there is
	Values  Values // fields filled in on the way: those that the move needs or asks for
	Why     string

	back bool // it takes another move back (UndoBulk): every field may be what it was
}

// Move moves a record from state to state. Errors: a fault.Conflict where that is not a move from the state it is in, or it was changed since;
// Wrong for what must be filled in first ("why" for the reason); fault.NotFound, fault.Forbidden.
func (s *Store) Move(ctx context.Context, by *auth.User, kind, id string, m Moving) (r *Record, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, err = s.MoveTx(tx, by, kind, id, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// MoveTx is Move within a transaction.
func (s *Store) MoveTx(tx *db.Tx, by *auth.User, kind, id string, with Moving) (*Record, error) {
	before, err := s.GetTx(tx, by, kind, id)
	if err != nil {
		return nil, err
	}
	k := s.kinds[kind]
	m := k.Move(with.Move)
	switch {
	case m == nil:
		return nil, fault.New(fault.Invalid, "record.fault.move", "%s has no move %q", kind, with.Move)
	case !by.May(m.permission(k.Kind)):
		return nil, fault.New(fault.Forbidden, "fault.forbidden", "the move %s takes %s", m.Name, m.permission(k.Kind))
	case !before.DeletedAt.IsZero():
		return nil, fault.New(fault.Conflict, "record.fault.deleted", "%s is deleted", k.Ref(id))
	case with.Version != 0 && with.Version != before.Version:
		return nil, s.conflict(tx, before, with.Version, with.Values)
	case !m.from(before.State):
		return nil, fault.New(fault.Conflict, "record.fault.state", "%s is in state %s, from which %s does not lead", k.Ref(id), before.State, m.Name)
	}
	after := before.clone()
	for _, name := range m.Clears {
		empty, _ := k.Field(name).Type.Parse("", nil) // nothing is nothing, of every type
		after.set(name, empty)
	}
	if err := after.moved(m, with, by); err != nil {
		return nil, err
	}
	if m.Approved {
		if err := s.mayMoveApproved(tx, before, after, m); err != nil {
			return nil, err
		}
	}
	if m.May != nil {
		if err := m.May(tx, by, after); err != nil {
			return nil, err
		}
	}
	return after, s.save(tx, k, before, after, moved+m.Name, with.Why)
}

// mayMoveApproved refuses a move of what nobody approved: another version, or values that came since.
func (s *Store) mayMoveApproved(tx *db.Tx, before, after *Record, m *Move) error {
	ok, err := s.approved(tx, before)
	if err != nil {
		return err
	}
	for _, c := range changes(before, after) {
		ok = ok && (c.Field == "state" || slices.Contains(m.Clears, c.Field))
	}
	if !ok {
		return fault.New(fault.Conflict, "record.fault.not_approved", "the move %s takes an approval of %s as it is now", m.Name, before.Kind.Ref(before.ID))
	}
	return nil
}

// moved puts the record into the move's state with what was filled in on the way.
func (r *Record) moved(m *Move, with Moving, by *auth.User) error {
	wrong := Wrong{}
	for name := range with.Values {
		// A move is no way around the right to edit, nor around another move's own fields.
		if !with.back && !slices.Contains(m.Needs, name) && !slices.Contains(m.Asks, name) {
			wrong[name] = invalid("record.fault.field", []any{name}, "the move %s fills in no %q", m.Name, name)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	if err := r.fill(with.Values, moving, by); err != nil {
		return err
	}
	for _, name := range m.Needs {
		if r.Text(name) == "" {
			wrong[name] = missing(name)
		}
	}
	if m.Why && clean(with.Why) == "" {
		wrong["why"] = missing("why")
	}
	r.State = m.To
	return wrong.orNil()
}

// Delete marks a record as deleted, with the reason. It is kept, and shown to who asks for deleted ones.
func (s *Store) Delete(ctx context.Context, by *auth.User, kind, id string, version int64, why string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error { return s.DeleteTx(tx, by, kind, id, version, why) })
}

// DeleteTx is Delete within a transaction.
func (s *Store) DeleteTx(tx *db.Tx, by *auth.User, kind, id string, version int64, why string) error {
	before, err := s.forDeleting(tx, by, kind, id, version)
	if err != nil {
		return err
	}
	if why = clean(why); why == "" {
		return Wrong{"why": missing("why")}
	}
	if !before.DeletedAt.IsZero() {
		return fault.New(fault.Conflict, "record.fault.deleted", "%s is deleted", before.Kind.Ref(id))
	}
	after := before.clone()
	after.DeletedAt, after.DeletedBy, after.DeletedWhy = tx.Now(), tx.Actor(), why
	return s.save(tx, s.kinds[kind], before, after, deleted, why)
}

// Restore brings a deleted record back.
func (s *Store) Restore(ctx context.Context, by *auth.User, kind, id string, version int64) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error { return s.RestoreTx(tx, by, kind, id, version) })
}

// RestoreTx is Restore within a transaction.
func (s *Store) RestoreTx(tx *db.Tx, by *auth.User, kind, id string, version int64) error {
	before, err := s.forDeleting(tx, by, kind, id, version)
	if err != nil {
		return err
	}
	if before.DeletedAt.IsZero() {
		return fault.New(fault.Conflict, "record.fault.not_deleted", "%s is not deleted", before.Kind.Ref(id))
	}
	after := before.clone()
	after.DeletedAt, after.DeletedBy, after.DeletedWhy = time.Time{}, "", ""
	return s.save(tx, s.kinds[kind], before, after, restored, "")
}

// forDeleting reads a record that somebody means to delete or bring back.
func (s *Store) forDeleting(tx *db.Tx, by *auth.User, kind, id string, version int64) (*Record, error) {
	r, err := s.GetTx(tx, by, kind, id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Kind.Without.Delete || !by.May(r.Kind.MayDelete()):
		return nil, fault.New(fault.Forbidden, "fault.forbidden", "deleting takes %s", r.Kind.MayDelete())
	case version != 0 && version != r.Version:
		return nil, s.conflict(tx, r, version, nil)
	}
	return r, nil
}

// MoveOf returns the move that an action of a history is, and whether it is one.
func MoveOf(action string) (move string, ok bool) { return strings.CutPrefix(action, moved) }
