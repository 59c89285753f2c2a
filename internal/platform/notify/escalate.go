package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
)

// Step is whom to tell when nobody who was told so far has read a notice.
type Step struct {
	After int         `json:"after"` // minutes since the step before, or since it happened
	To    Destination `json:"to"`
}

func (s Step) after() time.Duration { return time.Duration(s.After) * time.Minute }

const (
	maxSteps = 5
	maxAfter = 7 * dayMinutes // minutes
)

// stepOf names a step of a notice's chain. Count tells the waits of a notice apart that was joined by another.
type stepOf struct {
	ID    string
	Step  int64
	Count int64
}

// wait has a step looked at when it is due.
func (n *Notifier) wait(tx *db.Tx, x notice, step int64, due time.Time) error {
	_, err := n.opt.Jobs.Add(tx, jobEscalate, stepOf{x.ID, step, x.Count}, jobs.NotBefore(due), jobs.Unique(fmt.Sprint(x.ID, " ", step, " ", x.Count)))
	return err
}

// escalate tells the next step of a notice's chain, unless somebody has read it.
func (n *Notifier) escalate(ctx context.Context, it stepOf) error {
	var x notice
	var chain []Step
	var read int64
	err := n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if x, err = getNotice(tx, it.ID); err != nil {
			return err
		}
		if chain, _, err = n.chain(tx, x.Topic); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT COUNT(*) FROM notify_item WHERE notice = $1 AND read_at > 0`, x.ID).Scan(&read)
	})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil || read > 0 || x.Step != it.Step || it.Step >= int64(len(chain)) {
		return err
	}
	step := chain[it.Step]
	found, targets := make(map[string]telling), make(map[string]bool)
	if err := n.gather(ctx, step.To.audience(), whyChain, found); err != nil {
		return err
	}
	for _, id := range step.To.Targets {
		targets[id] = true
	}
	return n.tell(ctx, x, found, targets, func(tx *db.Tx) error {
		moved, err := tx.Exec(`UPDATE notify_notice SET step = step + 1 WHERE id = $1 AND step = $2`, x.ID, it.Step)
		if err != nil || moved == 0 || it.Step+1 >= int64(len(chain)) {
			return err
		}
		return n.wait(tx, x, it.Step+1, tx.Now().Add(chain[it.Step+1].after()))
	})
}

// chain returns a topic's steps, and the version of the administrators' choice, 0 where the topic's own hold.
func (n *Notifier) chain(tx *db.Tx, topic string) (steps []Step, version int64, err error) {
	var text string
	err = tx.QueryRow(`SELECT steps, version FROM notify_chain WHERE topic = $1`, topic).Scan(&text, &version)
	if fault.Is(err, fault.NotFound) {
		return n.topics[topic].Chain, 0, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &steps)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("the chain of %s: %w", topic, err)
	}
	return steps, version, nil
}

// Chain returns whom to tell when nobody reads a notice of a topic, and the version of that choice.
func (n *Notifier) Chain(ctx context.Context, topic string) (steps []Step, version int64, err error) {
	if _, ok := n.topics[topic]; !ok {
		return nil, 0, fault.New(fault.NotFound, "fault.not_found", "there is no topic %q", topic)
	}
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		steps, version, err = n.chain(tx, topic)
		return err
	})
	return steps, version, err
}

// SetChain changes whom to tell when nobody reads; no steps: nobody. Errors: fault.Invalid, fault.Conflict where somebody else
// changed it since.
func (n *Notifier) SetChain(ctx context.Context, topic string, version int64, steps []Step) error {
	if _, ok := n.topics[topic]; !ok {
		return fault.New(fault.NotFound, "fault.not_found", "there is no topic %q", topic)
	}
	for _, step := range steps {
		if step.After < 1 || step.After > maxAfter || len(steps) > maxSteps {
			return fault.New(fault.Invalid, "notify.fault.chain", "a step after %d minutes, %d steps", step.After, len(steps))
		}
		if err := n.checkDestination(ctx, step.To); err != nil {
			return err
		}
	}
	text, err := json.Marshal(steps)
	if err != nil {
		return err
	}
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if version == 0 {
			return n.change(tx, "notify_chain", topic, "create", `INSERT INTO notify_chain (topic, steps, changed_at, version) VALUES ($1, $2, $3, 1)
				ON CONFLICT (topic) DO NOTHING`, topic, string(text), db.Micros(tx.Now()))
		}
		return n.change(tx, "notify_chain", topic, "update", `UPDATE notify_chain SET steps = $2, changed_at = $3, version = version + 1 WHERE topic = $1 AND version = $4`,
			topic, string(text), db.Micros(tx.Now()), version)
	})
}
