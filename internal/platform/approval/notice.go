package approval

import (
	"context"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/ref"
)

// The topics of approvals.
const (
	topicWaiting = "approval.waiting"
	topicDecided = "approval.decided"
)

// Topics are what this room tells people of.
func Topics() []notify.Topic {
	return []notify.Topic{
		{Name: topicWaiting, Args: []string{"who", "action", "subject"}, Severity: notify.Medium, Mail: notify.On},
		{Name: topicDecided, Args: []string{"who", "action", "subject", "state"}, Severity: notify.Low, Mail: notify.Off},
	}
}

// Notifier tells people in the transaction of what it tells of.
type Notifier interface {
	Send(tx *db.Tx, x notify.Notice) error
}

// Kind says who may be told of a request: whoever finds it on its page. It goes to no channel outside.
func (a *Approvals) Kind() notify.Kind {
	return notify.Kind{Name: "approval", Path: "/approvals/{id}", MayKnow: func(ctx context.Context, p auth.Person, id string) (bool, error) {
		who := &asker{ctx: ctx, people: a.opt.People, id: p.ID}
		_, err := a.Get(ctx, &auth.User{ID: p.ID, Allowed: who.May}, id)
		if who.err != nil || fault.Is(err, fault.NotFound) {
			return false, who.err
		}
		return err == nil, err
	}}
}

// tellDeciders tells those who could decide that a request waits.
func (a *Approvals) tellDeciders(tx *db.Tx, q *Request, permission string) error {
	if a.opt.Notify == nil {
		return nil
	}
	return a.opt.Notify.Send(tx, notify.Notice{
		Topic: topicWaiting, Ref: ref.Ref{Kind: "approval", ID: q.ID}, To: notify.Audience{Permission: permission, Except: []string{q.AskedBy}},
		Args: notify.Args{"who": notify.Person(q.AskedBy), "action": notify.Message("approval.action." + q.Action), "subject": notify.Text(q.Subject)},
	})
}

// tellAsker tells who asked what became of it.
func (a *Approvals) tellAsker(tx *db.Tx, q Request, to State) error {
	if a.opt.Notify == nil || to == Withdrawn {
		return nil
	}
	return a.opt.Notify.Send(tx, notify.Notice{
		Topic: topicDecided, Ref: ref.Ref{Kind: "approval", ID: q.ID}, To: notify.To(q.AskedBy),
		Args: notify.Args{"who": notify.Person(tx.Actor()), "action": notify.Message("approval.action." + q.Action), "subject": notify.Text(q.Subject), "state": notify.Message("approval.state." + string(to))},
	})
}
