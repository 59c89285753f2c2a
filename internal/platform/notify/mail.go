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
	"yagura/internal/platform/letter"
)

// mailsAtOnce bounds what one digest holds; what is left comes in the next one, at once.
const mailsAtOnce = 200

// outgoing is a delivery with its notice.
type outgoing struct {
	notice
	delivery string
	held     string
	attempts int
	told     int64
	why      string
	read     bool
}

const outgoingColumns = noticeColumns + `, d.id, d.held, d.attempts, d.told, COALESCE(i.why, ''), COALESCE(i.read_at, 0)`

func scanOutgoing(s db.Scanner) (o outgoing, err error) {
	var read int64
	err = s.Scan(append(o.into(), &o.delivery, &o.held, &o.attempts, &o.told, &o.why, &read)...)
	o.read = read > 0
	return o, err
}

// mail sends a person the mails that are due, and puts those together that are held, or too many.
func (n *Notifier) mail(ctx context.Context, who one) error {
	var due []outgoing
	err := n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		due, err = db.List(tx, scanOutgoing, `SELECT `+outgoingColumns+` FROM notify_delivery d JOIN notify_notice n ON n.id = d.notice
			LEFT JOIN notify_item i ON i.notice = d.notice AND i.person = d.target
			WHERE d.channel = 'mail' AND d.target = $1 AND d.state = 'waiting' AND d.due_at <= $2 ORDER BY d.due_at, d.id LIMIT $3`,
			who.ID, db.Micros(tx.Now()), mailsAtOnce)
		return err
	})
	if err != nil || len(due) == 0 {
		return err
	}
	person, err := n.opt.People.Person(ctx, who.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	var send, drop []outgoing
	for _, o := range due {
		may, err := n.mayKnow(ctx, o.Topic, o.About, person) // nobody may know whose account is gone
		if err != nil {
			return err
		}
		if may && !o.read && person.Email != "" {
			send = append(send, o)
		} else {
			drop = append(drop, o)
		}
	}
	called, err := n.namesIn(ctx, send)
	if err != nil {
		return err
	}
	w := mailWriter{n: n, person: person, wording: wording{n.opt.Bundle.Printer(n.opt.Post.Language(person), zoneOf(person)), called, Defang}}
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		for _, o := range drop {
			if _, err := settle(tx, o, "dropped", "", ""); err != nil {
				return err
			}
		}
		if err := w.send(tx, send); err != nil || len(due) < mailsAtOnce {
			return err
		}
		return n.mailAt(tx, who.ID, tx.Now())
	})
	if err != nil {
		return fmt.Errorf("mailing notices: %w", err)
	}
	return nil
}

// namesIn returns the names of the people in notices' arguments.
func (n *Notifier) namesIn(ctx context.Context, list []outgoing) (names, error) {
	var ids []string
	for _, o := range list {
		if args, err := decodeArgs(o.Args); err == nil {
			ids = append(ids, args.people()...)
		}
	}
	return n.opt.People.Names(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
}

// settle writes down what became of a delivery that waits, and reports whether it did.
func settle(tx *db.Tx, o outgoing, state, batch, answer string) (bool, error) {
	changed, err := tx.Exec(`UPDATE notify_delivery SET state = $1, batch = $2, answer = $3, told = $4, attempts = attempts + 1, done_at = $5
		WHERE id = $6 AND state = 'waiting'`, state, batch, answer, o.Count, db.Micros(tx.Now()), o.delivery)
	return changed > 0, err
}

// stillWaits reports whether a delivery waits. Writers go one at a time: it holds until the transaction ends.
func stillWaits(tx *db.Tx, o outgoing) (waits bool, err error) {
	var n int
	err = tx.QueryRow(`SELECT COUNT(*) FROM notify_delivery WHERE id = $1 AND state = 'waiting' AND held = $2`, o.delivery, o.held).Scan(&n)
	return n > 0, err
}

// mailWriter writes a person's mails.
type mailWriter struct {
	n      *Notifier
	person auth.Person
	wording
}

// send puts mails into the outbox: one for each notice that is due by itself, while the hour has room, and one for all that are held.
func (w mailWriter) send(tx *db.Tx, list []outgoing) error {
	room, free, err := mailRoom(tx, w.person.ID)
	if err != nil {
		return err
	}
	var held []outgoing
	for _, o := range list {
		waits, err := stillWaits(tx, o)
		if err != nil {
			return err
		}
		switch {
		case !waits: // another run was faster
		case o.held != "":
			held = append(held, o)
		case room > 0:
			room--
			if err := w.post(tx, []outgoing{o}, w.single(o)); err != nil {
				return err
			}
		default:
			if _, err := tx.Exec(`UPDATE notify_delivery SET held = 'cap', due_at = $1 WHERE id = $2 AND state = 'waiting'`, db.Micros(free), o.delivery); err != nil {
				return err
			}
			if err := w.n.mailAt(tx, w.person.ID, free); err != nil {
				return err
			}
		}
	}
	switch {
	case len(held) == 1 && held[0].held != "cap":
		return w.post(tx, held, w.single(held[0]))
	case len(held) > 0:
		return w.post(tx, held, w.digest(held))
	}
	return nil
}

// mailRoom returns how many more mails a person may get within this hour, and when the rest may go.
func mailRoom(tx *db.Tx, person string) (room int, free time.Time, err error) {
	var sent int
	var first int64
	err = tx.QueryRow(`SELECT COUNT(DISTINCT batch), COALESCE(MIN(done_at), 0) FROM notify_delivery
		WHERE channel = 'mail' AND target = $1 AND state = 'sent' AND done_at > $2`, person, db.Micros(tx.Now().Add(-time.Hour))).Scan(&sent, &first)
	free = tx.Now().Add(time.Hour)
	if first > 0 {
		free = db.Time(first).Add(time.Hour)
	}
	return max(0, MailsAnHour-sent), free, err
}

// post puts one mail into the outbox and settles what it tells of. What the outbox does not take has failed, and holds up nothing.
func (w mailWriter) post(tx *db.Tx, list []outgoing, note letter.Note) error {
	err := tx.Try(func() error { return w.n.opt.Post.Tell(tx, w.person, note) })
	state, answer := "sent", ""
	switch {
	case fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge):
		state, answer = "failed", err.Error()
	case err != nil:
		return err
	}
	batch := db.NewID()
	for _, o := range list {
		if _, err := settle(tx, o, state, batch, answer); err != nil {
			return err
		}
	}
	return nil
}

// foot is what stands below every mail.
func (w mailWriter) foot() []letter.Link {
	return []letter.Link{
		{Text: w.speak.T("notify.mail.all"), Path: "/notifications"},
		{Text: w.speak.T("notify.mail.preferences"), Path: "/notifications/preferences"},
	}
}

func (w mailWriter) single(o outgoing) letter.Note {
	line := w.line(o)
	note := letter.Note{Subject: w.speak.T("notify.mail.subject", line.Text), Groups: []letter.Group{{Lines: []letter.Line{line}}}, Foot: w.foot()}
	if o.Severity >= High {
		note.Subject = w.speak.T("notify.mail.subject", w.speak.T("notify.mail.severe", w.speak.T("severity."+o.Severity.String()), line.Text))
	}
	return note
}

func (w mailWriter) line(o outgoing) letter.Line {
	line := letter.Line{Text: w.n.words(w.wording, o.notice, o.why), More: w.more(o), Link: letter.Link{Text: w.speak.T("notify.open"), Path: "/notifications/" + o.ID}}
	return line
}

// more says when it happened, and how often.
func (w wording) more(o outgoing) string {
	parts := []string{db.Time(o.Last).In(w.speak.Zone()).Format("2006-01-02 15:04 MST")}
	if o.Count > 1 {
		parts = append(parts, w.speak.T("notify.count", o.Count))
	}
	return strings.Join(parts, " · ")
}

// digest is one mail for many notices, by topic.
func (w mailWriter) digest(list []outgoing) letter.Note {
	held := make(map[string]bool)
	byTopic := make(map[string][]letter.Line)
	var order []string
	for _, o := range list {
		held[o.held] = true
		if byTopic[o.Topic] == nil {
			order = append(order, o.Topic)
		}
		byTopic[o.Topic] = append(byTopic[o.Topic], w.line(o))
	}
	note := letter.Note{Subject: w.speak.T("notify.mail.digest", len(list)), Foot: w.foot()}
	var why []string
	if held["cap"] {
		why = append(why, w.speak.T("notify.mail.capped", MailsAnHour))
	}
	if held["quiet"] {
		why = append(why, w.speak.T("notify.mail.quiet"))
	}
	note.Intro = strings.Join(append(why, w.speak.T("notify.mail.together", len(list))), joint(w.speak))
	for _, topic := range order {
		note.Groups = append(note.Groups, letter.Group{Title: w.n.topicName(w.speak, topic), Lines: byTopic[topic]})
	}
	return note
}

// joint is what stands between two sentences.
func joint(p *i18n.Printer) string {
	if p.Lang() == i18n.Japanese {
		return ""
	}
	return " "
}

// topicName is what a topic is called; one that no room declares any more has its name only.
func (n *Notifier) topicName(speak *i18n.Printer, topic string) string {
	if _, ok := n.topics[topic]; !ok {
		return topic
	}
	return speak.T("notify.topic." + topic)
}

// words says what a notice says to one who was told of it for a reason.
func (n *Notifier) words(w wording, x notice, why string) string {
	args, err := decodeArgs(x.Args)
	if err != nil {
		return x.Topic // damaged: its name is all there is
	}
	text := n.say(w, x.Topic, args)
	if why == whyChain {
		text = w.speak.T("notify.unread", text)
	}
	return text
}
