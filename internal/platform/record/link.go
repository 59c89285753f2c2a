package record

import (
	"context"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ref"
)

// LinkType is what a link between two records means. Its words are the messages "record.link.<name>", read from the first record to the
// second, and "record.link.<name>.back", read from the second to the first.
type LinkType struct {
	Name  string
	Same  bool // it reads the same from both sides
	Chain bool // nothing may lead back to itself: no part of itself, nothing that blocks itself
}

// LinkTypes are the types, in the order of forms.
func LinkTypes() []LinkType {
	return []LinkType{
		{Name: "relates", Same: true},
		{Name: "causes"},
		{Name: "duplicates"},
		{Name: "blocks", Chain: true},
		{Name: "parent", Chain: true},
		{Name: "evidence"},
		{Name: "mentions"},
	}
}

func linkType(name string) (LinkType, bool) {
	types := LinkTypes()
	i := slices.IndexFunc(types, func(t LinkType) bool { return t.Name == name })
	if i < 0 {
		return LinkType{}, false
	}
	return types[i], true
}

const (
	// MaxLinks is how many links a record may have, in both directions.
	MaxLinks = 500
	// maxChainWalk is how many records are looked at to find a way back.
	maxChainWalk = 10_000
	linked       = "link"
	unlinked     = "unlink"
	linkField    = "link." // with the type behind it; the texts are references
)

// Linked is a link as one of its records sees it.
type Linked struct {
	ID     string
	Type   LinkType
	Back   bool // the record is the second: the words are those of the other direction
	Other  *Record
	At     time.Time
	Author string
}

// Words names the message that says the link as its record sees it.
func (l Linked) Words() string {
	if l.Back && !l.Type.Same {
		return "record.link." + l.Type.Name + ".back"
	}
	return "record.link." + l.Type.Name
}

// link is a row.
type link struct {
	id, kind string
	from, to ref.Ref
	at       time.Time
	author   string
}

const linkColumns = `id, type, from_kind, from_id, to_kind, to_id, at, author`

func scanLink(row db.Scanner) (l link, err error) {
	var at int64
	err = row.Scan(&l.id, &l.kind, &l.from.Kind, &l.from.ID, &l.to.Kind, &l.to.ID, &at, &l.author)
	l.at = db.Time(at)
	return l, err
}

// other is the link's record that is not one.
func (l link) other(one ref.Ref) ref.Ref {
	if l.from == one {
		return l.to
	}
	return l.from
}

// Link links two records. It takes the right to change the first and to see the second; back has the type read from the second to the first.
// Errors: fault.Invalid for a link to itself, a type that is none and a chain that would lead back; fault.Conflict for one that is there;
// fault.NotFound for a record that somebody may not see.
func (s *Store) Link(ctx context.Context, by *auth.User, one ref.Ref, typ string, back bool, other ref.Ref) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error { return s.LinkTx(tx, by, one, typ, back, other) })
}

// LinkTx is Link within a transaction.
func (s *Store) LinkTx(tx *db.Tx, by *auth.User, one ref.Ref, typ string, back bool, other ref.Ref) error {
	t, ok := linkType(typ)
	if !ok {
		return invalid("record.fault.link_type", nil, "there is no type of link %.40q", typ)
	}
	_, r, err := s.forWriting(tx, by, one.Kind, one.ID)
	if err != nil {
		return err
	}
	second, err := s.GetTx(tx, by, other.Kind, other.ID)
	if fault.Is(err, fault.Forbidden) { // whether it is there is not said either
		err = noneOf("record", other.String())
	}
	if err != nil {
		return err
	}
	if one == other {
		return invalid("record.fault.link_self", nil, "a record is not linked to itself")
	}
	from, to := one, other
	if back && !t.Same || t.Same && other.String() < one.String() {
		from, to = other, one
	}
	if err := s.mayLink(tx, t, from, to); err != nil {
		return err
	}
	id := db.NewID()
	err = s.put(tx, "record_link", id, "create", `INSERT INTO record_link (`+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, t.Name, from.Kind, from.ID, to.Kind, to.ID, db.Micros(tx.Now()), tx.Actor())
	if err != nil {
		return err
	}
	return s.linkTold(tx, linked, t, from, to, r, second)
}

// linkTold writes the link into the history of both its records; who may not see the other one is not shown the entry (History).
func (s *Store) linkTold(tx *db.Tx, action string, t LinkType, from, to ref.Ref, records ...*Record) error {
	for _, r := range records {
		me, word := r.Kind.Ref(r.ID), linkField+t.Name
		other := to
		if me == to {
			other = from
			if !t.Same {
				word += ".back"
			}
		}
		change := Change{Field: word, To: other.String()}
		if action == unlinked {
			change = Change{Field: word, From: other.String()}
		}
		if err := s.happened(tx, r, action, "", []Change{change}); err != nil {
			return err
		}
	}
	return nil
}

// mayLink finds doubles, too many links, and ways back.
func (s *Store) mayLink(tx *db.Tx, t LinkType, from, to ref.Ref) error {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM record_link WHERE from_kind = $1 AND from_id = $2 AND type = $3 AND to_kind = $4 AND to_id = $5`,
		from.Kind, from.ID, t.Name, to.Kind, to.ID).Scan(&n)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Conflict, "record.fault.linked", "they are linked so already")
	}
	for _, one := range []ref.Ref{from, to} {
		err := tx.QueryRow(`SELECT COUNT(*) FROM record_link WHERE from_kind = $1 AND from_id = $2 OR to_kind = $1 AND to_id = $2`, one.Kind, one.ID).Scan(&n)
		if err != nil {
			return err
		}
		if n >= MaxLinks {
			return &fault.Error{Code: fault.Conflict, Key: "record.fault.links", Args: []any{MaxLinks}, Detail: "a record has as many links as it may have"}
		}
	}
	if !t.Chain {
		return nil
	}
	return leadsBack(tx, t, from, to)
}

// leadsBack refuses a link from which its first record could be reached again.
func leadsBack(tx *db.Tx, t LinkType, from, to ref.Ref) error {
	seen, queue := map[ref.Ref]bool{to: true}, []ref.Ref{to}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == from || len(seen) > maxChainWalk {
			return fault.New(fault.Invalid, "record.fault.link_circle", "the chain would lead back to %s", from)
		}
		next, err := db.List(tx, scanLink, `SELECT `+linkColumns+` FROM record_link WHERE from_kind = $1 AND from_id = $2 AND type = $3 LIMIT $4`,
			at.Kind, at.ID, t.Name, MaxLinks)
		if err != nil {
			return err
		}
		for _, l := range next {
			if !seen[l.to] {
				seen[l.to], queue = true, append(queue, l.to)
			}
		}
	}
	return nil
}

// Unlink takes a link of a record away that somebody may change. Both its records must be visible to them.
func (s *Store) Unlink(ctx context.Context, by *auth.User, one ref.Ref, id string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		_, r, err := s.forWriting(tx, by, one.Kind, one.ID)
		if err != nil {
			return err
		}
		l, err := scanLink(tx.QueryRow(`SELECT `+linkColumns+` FROM record_link WHERE id = $1`, id))
		if fault.Is(err, fault.NotFound) || err == nil && l.from != one && l.to != one {
			return noneOf("link", id)
		}
		if err != nil {
			return err
		}
		other := l.other(one)
		second, err := s.GetTx(tx, by, other.Kind, other.ID)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.NotFound) {
			return noneOf("link", id)
		}
		if err != nil {
			return err
		}
		if err := s.put(tx, "record_link", id, "delete", `DELETE FROM record_link WHERE id = $1`, id); err != nil {
			return err
		}
		t, _ := linkType(l.kind)
		return s.linkTold(tx, unlinked, t, l.from, l.to, r, second)
	})
}

// Links returns the links of a record that may be shown to somebody, those of one type and direction together, in the order of the types and
// as they were made. A link to a record that they may not see is not there.
func (s *Store) Links(ctx context.Context, by *auth.User, one ref.Ref) (list []Linked, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.GetTx(tx, by, one.Kind, one.ID); err != nil {
			return err
		}
		rows, err := linksOf(tx, one)
		if err != nil {
			return err
		}
		list, err = s.visibleLinks(tx, by, one, rows)
		return err
	})
	return list, err
}

func linksOf(tx *db.Tx, one ref.Ref) ([]link, error) {
	return db.List(tx, scanLink, `SELECT `+linkColumns+` FROM record_link WHERE from_kind = $1 AND from_id = $2 OR to_kind = $1 AND to_id = $2 ORDER BY id LIMIT $3`,
		one.Kind, one.ID, MaxLinks+1)
}

// visibleLinks leaves out what somebody may not see.
func (s *Store) visibleLinks(tx *db.Tx, by *auth.User, one ref.Ref, rows []link) (list []Linked, err error) {
	var others []ref.Ref
	for _, l := range rows {
		others = append(others, l.other(one))
	}
	found, err := s.findRefs(tx, by, others)
	if err != nil {
		return nil, err
	}
	for _, l := range rows {
		other, t := found[l.other(one)], LinkType{Name: l.kind}
		if known, ok := linkType(l.kind); ok {
			t = known
		}
		if other != nil {
			list = append(list, Linked{ID: l.id, Type: t, Back: l.to == one, Other: other, At: l.at, Author: l.author})
		}
	}
	types := LinkTypes()
	place := func(l Linked) int {
		at := 2 * slices.IndexFunc(types, func(t LinkType) bool { return t.Name == l.Type.Name })
		if l.Back && !l.Type.Same {
			at++
		}
		return at
	}
	slices.SortStableFunc(list, func(a, b Linked) int { return place(a) - place(b) })
	return list, nil
}

// findRefs reads records of several kinds that may be shown to somebody. Kinds that are not registered, or not theirs to read, have none.
func (s *Store) findRefs(tx *db.Tx, by *auth.User, refs []ref.Ref) (map[ref.Ref]*Record, error) {
	ids := make(map[string][]string)
	for _, one := range refs {
		ids[one.Kind] = append(ids[one.Kind], one.ID)
	}
	found := make(map[ref.Ref]*Record, len(refs))
	for _, kind := range s.order {
		if len(ids[kind]) == 0 {
			continue
		}
		records, err := s.Find(tx, by, kind, ids[kind])
		if fault.Is(err, fault.Forbidden) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for id, r := range records {
			found[ref.Ref{Kind: kind, ID: id}] = r
		}
	}
	return found, nil
}

// withoutHidden leaves out of a history what names a record that the reader may not see.
func (s *Store) withoutHidden(tx *db.Tx, by *auth.User, list []Entry) ([]Entry, error) {
	named := func(e Entry) (refs []ref.Ref) {
		if e.Action != linked && e.Action != unlinked {
			return nil
		}
		for _, c := range e.Changes {
			for _, text := range []string{c.From, c.To} {
				if one, err := ref.Parse(text); err == nil {
					refs = append(refs, one)
				}
			}
		}
		return refs
	}
	var all []ref.Ref
	for _, e := range list {
		all = append(all, named(e)...)
	}
	if len(all) == 0 {
		return list, nil
	}
	found, err := s.findRefs(tx, by, all)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(e Entry) bool {
		return slices.ContainsFunc(named(e), func(one ref.Ref) bool { return found[one] == nil })
	}), nil
}
