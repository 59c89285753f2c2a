package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/jobs"
)

const (
	// together is from how many waiting notices on a chat gets one message with all.
	together   = 6
	postAtOnce = 100
	// lease is how long a node has a target for itself; a message takes far less.
	lease = 2 * time.Minute
	// shift is how long one run of the job works.
	shift = 3 * time.Minute
	// maxAttempts are over some seven hours.
	maxAttempts  = 15
	firstPause   = 10 * time.Second
	longestPause = time.Hour
	targetPause  = 5 * time.Minute // the longest one of a whole target
	maxAnswer    = 500             // bytes of a target's words that are kept
)

// lineUp has a target told.
func (n *Notifier) lineUp(tx *db.Tx, x notice, target string) error {
	var enabled int64
	err := tx.QueryRow(`SELECT enabled FROM notify_target WHERE id = $1`, target).Scan(&enabled)
	if fault.Is(err, fault.NotFound) || err == nil && enabled == 0 {
		return nil // a rule may name a target that is gone
	}
	if err != nil {
		return err
	}
	due, err := putDelivery(tx, x, "target", target, tx.Now(), "")
	if err != nil || due.IsZero() {
		return err
	}
	return n.postAt(tx, target, due)
}

// postAt has a target's line looked at.
func (n *Notifier) postAt(tx *db.Tx, target string, due time.Time) error {
	key := target
	if due.After(tx.Now()) {
		key = fmt.Sprint(target, "@", db.Micros(due))
	}
	_, err := n.opt.Jobs.Add(tx, jobPost, one{target}, jobs.NotBefore(due), jobs.Unique(key))
	return err
}

// message is one request to a target, for one notice or several.
type message struct {
	target Target
	secrets
	list []outgoing
	id   string // the same at every attempt
}

// post works off a target's line, one message after the other, until it is empty or the target fails.
func (n *Notifier) post(ctx context.Context, it one) error {
	for begun := time.Now(); ; {
		m, err := n.take(ctx, it.ID)
		if err != nil || m == nil {
			return err
		}
		answer, problem := n.transmit(ctx, m)
		if problem != nil && ctx.Err() != nil {
			return ctx.Err() // it was us who hung up; the lease ends by itself
		}
		more, err := n.settlePost(ctx, m, answer, problem)
		if err != nil || !more {
			return err
		}
		if time.Since(begun) > shift {
			return n.opt.DB.Write(ctx, func(tx *db.Tx) error { return n.postAt(tx, it.ID, tx.Now()) })
		}
	}
}

// take claims a target and its next message; nil where nothing is to be done now.
func (n *Notifier) take(ctx context.Context, id string) (m *message, err error) {
	var due []outgoing
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		due, err = dueFor(tx, id)
		return err
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	// Asked outside of the transaction that writes: rooms look things up.
	leave := make(map[string]bool, len(due))
	for _, o := range due {
		if leave[o.delivery], err = n.mayLeave(ctx, o.Topic, o.About); err != nil {
			return nil, err
		}
	}
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		m, err = n.claim(tx, id, leave)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming a target: %w", err)
	}
	return m, nil
}

func dueFor(tx *db.Tx, target string) ([]outgoing, error) {
	return db.List(tx, scanOutgoing, `SELECT `+outgoingColumns+` FROM notify_delivery d JOIN notify_notice n ON n.id = d.notice
		LEFT JOIN notify_item i ON i.notice = '' WHERE d.channel = 'target' AND d.target = $1 AND d.state = 'waiting' AND d.due_at <= $2
		ORDER BY d.due_at, d.id LIMIT $3`, target, db.Micros(tx.Now()), postAtOnce)
}

func (n *Notifier) claim(tx *db.Tx, id string, leave map[string]bool) (*message, error) {
	var held int64
	err := tx.QueryRow(`SELECT lease FROM notify_target WHERE id = $1`, id).Scan(&held)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if until := db.Time(held); until.After(tx.Now()) {
		return nil, n.postAt(tx, id, until) // another run has it; this one comes again in case that dies
	}
	t, s, err := n.openTarget(tx, id)
	if err != nil {
		return nil, err
	}
	if t.PausedUntil.After(tx.Now()) {
		return nil, n.postAt(tx, id, t.PausedUntil)
	}
	due, err := dueFor(tx, id)
	if err != nil {
		return nil, err
	}
	m := &message{target: t, secrets: s}
	for _, o := range due {
		may, asked := leave[o.delivery]
		switch {
		case asked && (!may || !t.Enabled):
			if _, err := settle(tx, o, "dropped", "", ""); err != nil {
				return nil, err
			}
		case asked:
			m.list = append(m.list, o)
		}
	}
	if len(m.list) == 0 {
		return nil, nil
	}
	if t.Kind == Webhook || len(m.list) < together {
		m.list = m.list[:1]
	}
	m.id = fmt.Sprint(m.list[0].delivery, ".", m.list[0].Count)
	_, err = tx.Exec(`UPDATE notify_target SET lease = $1 WHERE id = $2`, db.Micros(tx.Now().Add(lease)), id)
	return m, err
}

// transmit sends a message.
func (n *Notifier) transmit(ctx context.Context, m *message) (*httpx.Answer, error) {
	names, err := n.namesIn(ctx, m.list)
	if err != nil {
		return nil, err
	}
	body, err := n.body(m, names)
	if err != nil {
		return nil, err
	}
	return n.send(ctx, m, body)
}

func (n *Notifier) send(ctx context.Context, m *message, body []byte) (*httpx.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address of the target is none") // the error would quote it
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if m.target.Kind == Webhook {
		r.Header.Set("Yagura-Delivery", m.id)
		r.Header.Set("Yagura-Signature", Sign(body, time.Now(), m.Secret, m.Old))
	}
	return n.opt.HTTP.Do(r)
}

// outcome is what an answer means.
type outcome struct {
	ok    bool
	final bool          // trying again makes no sense
	after time.Duration // the target asked to wait so long, 0 where it did not
	words string
}

func judge(answer *httpx.Answer, problem error, now time.Time) outcome {
	if problem != nil {
		return outcome{words: clip(problem.Error()), final: fault.Is(problem, fault.Forbidden) || fault.Is(problem, fault.Invalid)}
	}
	o := outcome{ok: answer.Status/100 == 2, words: clip(fmt.Sprint("HTTP ", answer.Status, " ", string(answer.Body)))}
	switch answer.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		o.after = retryAfter(answer.Header.Get("Retry-After"), now)
	default:
		o.final = !o.ok && answer.Status < 500
	}
	return o
}

// retryAfter reads the header (RFC 9110, 10.2.3), seconds or a date; at most an hour is waited.
func retryAfter(text string, now time.Time) time.Duration {
	pause := time.Duration(0)
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		pause = time.Duration(min(max(seconds, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		pause = at.Sub(now)
	}
	return min(max(pause, 0), longestPause)
}

// settlePost writes down what came of a message, and reports whether the line goes on at once.
func (n *Notifier) settlePost(ctx context.Context, m *message, answer *httpx.Answer, problem error) (more bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second) // what went out must not go out again
	defer cancel()
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		o := judge(answer, problem, tx.Now())
		more = o.ok || o.final
		if more {
			return n.settled(tx, m, o)
		}
		return n.failed(tx, m, o)
	})
	return more, err
}

// settled writes down what went out, or was refused for good: that is the message's fault and holds up no other.
func (n *Notifier) settled(tx *db.Tx, m *message, o outcome) error {
	state, words := "sent", ""
	if !o.ok {
		state, words = "failed", o.words
	}
	for _, d := range m.list {
		if _, err := settle(tx, d, state, m.id, words); err != nil {
			return err
		}
	}
	if o.ok {
		_, err := tx.Exec(`UPDATE notify_target SET lease = 0, failures = 0, paused_until = 0, last_ok = $1 WHERE id = $2`, db.Micros(tx.Now()), m.target.ID)
		return err
	}
	_, err := tx.Exec(`UPDATE notify_target SET lease = 0, last_failed = $1, answer = $2 WHERE id = $3`, db.Micros(tx.Now()), words, m.target.ID)
	return err
}

// failed puts a message off, and the whole target for a while: the others would hear the same.
func (n *Notifier) failed(tx *db.Tx, m *message, o outcome) error {
	now := tx.Now()
	pause := min(firstPause<<min(m.target.Failures, 8), targetPause)
	if o.after > 0 {
		pause = o.after
	}
	until := now.Add(pause)
	_, err := tx.Exec(`UPDATE notify_target SET lease = 0, failures = failures + 1, paused_until = $1, last_failed = $2, answer = $3 WHERE id = $4`,
		db.Micros(until), db.Micros(now), o.words, m.target.ID)
	if err != nil {
		return err
	}
	for _, d := range m.list {
		if d.attempts+1 >= maxAttempts {
			if _, err := settle(tx, d, "failed", m.id, o.words); err != nil {
				return err
			}
			continue
		}
		due := now.Add(max(pause, min(firstPause<<min(d.attempts, 12), longestPause)))
		_, err := tx.Exec(`UPDATE notify_delivery SET attempts = attempts + 1, due_at = $1, answer = $2 WHERE id = $3 AND state = 'waiting'`, db.Micros(due), o.words, d.delivery)
		if err == nil {
			err = n.postAt(tx, m.target.ID, due)
		}
		if err != nil {
			return err
		}
	}
	return n.postAt(tx, m.target.ID, until)
}

// Test sends a target a message that says it is a test, and returns what the target answered. It does not wait in the line.
func (n *Notifier) Test(ctx context.Context, id string) (words string, err error) {
	var m message
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		m.target, m.secrets, err = n.openTarget(tx, id)
		return err
	})
	if err != nil {
		return "", err
	}
	m.id = db.NewID() + ".test"
	body, err := n.testBody(&m)
	if err != nil {
		return "", err
	}
	answer, problem := n.send(ctx, &m, body)
	o := judge(answer, problem, time.Now())
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if o.ok {
			_, err := tx.Exec(`UPDATE notify_target SET failures = 0, paused_until = 0, last_ok = $1 WHERE id = $2`, db.Micros(tx.Now()), id)
			if err != nil {
				return err
			}
			return n.postAt(tx, id, tx.Now()) // what waited may go
		}
		_, err := tx.Exec(`UPDATE notify_target SET last_failed = $1, answer = $2 WHERE id = $3`, db.Micros(tx.Now()), o.words, id)
		return err
	})
	if err == nil && !o.ok {
		err = &fault.Error{Code: fault.Unavailable, Key: "notify.fault.test", Args: []any{o.words}, Detail: "the target: " + o.words}
	}
	return o.words, err
}

// clip makes a target's words one line that can be kept and shown.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxAnswer {
		text = strings.ToValidUTF8(text[:maxAnswer], "") + "…"
	}
	return text
}

func languages() []i18n.Lang { return []i18n.Lang{i18n.English, i18n.Japanese} }
