package record

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	// MaxComment is the longest comment, in characters: it stands in the history, too.
	MaxComment = MaxNote
	// MaxComments is the most comments of a record that are read at once.
	MaxComments = 200
)

// What is done to comments, in the history.
const (
	commented        = "comment"
	commentEdited    = "comment.edit"
	commentDeleted   = "comment.delete"
	commentTextField = "comment.text" // no field of a kind: it has a dot
)

// Comment is what somebody said about a record, in Markdown.
type Comment struct {
	ID        string
	Kind      string
	RecordID  string
	At        time.Time
	Author    string
	Text      string // "" where it was deleted
	Mentions  []Mention
	EditedAt  time.Time
	DeletedAt time.Time
	DeletedBy string
	Version   int64
}

// Mention is an "@word" of a comment that means somebody: an active person who might see the record when it was written.
type Mention struct {
	Word   string `json:"word"` // without the "@"
	Person string `json:"person"`
}

// people are those whom a comment names, each once.
func mentioned(list []Mention) (people []string) {
	for _, m := range list {
		if !slices.Contains(people, m.Person) {
			people = append(people, m.Person)
		}
	}
	return people
}

// Comment says something about a record. It takes the right to change it. Errors: Wrong for a text that is empty or too long.
func (s *Store) Comment(ctx context.Context, by *auth.User, kind, id, text string) (c Comment, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		c, err = s.CommentTx(tx, by, kind, id, text)
		return err
	})
	return c, err
}

// CommentTx is Comment within a transaction.
func (s *Store) CommentTx(tx *db.Tx, by *auth.User, kind, id, text string) (Comment, error) {
	_, r, err := s.forWriting(tx, by, kind, id)
	if err != nil {
		return Comment{}, err
	}
	if text, err = textOf("text", text, MaxComment, true); err != nil {
		return Comment{}, err
	}
	c := Comment{ID: db.NewID(), Kind: kind, RecordID: id, At: tx.Now(), Author: tx.Actor(), Text: text, Version: 1}
	if c.Mentions, err = s.mentions(tx, r, text); err != nil {
		return Comment{}, err
	}
	list, err := mentionText(c.Mentions)
	if err != nil {
		return Comment{}, err
	}
	err = s.put(tx, "record_comment", c.ID, "create", `INSERT INTO record_comment (`+commentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '', 1)`,
		c.ID, kind, id, db.Micros(c.At), c.Author, text, list)
	if err != nil {
		return Comment{}, err
	}
	return c, s.happened(tx, r, commented, text, nil, mentioned(c.Mentions)...)
}

const commentColumns = `id, kind, record_id, at, author, text, mentions, edited_at, deleted_at, deleted_by, version`

func scanComment(row db.Scanner) (c Comment, err error) {
	var at, edited, deleted int64
	var list string
	if err := row.Scan(&c.ID, &c.Kind, &c.RecordID, &at, &c.Author, &c.Text, &list, &edited, &deleted, &c.DeletedBy, &c.Version); err != nil {
		return c, err
	}
	c.At, c.EditedAt, c.DeletedAt = db.Time(at), db.Time(edited), db.Time(deleted)
	return c, json.Unmarshal([]byte(list), &c.Mentions)
}

func mentionText(list []Mention) (string, error) {
	if list == nil {
		list = []Mention{}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// Comments returns what was said about a record that may be shown to somebody, the latest first; cursor as with lists. Deleted ones are
// among them, without their text.
func (s *Store) Comments(ctx context.Context, by *auth.User, kind, id, cursor string, limit int) (page db.Page[Comment], err error) {
	limit = min(max(limit, 1), MaxComments)
	w := new(db.Where)
	w.And("kind = ?", kind)
	w.And("record_id = ?", id)
	if cursor != "" {
		var last string
		if err := db.DecodeCursor(cursor, &last); err != nil {
			return page, err
		}
		w.And("id < ?", last)
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.GetTx(tx, by, kind, id); err != nil {
			return err
		}
		list, err := db.List(tx, scanComment, `SELECT `+commentColumns+` FROM record_comment`+w.String()+` ORDER BY id DESC LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, limit, func(c Comment) []any { return []any{c.ID} })
		return err
	})
	return page, err
}

// OneComment returns a comment of a record that may be shown to somebody; another record's is a fault.NotFound.
func (s *Store) OneComment(ctx context.Context, by *auth.User, kind, id, comment string) (c Comment, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.GetTx(tx, by, kind, id); err != nil {
			return err
		}
		c, err = findComment(tx, kind, id, comment)
		return err
	})
	return c, err
}

func findComment(tx *db.Tx, kind, id, comment string) (Comment, error) {
	c, err := scanComment(tx.QueryRow(`SELECT `+commentColumns+` FROM record_comment WHERE id = $1 AND kind = $2 AND record_id = $3`, comment, kind, id))
	if fault.Is(err, fault.NotFound) {
		err = noneOf("comment", comment)
	}
	return c, err
}

// comment reads a comment of a record that somebody means to change.
func (s *Store) comment(tx *db.Tx, by *auth.User, kind, id, comment string, version int64) (*Record, Comment, error) {
	_, r, err := s.forWriting(tx, by, kind, id)
	if err != nil {
		return nil, Comment{}, err
	}
	c, err := findComment(tx, kind, id, comment)
	switch {
	case err != nil:
		return nil, c, err
	case !c.DeletedAt.IsZero():
		return nil, c, fault.New(fault.Conflict, "record.fault.comment_deleted", "the comment is deleted")
	case version != 0 && version != c.Version:
		return nil, c, fault.New(fault.Conflict, "record.fault.comment_changed", "the comment was changed meanwhile")
	}
	return r, c, nil
}

// EditComment changes what somebody said: its author alone may. The earlier text stays in the history. Who is named in it for the first
// time is told.
func (s *Store) EditComment(ctx context.Context, by *auth.User, kind, id, comment string, version int64, text string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, c, err := s.comment(tx, by, kind, id, comment, version)
		if err != nil {
			return err
		}
		if c.Author != by.ID {
			return fault.New(fault.Forbidden, "record.fault.comment_author", "only its author changes a comment")
		}
		if text, err = textOf("text", text, MaxComment, true); err != nil || text == c.Text {
			return err
		}
		now, err := s.mentions(tx, r, text)
		if err != nil {
			return err
		}
		list, err := mentionText(now)
		if err != nil {
			return err
		}
		err = s.put(tx, "record_comment", c.ID, "update", `UPDATE record_comment SET text = $1, mentions = $2, edited_at = $3, version = version + 1 WHERE id = $4`,
			text, list, db.Micros(tx.Now()), c.ID)
		if err != nil {
			return fmt.Errorf("changing a comment: %w", err)
		}
		before := mentioned(c.Mentions)
		fresh := slices.DeleteFunc(mentioned(now), func(person string) bool { return slices.Contains(before, person) })
		return s.happened(tx, r, commentEdited, "", []Change{{commentTextField, c.Text, text}}, fresh...)
	})
}

// DeleteComment takes a comment away: its author may, and who may delete the record. That it was there stays visible; its text stays in
// the history.
func (s *Store) DeleteComment(ctx context.Context, by *auth.User, kind, id, comment string, version int64) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, c, err := s.comment(tx, by, kind, id, comment, version)
		if err != nil {
			return err
		}
		if c.Author != by.ID && !by.May(r.Kind.MayDelete()) {
			return fault.New(fault.Forbidden, "record.fault.comment_author", "only its author, and who may delete records, take a comment away")
		}
		err = s.put(tx, "record_comment", c.ID, "delete_text", `UPDATE record_comment SET text = '', mentions = '[]', deleted_at = $1, deleted_by = $2, version = version + 1 WHERE id = $3`,
			db.Micros(tx.Now()), tx.Actor(), c.ID)
		if err != nil {
			return err
		}
		return s.happened(tx, r, commentDeleted, "", []Change{{commentTextField, c.Text, ""}})
	})
}
