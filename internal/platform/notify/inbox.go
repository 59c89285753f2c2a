package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
)

// CountLimit is how far unread notices are counted.
const CountLimit = 100

const (
	keepRead    = 90 * 24 * time.Hour
	keepUnread  = 400 * 24 * time.Hour
	keepKeys    = 30 * 24 * time.Hour
	sweepAtOnce = 500
)

// Entry is a notice as a reader finds it.
type Entry struct {
	ID        string
	Topic     string
	Severity  Severity
	Count     int64
	At        time.Time // when it last happened
	Read      bool
	Path      string // of what it is about, "" for nothing to open
	Escalated bool   // it came because nobody had read it

	notice notice
	why    string
}

func entryOf(x notice) Entry {
	return Entry{ID: x.ID, Topic: x.Topic, Severity: x.Severity, Count: x.Count, At: db.Time(x.Last), notice: x}
}

// Unread counts a person's unread notices, at most CountLimit: one look into an index.
func (n *Notifier) Unread(ctx context.Context, person string) (count int, err error) {
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM notify_item WHERE person = $1 AND unread = 1 LIMIT $2) AS unread`, person, CountLimit).Scan(&count)
	})
	return count, err
}

// Filter chooses notices of a person.
type Filter struct {
	Unread bool
	Topic  string
	Cursor string
	Limit  int
}

// item is a row of a person's list.
type item struct {
	notice
	id     string
	at     int64
	why    string
	read   int64
	hidden int64
}

const itemColumns = noticeColumns + `, i.id, i.at, i.why, i.read_at, i.hidden`

func scanItem(s db.Scanner) (x item, err error) {
	err = s.Scan(append(x.into(), &x.id, &x.at, &x.why, &x.read, &x.hidden)...)
	return x, err
}

// List returns a person's notices, the latest first, without those that they may not know of at this moment: a page may have fewer
// than Limit.
func (n *Notifier) List(ctx context.Context, person string, f Filter) (page db.Page[Entry], err error) {
	who, err := n.reader(ctx, person)
	if err != nil {
		return page, err
	}
	where := new(db.Where)
	where.And("i.person = ? AND i.shown = 1", person)
	if f.Unread {
		where.And("i.read_at = 0")
	}
	if f.Topic != "" {
		where.And("n.topic = ?", f.Topic)
	}
	if f.Cursor != "" {
		var at int64
		var id string
		if err := db.DecodeCursor(f.Cursor, &at, &id); err != nil {
			return page, err
		}
		where.And("(i.at, i.id) < (?, ?)", at, id)
	}
	var rows db.Page[item]
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err := db.List(tx, scanItem, `SELECT `+itemColumns+` FROM notify_item i JOIN notify_notice n ON n.id = i.notice`+where.String()+
			` ORDER BY i.at DESC, i.id DESC LIMIT `+where.Next(1), where.Args(f.Limit+1)...)
		if err != nil {
			return err
		}
		rows, err = db.Paged(list, f.Limit, func(x item) []any { return []any{x.at, x.id} })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("listing notices: %w", err)
	}
	page.Next = rows.Next
	var changed []item
	for _, x := range rows.Items {
		may, err := n.mayKnow(ctx, x.Topic, x.About, who)
		if err != nil {
			return page, err
		}
		if hidden := flag(!may); hidden != x.hidden {
			x.hidden = hidden
			changed = append(changed, x)
		}
		if may {
			page.Items = append(page.Items, n.entry(x))
		}
	}
	return page, n.hide(ctx, changed)
}

func (n *Notifier) entry(x item) Entry {
	e := entryOf(x.notice)
	e.Read, e.why, e.Path, e.Escalated = x.read > 0, x.why, n.path(x.About), x.why == whyChain
	return e
}

// reader is the person who reads. Nobody the accounts know, such as the demo's visitor, has no notices.
func (n *Notifier) reader(ctx context.Context, id string) (auth.Person, error) {
	p, err := n.opt.People.Person(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return auth.Person{ID: id}, nil
	}
	return p, err
}

// hide writes down what a person may no longer know of, or may again, so that the count tells of what the list shows.
func (n *Notifier) hide(ctx context.Context, changed []item) error {
	if len(changed) == 0 {
		return nil
	}
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		for _, x := range changed {
			_, err := tx.Exec(`UPDATE notify_item SET hidden = $1, unread = CASE WHEN shown = 1 AND read_at = 0 THEN CAST($2 AS BIGINT) ELSE 0 END WHERE id = $3`,
				x.hidden, 1-x.hidden, x.id)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Texts says what notices say, in the reader's words.
func (n *Notifier) Texts(ctx context.Context, speak *i18n.Printer, list []Entry) ([]string, error) {
	all := make([]outgoing, len(list))
	for i, e := range list {
		all[i].notice = e.notice
	}
	called, err := n.namesIn(ctx, all)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = n.words(wording{speak: speak, names: called}, e.notice, e.why)
	}
	return texts, nil
}

// TopicName is what a topic is called.
func (n *Notifier) TopicName(speak *i18n.Printer, topic string) string {
	return n.topicName(speak, topic)
}

// Read marks a notice read by a person and returns the page of what it is about, "" for none. The error is fault.NotFound where
// they have no such notice, or may not know of it.
func (n *Notifier) Read(ctx context.Context, person, id string) (path string, err error) {
	who, err := n.reader(ctx, person)
	if err != nil {
		return "", err
	}
	missing := fault.New(fault.NotFound, "notify.fault.not_found", "%s has no notice %s", person, id)
	var x item
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		x, err = scanItem(tx.QueryRow(`SELECT `+itemColumns+` FROM notify_item i JOIN notify_notice n ON n.id = i.notice WHERE i.notice = $1 AND i.person = $2`, id, person))
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return "", missing
	}
	if err != nil {
		return "", err
	}
	if may, err := n.mayKnow(ctx, x.Topic, x.About, who); err != nil || !may {
		if err == nil {
			err = missing
		}
		return "", err
	}
	return n.path(x.About), n.mark(ctx, person, "notice = ? AND read_at = 0", id)
}

// ReadAll marks all notices of a person read that came until then: what came while they looked at the list stays unread.
func (n *Notifier) ReadAll(ctx context.Context, person string, until time.Time) error {
	return n.mark(ctx, person, "unread = 1 AND at <= ?", db.Micros(until))
}

// mark marks the notices of a person read that the condition holds of.
func (n *Notifier) mark(ctx context.Context, person, condition string, arg any) error {
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		where := new(db.Where)
		where.And("person = ?", person)
		where.And(condition, arg)
		_, err := tx.Exec(`UPDATE notify_item SET read_at = `+where.Next(1)+`, unread = 0`+where.String(), where.Args(db.Micros(tx.Now()))...)
		return err
	})
}

// Sweep deletes in batches what is old: what was read 90 days ago, what nobody has read in 400, what went out then, and notices
// of which nothing is left.
func (n *Notifier) Sweep(ctx context.Context) error {
	var now time.Time
	if err := n.opt.DB.Read(ctx, func(tx *db.Tx) error { now = tx.Now(); return nil }); err != nil {
		return err
	}
	read, unread := db.Micros(now.Add(-keepRead)), db.Micros(now.Add(-keepUnread))
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`DELETE FROM notify_item WHERE id IN (SELECT id FROM notify_item WHERE read_at > 0 AND read_at < $1 LIMIT $2)`, []any{read}},
		{`DELETE FROM notify_item WHERE id IN (SELECT id FROM notify_item WHERE read_at = 0 AND at < $1 LIMIT $2)`, []any{unread}},
		{`DELETE FROM notify_delivery WHERE id IN (SELECT id FROM notify_delivery WHERE state IN ('sent', 'failed', 'dropped') AND done_at < $1 LIMIT $2)`, []any{read}},
		{`DELETE FROM notify_notice WHERE id IN (SELECT n.id FROM notify_notice n WHERE n.at < $1
			AND NOT EXISTS (SELECT 1 FROM notify_item i WHERE i.notice = n.id) AND NOT EXISTS (SELECT 1 FROM notify_delivery d WHERE d.notice = n.id) LIMIT $2)`, []any{read}},
		{`DELETE FROM notify_key WHERE key IN (SELECT key FROM notify_key WHERE at < $1 LIMIT $2)`, []any{db.Micros(now.Add(-keepKeys))}},
	} {
		for more := true; more; {
			err := n.opt.DB.Write(ctx, func(tx *db.Tx) error {
				deleted, err := tx.Exec(step.statement, append(slices.Clone(step.args), sweepAtOnce)...)
				more = deleted == sweepAtOnce
				return err
			})
			if err != nil {
				return fmt.Errorf("deleting old notices (%s): %w", strings.Fields(step.statement)[2], err)
			}
		}
	}
	return nil
}
