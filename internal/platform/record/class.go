package record

import (
	"cmp"
	"context"
	"slices"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Class says how far a paper may go. The organisation has one for all papers, a kind may have another for its own, and a record's papers may be
// raised above that, and never fall below it.
type Class string

// The classes, each above the one before.
const (
	Public   Class = "public"
	Internal Class = "internal" // of the organisation: 社外秘
	Limited  Class = "limited"  // to those whom it concerns: 関係者限り
	Secret   Class = "secret"   // 極秘
)

// Classes lists all, the lowest first.
func Classes() []Class { return []Class{Public, Internal, Limited, Secret} }

// Above reports whether the class is higher than another.
func (c Class) Above(other Class) bool {
	return slices.Index(Classes(), c) > slices.Index(Classes(), other)
}

// What is done to a class, in the history.
const (
	classified = "class"
	classField = "class.class"
)

// OwnClass is what papers of the kind are, where nothing raised them.
func (s *Store) OwnClass(k *Kind) Class { return cmp.Or(k.Class, s.opt.Class, Internal) }

// MayClass lists the classes that papers of the kind can have: its own, and those above.
func (s *Store) MayClass(k *Kind) []Class {
	return Classes()[slices.Index(Classes(), s.OwnClass(k)):]
}

// ClassOf is what the papers of a record are.
func (s *Store) ClassOf(ctx context.Context, r *Record) (c Class, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		c, _, err = s.classOf(tx, r)
		return err
	})
	return c, err
}

// classOf also returns the version of what was decided, 0 for nothing.
func (s *Store) classOf(tx *db.Tx, r *Record) (Class, int64, error) {
	var raised Class
	var version int64
	err := tx.QueryRow(`SELECT class, version FROM record_class WHERE id = $1`, r.Kind.Ref(r.ID).String()).Scan(&raised, &version)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", 0, err
	}
	own := s.OwnClass(r.Kind)
	if raised.Above(own) { // the kind's may have risen since
		own = raised
	}
	return own, version, nil
}

// Classify decides what the papers of a record are. Lowering takes a reason. Errors: Wrong, fault.NotFound, fault.Forbidden.
func (s *Store) Classify(ctx context.Context, by *auth.User, kind, id string, class Class, why string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		k, r, err := s.forWriting(tx, by, kind, id)
		if err != nil {
			return err
		}
		if !slices.Contains(s.MayClass(k.Kind), class) {
			return Wrong{"class": invalid("record.fault.class", nil, "papers of %s cannot be %.20q", k.Name, class)}
		}
		was, version, err := s.classOf(tx, r)
		if err != nil || class == was {
			return err
		}
		if why, err = textOf("why", why, MaxNote, was.Above(class)); err != nil {
			return err
		}
		key := r.Kind.Ref(id).String()
		if version == 0 {
			err = s.put(tx, "record_class", key, "create", `INSERT INTO record_class (id, kind, record_id, class, version) VALUES ($1, $2, $3, $4, 1)`, key, kind, id, string(class))
		} else {
			err = s.put(tx, "record_class", key, "edit", `UPDATE record_class SET class = $1, version = version + 1 WHERE id = $2`, string(class), key)
		}
		if err != nil {
			return err
		}
		return s.happened(tx, r, classified, why, []Change{{classField, string(was), string(class)}})
	})
}

// ClassOfList is what a paper of all records of a query is: the highest class that one of them has.
func (s *Store) ClassOfList(ctx context.Context, kind string, q Query, env *Env) (c Class, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return "", err
	}
	c, env = s.OwnClass(k.Kind), k.ahead(q, env)
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		all := Classes()
		for i := len(all) - 1; i >= 0 && all[i].Above(c); i-- {
			// By each record's own words, as an export finds them: the index of words looks at the latest alone.
			w, err := k.whereBut(tx, q, env, nil, k.text.Holds)
			if err != nil {
				return err
			}
			w.And("id IN (SELECT record_id FROM record_class WHERE kind = ? AND class = ?)", kind, string(all[i]))
			var n int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM `+k.Table+w.String()+` LIMIT 1) AS counted`, w.Args()...).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				c = all[i]
				break
			}
		}
		return nil
	})
	return c, err
}
