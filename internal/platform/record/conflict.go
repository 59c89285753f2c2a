package record

import (
	"errors"
	"slices"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Conflict says that a record was changed since the version that a change was made on. It is a fault.Conflict.
type Conflict struct {
	Base   *Record // as it was when the change was begun
	Theirs *Record // as it is now
	Mine   Values  // what the change would have made of it
	// Merged is Mine without what the others changed alone: together with Theirs it keeps everything that does not collide. Collides names
	// the fields that both changed, and differently; there Merged has mine.
	Merged   Values
	Collides []string
}

func (c *Conflict) Error() string {
	return "the record was changed meanwhile: " + c.Theirs.Kind.Ref(c.Theirs.ID).String()
}

// Unwrap makes it a fault.Conflict.
func (c *Conflict) Unwrap() error {
	return fault.New(fault.Conflict, "record.fault.conflict", "%s", c.Error())
}

// AsConflict finds a Conflict in an error.
func AsConflict(err error) (*Conflict, bool) {
	return errors.AsType[*Conflict](err)
}

// conflict compares three versions of a record: that which a change was made on, the present one, and what the change wants.
func (s *Store) conflict(tx *db.Tx, now *Record, version int64, mine Values) error {
	if version > now.Version {
		return fault.New(fault.Invalid, "record.fault.version", "there is no version %d of %s yet", version, now.Kind.Ref(now.ID))
	}
	was, err := s.at(tx, now, version)
	if err != nil {
		return err
	}
	c := &Conflict{Base: was, Theirs: now, Mine: mine, Merged: make(Values)}
	for name, v := range mine {
		f := now.Kind.Field(name)
		if f == nil {
			continue
		}
		text, base, theirs := f.Type.Text(v), was.Text(name), now.Text(name)
		if text == base || text == theirs {
			continue // I left it alone, or we agree
		}
		c.Merged[name] = v
		if theirs != base {
			c.Collides = append(c.Collides, name)
		}
	}
	slices.Sort(c.Collides)
	return c
}
