package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Times are when a person wants mails, by the clock on their wall.
type Times struct {
	Hour    int  // of digests, 0 to 23
	Weekday int  // of digests, as time.Weekday; -1 is every day
	Quiet   bool // hold mails back from QuietFrom to QuietTo, but those of critical notices
	// Minutes since midnight. From later than To is over midnight.
	QuietFrom, QuietTo int
}

// DefaultTimes are those of who has chosen none: digests at nine every day, nothing held back.
func DefaultTimes() Times { return Times{Hour: 9, Weekday: -1, QuietFrom: 22 * 60, QuietTo: 7 * 60} }

const dayMinutes = 24 * 60

func (t Times) check() error {
	if t.Hour < 0 || t.Hour > 23 || t.Weekday < -1 || t.Weekday > 6 || min(t.QuietFrom, t.QuietTo) < 0 || max(t.QuietFrom, t.QuietTo) >= dayMinutes {
		return fault.New(fault.Invalid, "notify.fault.times", "there is no such time of the day or day of the week")
	}
	return nil
}

// quietUntil returns when the quiet hours end that now lies in, zero outside of them.
//
// It looks at the wall's clock minute by minute. That is slower than arithmetic and right by construction where the clock is put
// forward or back: an end that the clock jumps over is the first minute after it, one that comes twice ends with the second.
func (t Times) quietUntil(now time.Time, zone *time.Location) time.Time {
	if !t.Quiet || t.QuietFrom == t.QuietTo {
		return time.Time{}
	}
	quiet := func(at time.Time) bool {
		minute := at.Hour()*60 + at.Minute()
		if t.QuietFrom < t.QuietTo {
			return minute >= t.QuietFrom && minute < t.QuietTo
		}
		return minute >= t.QuietFrom || minute < t.QuietTo
	}
	at := now.In(zone)
	if !quiet(at) {
		return time.Time{}
	}
	at = at.Truncate(time.Minute)
	for range 2 * dayMinutes {
		if at = at.Add(time.Minute); !quiet(at) {
			break
		}
	}
	return at.UTC()
}

// nextDigest returns when the next digest after now is due.
func (t Times) nextDigest(now time.Time, zone *time.Location) time.Time {
	year, month, day := now.In(zone).Date()
	for ahead := range 9 {
		// An hour that the clock jumps over comes out an hour later.
		at := time.Date(year, month, day+ahead, t.Hour, 0, 0, 0, zone)
		if at.After(now) && (t.Weekday < 0 || at.Weekday() == time.Weekday(t.Weekday)) {
			return at.UTC()
		}
	}
	return now.Add(7 * 24 * time.Hour)
}

// wish is what a person wants of a topic.
type wish struct {
	app, mail Mode
	times     Times
}

// when tells when a mail is due, and why it is held until then: "", quiet or digest.
func (w wish) when(now time.Time, zone *time.Location, mode Mode, urgent bool) (time.Time, string) {
	if mode == Digest {
		return w.times.nextDigest(now, zone), string(Digest)
	}
	if end := w.times.quietUntil(now, zone); !urgent && !end.IsZero() {
		return end, "quiet"
	}
	return now, ""
}

// wishes returns what people want of a topic.
func (n *Notifier) wishes(ctx context.Context, topic string, people []telling) (map[string]wish, error) {
	ids := make([]string, len(people))
	wishes := make(map[string]wish, len(people))
	for i, t := range people {
		ids[i] = t.person.ID
		wishes[ids[i]] = wish{app: On, mail: n.topics[topic].Mail, times: DefaultTimes()}
	}
	err := n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		chosen, err := preferences(tx, topic, ids)
		if err != nil {
			return err
		}
		for _, p := range chosen {
			w := wishes[p.person]
			if p.Channel == InApp {
				w.app = p.Mode
			} else {
				w.mail = p.Mode
			}
			wishes[p.person] = w
		}
		times, err := timesOf(tx, ids)
		for id, t := range times {
			w := wishes[id]
			w.times = t
			wishes[id] = w
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("what people want: %w", err)
	}
	return wishes, nil
}

// Preference is how a person wants a topic over a channel.
type Preference struct {
	person  string
	Topic   string
	Channel Channel
	Mode    Mode
}

// preferences lists what people chose, of one topic or, for "", of all.
func preferences(tx *db.Tx, topic string, people []string) ([]Preference, error) {
	where := new(db.Where)
	db.In(where, "person", people)
	if topic != "" {
		where.And("topic = ?", topic)
	}
	return db.List(tx, func(s db.Scanner) (p Preference, err error) {
		return p, s.Scan(&p.person, &p.Topic, &p.Channel, &p.Mode)
	}, `SELECT person, topic, channel, mode FROM notify_preference`+where.String(), where.Args()...)
}

func timesOf(tx *db.Tx, people []string) (map[string]Times, error) {
	where := new(db.Where)
	db.In(where, "person", people)
	times := make(map[string]Times)
	_, err := db.List(tx, func(s db.Scanner) (id string, err error) {
		var t Times
		var quiet int64
		err = s.Scan(&id, &t.Hour, &t.Weekday, &quiet, &t.QuietFrom, &t.QuietTo)
		t.Quiet = quiet == 1
		times[id] = t
		return id, err
	}, `SELECT person, hour, weekday, quiet, quiet_from, quiet_to FROM notify_person`+where.String(), where.Args()...)
	return times, err
}

// Wishes returns what a person chose: by topic and channel, what the topic has where they chose nothing.
func (n *Notifier) Wishes(ctx context.Context, person string) (chosen map[string]map[Channel]Mode, times Times, err error) {
	chosen, times = make(map[string]map[Channel]Mode), DefaultTimes()
	for _, t := range n.topics {
		chosen[t.Name] = map[Channel]Mode{InApp: On, Mail: t.Mail}
	}
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err := preferences(tx, "", []string{person})
		for _, p := range list {
			if of, ok := chosen[p.Topic]; ok {
				of[p.Channel] = p.Mode
			}
		}
		if err != nil {
			return err
		}
		all, err := timesOf(tx, []string{person})
		if own, ok := all[person]; ok {
			times = own
		}
		return err
	})
	return chosen, times, err
}

// Choose keeps what a person wants. Errors: fault.Invalid for a topic, channel, mode or time that there is none of.
func (n *Notifier) Choose(ctx context.Context, person string, wanted []Preference, times Times) error {
	if err := times.check(); err != nil {
		return err
	}
	for _, p := range wanted {
		_, known := n.topics[p.Topic]
		modes := map[Channel][]Mode{InApp: {On, Off}, Mail: {On, Off, Digest}}[p.Channel]
		if !known || !slices.Contains(modes, p.Mode) {
			return fault.New(fault.Invalid, "notify.fault.preference", "no topic %q comes over %q as %q", p.Topic, p.Channel, p.Mode)
		}
	}
	quiet := 0
	if times.Quiet {
		quiet = 1
	}
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		for _, p := range wanted {
			_, err := tx.Exec(`INSERT INTO notify_preference (person, topic, channel, mode) VALUES ($1, $2, $3, $4)
				ON CONFLICT (person, topic, channel) DO UPDATE SET mode = excluded.mode`, person, p.Topic, string(p.Channel), string(p.Mode))
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO notify_person (person, hour, weekday, quiet, quiet_from, quiet_to) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (person) DO UPDATE SET hour = excluded.hour, weekday = excluded.weekday, quiet = excluded.quiet,
			quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to`,
			person, times.Hour, times.Weekday, quiet, times.QuietFrom, times.QuietTo)
		return err
	})
}
