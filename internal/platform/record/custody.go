package record

import (
	"context"
	"errors"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// What is in a chain of custody. The original of a file may be a thing: a disk in a bag.
const (
	Received  = "received"
	Read      = "read"
	Moved     = "moved"    // from place to place
	Offered   = "offered"  // to somebody, who has yet to confirm
	Taken     = "taken"    // over, by who says so
	Declined  = "declined" // by whom it was offered to
	Kept      = "kept"     // after all, by who had offered it
	Verified  = "verified" // its bytes are those that were received
	Damaged   = "damaged"  // they are not
	TakenAway = "removed"  // from the record, with a reason
	Erased    = "erased"   // the file itself, after its time
	maxChain  = 1000       // entries that are read at once
	custodies = "id, attachment_id, at, actor, action, from_text, to_text, note"
)

// Custody is one link of the chain: who did what with an attachment.
type Custody struct {
	ID         string
	Attachment string
	At         time.Time
	Actor      string
	Action     string
	From, To   string // people's ids, places, or hashes, as the action has it
	Note       string
}

// custody adds to the chain.
func (s *Store) custody(tx *db.Tx, attachment, action, from, to, note string) error {
	id := db.NewID()
	return s.put(tx, "record_custody", id, "create", `INSERT INTO record_custody (`+custodies+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, attachment, db.Micros(tx.Now()), tx.Actor(), action, from, to, note)
}

// Chain returns the chain of custody of an attachment that may be shown to somebody, the latest first; cursor as with lists.
func (s *Store) Chain(ctx context.Context, by *auth.User, kind, id, attachment, cursor string, limit int) (page db.Page[Custody], err error) {
	limit = min(max(limit, 1), maxChain)
	w := new(db.Where)
	w.And("attachment_id = ?", attachment)
	if cursor != "" {
		var last string
		if err := db.DecodeCursor(cursor, &last); err != nil {
			return page, err
		}
		w.And("id < ?", last)
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, _, err := s.attachment(tx, by, kind, id, attachment); err != nil {
			return err
		}
		list, err := db.List(tx, scanCustody, `SELECT `+custodies+` FROM record_custody`+w.String()+` ORDER BY id DESC LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, limit, func(c Custody) []any { return []any{c.ID} })
		return err
	})
	return page, err
}

func scanCustody(row db.Scanner) (c Custody, err error) {
	var at int64
	err = row.Scan(&c.ID, &c.Attachment, &at, &c.Actor, &c.Action, &c.From, &c.To, &c.Note)
	c.At = db.Time(at)
	return c, err
}

// handling does something with an attachment that is there, in a transaction.
func (s *Store) handling(ctx context.Context, by *auth.User, kind, id, attachment string, do func(tx *db.Tx, r *Record, a Attachment) error) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, a, err := s.attachment(tx, by, kind, id, attachment)
		if err != nil {
			return err
		}
		if !a.RemovedAt.IsZero() || !r.DeletedAt.IsZero() {
			return fault.New(fault.Conflict, "record.fault.attachment_removed", "the attachment was removed")
		}
		return do(tx, r, a)
	})
}

// PlaceAttachment says where the original lies now.
func (s *Store) PlaceAttachment(ctx context.Context, by *auth.User, kind, id, attachment, place, note string) error {
	place, err := lineOf("place", place, MaxPlace, true)
	if err != nil {
		return err
	}
	if note, err = textOf("note", note, MaxNote, false); err != nil {
		return err
	}
	return s.handling(ctx, by, kind, id, attachment, func(tx *db.Tx, r *Record, a Attachment) error {
		if err := mayWrite(r.Kind, by); err != nil || place == a.Place {
			return err
		}
		err := s.put(tx, "record_attachment", a.ID, "place", `UPDATE record_attachment SET place = $1, version = version + 1 WHERE id = $2`, place, a.ID)
		if err == nil {
			err = s.custody(tx, a.ID, Moved, a.Place, place, note)
		}
		if err != nil {
			return err
		}
		return s.happened(tx, r, attachMoved, note, []Change{{attachNameField, a.Name, a.Name}, {attachPlace, a.Place, place}})
	})
}

// OfferAttachment begins to hand an original over: its holder does, or, where the holder is gone, who may delete the record. The other, who
// must be able to see the record, confirms by TakeAttachment.
func (s *Store) OfferAttachment(ctx context.Context, by *auth.User, kind, id, attachment, to, note string) error {
	note, err := textOf("note", note, MaxNote, false)
	if err != nil {
		return err
	}
	return s.handling(ctx, by, kind, id, attachment, func(tx *db.Tx, r *Record, a Attachment) error {
		switch {
		case a.Holder != by.ID && !by.May(r.Kind.MayDelete()):
			return fault.New(fault.Forbidden, "record.fault.holder", "only who holds it hands it over")
		case a.Offered != "":
			return fault.New(fault.Conflict, "record.fault.offered", "it is being handed over already")
		case to == a.Holder:
			return Wrong{"to": invalid("record.fault.holds", nil, "they hold it already")}
		}
		if _, may, err := s.seen(tx, to, r); err != nil {
			return err
		} else if !may {
			return Wrong{"to": cannotSee()}
		}
		return s.hand(tx, r, a, Offered, a.Holder, to, note)
	})
}

func cannotSee() error {
	return invalid("record.fault.cannot_see", nil, "there is nobody of that name who may see this record")
}

// hand writes a step of handing over.
func (s *Store) hand(tx *db.Tx, r *Record, a Attachment, action, from, to, note string) error {
	offered, holder := "", a.Holder
	switch action {
	case Offered:
		offered = to
	case Taken:
		holder = to
	}
	err := s.put(tx, "record_attachment", a.ID, "hand_over", `UPDATE record_attachment SET offered = $1, holder = $2, version = version + 1 WHERE id = $3`, offered, holder, a.ID)
	if err == nil {
		err = s.custody(tx, a.ID, action, from, to, note)
	}
	if err != nil {
		return err
	}
	word, mentions := attachTaken, []string{a.Holder}
	if action == Offered {
		word, mentions = attachOffered, []string{to}
	} else if action != Taken {
		return nil
	}
	return s.happened(tx, r, word, note, []Change{{attachNameField, a.Name, a.Name}, {attachHolder, from, to}}, mentions...)
}

// TakeAttachment answers an offer: whom it was made to takes the original over or declines it; who made it may keep it after all. Taking over
// is a person's at a screen, not a token's.
func (s *Store) TakeAttachment(ctx context.Context, by *auth.User, kind, id, attachment, answer, note string) error {
	note, err := textOf("note", note, MaxNote, false)
	if err != nil {
		return err
	}
	return s.handling(ctx, by, kind, id, attachment, func(tx *db.Tx, r *Record, a Attachment) error {
		mine := a.Offered == by.ID
		if answer == Kept {
			mine = a.Holder == by.ID || by.May(r.Kind.MayDelete())
		}
		switch {
		case answer != Taken && answer != Declined && answer != Kept:
			return fault.New(fault.Invalid, "", "an offer cannot be %q", answer)
		case a.Offered == "":
			return fault.New(fault.Conflict, "record.fault.not_offered", "it is not being handed over")
		case !mine:
			return fault.New(fault.Forbidden, "record.fault.offered_other", "it is not offered to %s", by.ID)
		case answer == Taken && !by.Session:
			return fault.New(fault.Forbidden, "fault.not_fresh", "taking over takes a person")
		}
		return s.hand(tx, r, a, answer, a.Holder, a.Offered, note)
	})
}

// VerifyAttachment reads a file through and compares it with what was received. It returns the attachment with what was found: Damaged is
// the hash of changed bytes, and that it is damaged stands in the chain of custody and in the record's history.
func (s *Store) VerifyAttachment(ctx context.Context, by *auth.User, kind, id, attachment string) (a Attachment, err error) {
	if a, err = s.Attachment(ctx, by, kind, id, attachment); err != nil {
		return a, err
	}
	if !a.RemovedAt.IsZero() {
		return a, noneOf("attachment", attachment)
	}
	found := s.opt.Blobs.Verify(ctx, a.SHA256) // beside the transaction: it may take minutes
	changed, isChanged := errors.AsType[*blob.ChangedError](found)
	if found != nil && !isChanged && !fault.Is(found, fault.NotFound) {
		return a, found
	}
	now, action := a.SHA256, Verified
	a.Damaged = ""
	if found != nil {
		now, action, a.Damaged = "", Damaged, "-"
		if isChanged {
			now, a.Damaged = changed.Now, changed.Now
		}
	}
	err = s.handling(ctx, by, kind, id, attachment, func(tx *db.Tx, r *Record, was Attachment) error {
		a.CheckedAt = tx.Now()
		err := s.put(tx, "record_attachment", a.ID, action, `UPDATE record_attachment SET checked_at = $1, damaged = $2, version = version + 1 WHERE id = $3`,
			db.Micros(a.CheckedAt), a.Damaged, a.ID)
		if err == nil {
			err = s.custody(tx, a.ID, action, a.SHA256, now, "")
		}
		if err != nil || action == Verified || was.Damaged == a.Damaged {
			return err
		}
		return s.happened(tx, r, attachDamaged, "", []Change{{attachNameField, a.Name, a.Name}})
	})
	return a, err
}

// RemoveAttachment takes a file away from a record: who attached it may, and who may delete the record. It stays listed with the reason, and
// its bytes are kept until their time is over (Purge).
func (s *Store) RemoveAttachment(ctx context.Context, by *auth.User, kind, id, attachment, why string) error {
	why, err := textOf("why", why, MaxNote, true)
	if err != nil {
		return err
	}
	return s.handling(ctx, by, kind, id, attachment, func(tx *db.Tx, r *Record, a Attachment) error {
		if err := mayWrite(r.Kind, by); err != nil {
			return err
		}
		if a.Author != by.ID && !by.May(r.Kind.MayDelete()) {
			return fault.New(fault.Forbidden, "record.fault.attachment_author", "only who attached it, and who may delete records, take an attachment away")
		}
		err := s.put(tx, "record_attachment", a.ID, "remove", `UPDATE record_attachment SET removed_at = $1, removed_by = $2, removed_why = $3, offered = '', version = version + 1 WHERE id = $4`,
			db.Micros(tx.Now()), tx.Actor(), why, a.ID)
		if err == nil {
			err = s.custody(tx, a.ID, TakenAway, a.SHA256, "", why)
		}
		if err != nil {
			return err
		}
		return s.happened(tx, r, attachRemoved, why, []Change{{attachNameField, a.Name, ""}})
	})
}
