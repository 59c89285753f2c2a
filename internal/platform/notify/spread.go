package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
)

// The jobs. Each bears being run twice.
const (
	jobSpread   = "notify.spread"   // finds out whom a notice is told
	jobMail     = "notify.mail"     // mails a person what is due
	jobPost     = "notify.post"     // sends a target what is due
	jobEscalate = "notify.escalate" // tells the next step when nobody has read
	jobSweep    = "notify.sweep"    // deletes what is old
)

// one names what a job is about.
type one struct{ ID string }

// register makes the jobs known.
func (n *Notifier) register() {
	q := n.opt.Jobs
	spec := func(name string) jobs.Spec { return jobs.Spec{Name: name, Owner: "notify"} }
	jobs.Register(q, spec(jobSpread), n.spread)
	jobs.Register(q, spec(jobMail), n.mail)
	jobs.Register(q, spec(jobPost), n.post)
	jobs.Register(q, spec(jobEscalate), n.escalate)
	jobs.Register(q, spec(jobSweep), func(ctx context.Context, _ struct{}) error { return n.Sweep(ctx) })
	q.Schedule(jobSweep, jobs.MustCron("23 3 * * *", time.UTC), jobSweep, struct{}{})
}

// Why somebody is told.
const (
	whyAudience = "audience"
	whyRule     = "rule"
	whyChain    = "chain"
)

// telling is one person to be told.
type telling struct {
	person auth.Person
	why    string
}

// spread finds out whom a notice is told: its audience, and those whom the rules of administrators name.
func (n *Notifier) spread(ctx context.Context, it one) error {
	var x notice
	var rules []Rule
	var chain []Step
	err := n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if x, err = getNotice(tx, it.ID); err != nil {
			return err
		}
		if rules, err = listRules(tx, true); err != nil {
			return err
		}
		chain, _, err = n.chain(tx, x.Topic)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil // swept
	}
	if err != nil {
		return err
	}
	var audience Audience
	if err := json.Unmarshal([]byte(x.Audience), &audience); err != nil {
		return jobs.Final(fmt.Errorf("the audience of the notice %s: %w", x.ID, err))
	}
	found := make(map[string]telling)
	if err := n.gather(ctx, audience, whyAudience, found); err != nil {
		return err
	}
	targets := make(map[string]bool)
	if len(rules) > 0 {
		m, err := n.matching(ctx, x)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			if !m.holds(rule.When) {
				continue
			}
			if err := n.gather(ctx, rule.Send.audience(), whyRule, found); err != nil {
				return err
			}
			for _, id := range rule.Send.Targets {
				targets[id] = true
			}
		}
	}
	return n.tell(ctx, x, found, targets, func(tx *db.Tx) error {
		if len(chain) == 0 || x.Step > 0 {
			return nil
		}
		return n.wait(tx, x, 0, db.Time(x.Last).Add(chain[0].after()))
	})
}

// gather adds the people of an audience who are not there yet.
func (n *Notifier) gather(ctx context.Context, a Audience, why string, into map[string]telling) error {
	if a.empty() {
		return nil
	}
	people, err := n.expand(ctx, a)
	for id, p := range people {
		if _, ok := into[id]; !ok {
			into[id] = telling{p, why}
		}
	}
	return err
}

// chunk is how many people are told in one transaction.
const chunk = 100

// tell puts a notice into people's lists and lines up what goes out. What is there already stays: it can be run again. last runs
// in the last transaction.
func (n *Notifier) tell(ctx context.Context, x notice, people map[string]telling, targets map[string]bool, last func(*db.Tx) error) error {
	var list []telling
	for _, id := range slices.Sorted(maps.Keys(people)) {
		may, err := n.mayKnow(ctx, x.Topic, x.About, people[id].person)
		if err != nil {
			return fmt.Errorf("whether %s may know: %w", id, err)
		}
		if may {
			list = append(list, people[id])
		}
	}
	if len(targets) > 0 {
		may, err := n.mayLeave(ctx, x.Topic, x.About)
		if err != nil {
			return fmt.Errorf("whether it may leave: %w", err)
		}
		if !may {
			clear(targets)
		}
	}
	for some := range slices.Chunk(list, chunk) {
		wishes, err := n.wishes(ctx, x.Topic, some)
		if err != nil {
			return err
		}
		err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
			for _, t := range some {
				if err := n.tellOne(tx, x, t, wishes[t.person.ID]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("telling people: %w", err)
		}
	}
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(targets)) {
			if err := n.lineUp(tx, x, id); err != nil {
				return err
			}
		}
		return last(tx)
	})
}

// tellOne puts a notice into a person's list, and a mail into their line where they want one.
func (n *Notifier) tellOne(tx *db.Tx, x notice, t telling, w wish) error {
	shown := int64(1)
	if w.app == Off && t.why != whyChain {
		shown = 0
	}
	// A joined notice is unread again; a repetition of the job changes nothing.
	_, err := tx.Exec(`INSERT INTO notify_item (id, notice, person, why, at, told, read_at, shown, hidden, unread) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, $7)
		ON CONFLICT (notice, person) DO UPDATE SET at = excluded.at, told = excluded.told, read_at = 0, unread = CASE WHEN notify_item.hidden = 1 THEN 0 ELSE notify_item.shown END
		WHERE notify_item.told < excluded.told`,
		db.NewID(), x.ID, t.person.ID, t.why, x.Last, x.Count, shown)
	if err != nil {
		return err
	}
	mode := w.mail
	if t.why == whyChain {
		mode = On // who answers for it is told, whatever they like
	}
	if mode == Off || !n.opt.Post.Enabled() || t.person.Email == "" {
		return nil
	}
	due, held := w.when(tx.Now(), zoneOf(t.person), mode, x.Severity >= Critical || t.why == whyChain)
	due, err = putDelivery(tx, x, "mail", t.person.ID, due, held)
	if err != nil || due.IsZero() {
		return err
	}
	return n.mailAt(tx, t.person.ID, due)
}

// mailAt has a person's mails looked at when they are due.
func (n *Notifier) mailAt(tx *db.Tx, person string, due time.Time) error {
	key := person
	if due.After(tx.Now()) {
		key = fmt.Sprint(person, "@", db.Micros(due))
	}
	_, err := n.opt.Jobs.Add(tx, jobMail, one{person}, jobs.NotBefore(due), jobs.Unique(key))
	return err
}

// putDelivery lines something up and returns when it is due, zero where nothing is to be done. What went out already goes out again
// only when more has happened since, and not before the minute is over in which it is counted together.
func putDelivery(tx *db.Tx, x notice, channel, target string, due time.Time, held string) (time.Time, error) {
	now := db.Micros(tx.Now())
	added, err := tx.Exec(`INSERT INTO notify_delivery (id, notice, channel, target, state, held, due_at, told, attempts, batch, answer, at, done_at)
		VALUES ($1, $2, $3, $4, 'waiting', $5, $6, 0, 0, '', '', $7, 0) ON CONFLICT (notice, channel, target) DO NOTHING`,
		db.NewID(), x.ID, channel, target, held, db.Micros(due), now)
	if err != nil || added > 0 {
		return due, err
	}
	if end := db.Time(x.At).Add(joinWithin); due.Before(end) {
		due = end
	}
	changed, err := tx.Exec(`UPDATE notify_delivery SET state = 'waiting', held = $1, due_at = $2, attempts = 0, done_at = 0
		WHERE notice = $3 AND channel = $4 AND target = $5 AND state <> 'waiting' AND told < $6`,
		held, db.Micros(due), x.ID, channel, target, x.Count)
	if err != nil || changed == 0 {
		return time.Time{}, err
	}
	return due, nil
}

// zoneOf is the person's time zone, UTC where they have chosen none.
func zoneOf(p auth.Person) *time.Location {
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}
