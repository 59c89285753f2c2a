package record

import (
	"context"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/ref"
)

// things are the tables of what hangs on records.
func things() []ledger.Table {
	return []ledger.Table{
		{Name: "record_comment", Key: "id"},
		{Name: "record_attachment", Key: "id"},
		{Name: "record_custody", Key: "id"},
		{Name: "record_link", Key: "id"},
		{Name: "record_task", Key: "id", Omit: []string{"say_at"}, Link: "/tasks/{key}"},
		{Name: "record_task_after", Key: "id"},
		{Name: "record_class", Key: "id"},
		{Name: "record_approval", Key: "id"},
		{Name: "record_approval_step", Key: "id"},
	}
}

// put writes a row of one of them and its ledger leaf.
func (s *Store) put(tx *db.Tx, table, id, action, statement string, args ...any) error {
	if _, err := tx.Exec(statement, args...); err != nil {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: table, Key: id, Action: action})
}

// happened tells of something that was done to a record and left the record itself as it was.
func (s *Store) happened(tx *db.Tx, r *Record, action, note string, changes []Change, mentions ...string) error {
	return s.told(tx, Event{Record: r, Before: r, Action: action, Note: note, Changes: changes, Mentions: mentions})
}

// seen finds somebody who is active and may see a record; false for others.
func (s *Store) seen(tx *db.Tx, person string, r *Record) (*auth.User, bool, error) {
	who, err := s.opt.People.Someone(tx, person)
	if fault.Is(err, fault.NotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	may, err := s.May(tx, who, r.Kind.Name, r.ID)
	return who, may, err
}

// MaySee reports whether a person may see a record now, whoever asks: for what is told to people who are not there. Errors: fault.NotFound for
// a person who is not active.
func (s *Store) MaySee(ctx context.Context, person, kind, id string) (may bool, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		who, err := s.opt.People.Someone(tx, person)
		if err != nil {
			return err
		}
		may, err = s.May(tx, who, kind, id)
		return err
	})
	return may, err
}

// MaySeeTask is MaySee for a task.
func (s *Store) MaySeeTask(ctx context.Context, person, id string) (may bool, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		who, err := s.opt.People.Someone(tx, person)
		if err != nil {
			return err
		}
		_, err = s.task(tx, who, id)
		may = err == nil
		return err
	})
	return may, err
}

// noneOf is the error for what is not there, or is another record's.
func noneOf(what, id string) error {
	return fault.New(fault.NotFound, "fault.not_found", "there is no %s %.80q", what, id)
}

// textOf cleans a text of many lines and refuses one that is too long, or missing where it is needed.
func textOf(field, text string, most int, needed bool) (string, error) {
	text = clean(text)
	if needed && text == "" {
		return "", Wrong{field: missing(field)}
	}
	if err := tooLong(text, most); err != nil {
		return "", Wrong{field: err}
	}
	return text, nil
}

// lineOf is textOf for one line.
func lineOf(field, text string, most int, needed bool) (string, error) {
	v, err := textual{}.Parse(text, nil)
	if err != nil {
		return "", Wrong{field: err}
	}
	return textOf(field, v.(string), most, needed)
}

// Hanging is how much hangs on a record, as somebody sees it.
type Hanging struct {
	Comments, Attachments, Links, Tasks, Approvals int // comments not deleted, attachments not removed, tasks open, approvals waiting
}

// Hanging counts what hangs on a record that may be shown to somebody.
func (s *Store) Hanging(ctx context.Context, by *auth.User, one ref.Ref) (h Hanging, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.GetTx(tx, by, one.Kind, one.ID); err != nil {
			return err
		}
		err := tx.QueryRow(`SELECT
			(SELECT COUNT(*) FROM record_comment WHERE kind = $1 AND record_id = $2 AND deleted_at = 0),
			(SELECT COUNT(*) FROM record_attachment WHERE kind = $1 AND record_id = $2 AND removed_at = 0),
			(SELECT COUNT(*) FROM record_task WHERE kind = $1 AND record_id = $2 AND state = $3),
			(SELECT COUNT(*) FROM record_approval WHERE kind = $1 AND record_id = $2 AND state = $4)`, one.Kind, one.ID, Open, Waiting).
			Scan(&h.Comments, &h.Attachments, &h.Tasks, &h.Approvals)
		if err != nil {
			return err
		}
		rows, err := linksOf(tx, one)
		if err != nil {
			return err
		}
		links, err := s.visibleLinks(tx, by, one, rows)
		h.Links = len(links)
		return err
	})
	return h, err
}
