// Package notices tells people of what concerns them in records of every kind: that one is theirs, due or overdue, that
// somebody comments on theirs or names them in a comment, that they are asked for an approval, that one is due or overdue, that they are handed an original, that what they asked for was decided, that a task is theirs, ready, due or overdue.
//
// What it promises: a notice belongs to the transaction of what it tells of; who may not see the record or the task is not told, whether when
// it is sent or when it is read; nobody is told of what they did themselves; none of it leaves for channels outside.
package notices

import (
	"context"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
)

// The topics. Those of tasks are called as the store's events are.
const (
	mention    = "record.mention"
	remark     = "record.comment"
	given      = "record.assigned"
	due        = "record.due"
	late       = "record.overdue"
	approval   = "record.approval"
	decided    = "record.decided"
	answerDue  = "record.approval_due"
	answerLate = "record.approval_overdue"
	stillOpen  = "record.approval_late" // to who asked
	handOver   = "record.hand_over"
	taskKind   = "task"
	taskGiven  = "task.assigned"
	taskReady  = "task.ready"
	taskDue    = "task.due"
	taskLate   = "task.overdue"
)

// Topics are what records tell people of.
func Topics() []notify.Topic {
	topics := []notify.Topic{
		{Name: mention, Args: []string{"who", "title"}, Severity: notify.Low, Mail: notify.On},
		{Name: remark, Args: []string{"who", "title"}, Severity: notify.Low, Mail: notify.Off},
		{Name: given, Args: []string{"who", "title"}, Severity: notify.Low, Mail: notify.On},
		{Name: due, Args: []string{"title", "due"}, Severity: notify.Low, Mail: notify.On},
		{Name: late, Args: []string{"title", "due"}, Severity: notify.Medium, Mail: notify.On},
		{Name: approval, Args: []string{"who", "title"}, Severity: notify.Medium, Mail: notify.On},
		{Name: decided, Args: []string{"title", "state"}, Severity: notify.Low, Mail: notify.Off},
		{Name: answerDue, Args: []string{"title", "due"}, Severity: notify.Low, Mail: notify.On},
		{Name: answerLate, Args: []string{"title", "due"}, Severity: notify.Medium, Mail: notify.On},
		{Name: stillOpen, Args: []string{"who", "title", "due"}, Severity: notify.Low, Mail: notify.On},
		{Name: handOver, Args: []string{"who", "title"}, Severity: notify.Medium, Mail: notify.On},
		{Name: taskGiven, Args: []string{"who", "task"}, Severity: notify.Low, Mail: notify.On},
		{Name: taskReady, Args: []string{"task"}, Severity: notify.Low, Mail: notify.Off},
		{Name: taskDue, Args: []string{"task", "due"}, Severity: notify.Low, Mail: notify.On},
		{Name: taskLate, Args: []string{"task", "due"}, Severity: notify.Medium, Mail: notify.On},
	}
	for i := range topics {
		topics[i].Inside = true // an alert may go to a channel, what people say of it may not
	}
	return topics
}

// Notifier is what sends.
type Notifier interface {
	Declare(topics ...notify.Topic)
	Know(kinds ...notify.Kind)
	Kinds() []string
	Send(tx *db.Tx, x notify.Notice) error
}

// Wire has a notifier tell of the records of a store. Register the kinds first; nothing may be sent meanwhile. Kinds that the notifier knows
// from their rooms stay as they are.
func Wire(store *record.Store, n Notifier) {
	n.Declare(Topics()...)
	known := n.Kinds()
	for _, k := range store.Kinds() {
		if !slices.Contains(known, k.Name) {
			n.Know(notify.Kind{Name: k.Name, Path: k.Path + "/{id}", MayKnow: func(ctx context.Context, p auth.Person, id string) (bool, error) {
				return may(store.MaySee(ctx, p.ID, k.Name, id))
			}})
		}
	}
	n.Know(notify.Kind{Name: taskKind, Path: "/tasks/{id}", MayKnow: func(ctx context.Context, p auth.Person, id string) (bool, error) {
		return may(store.MaySeeTask(ctx, p.ID, id))
	}})
	store.Listen(func(tx *db.Tx, e record.Event) error { return tellRecord(tx, n, e) })
	store.ListenDue(func(tx *db.Tx, e record.DueEvent) error {
		return n.Send(tx, notify.Notice{
			Topic: e.Action, Ref: e.Record.Kind.Ref(e.Record.ID), Unit: e.Record.Unit, To: notify.To(e.Record.Owner),
			Args: notify.Args{"title": notify.Text(e.Record.Title), "due": notify.Time(e.Record.Due)},
		})
	})
	store.ListenApprovals(func(tx *db.Tx, e record.ApprovalEvent) error { return tellApproval(tx, n, e) })
	store.ListenTasks(func(tx *db.Tx, e record.TaskEvent) error { return tellTask(tx, n, e) })
}

// may has what is gone be nothing to know of.
func may(yes bool, err error) (bool, error) {
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return yes, err
}

// tellRecord tells whom an event of a record concerns.
func tellRecord(tx *db.Tx, n Notifier, e record.Event) error {
	if err := tellOwner(tx, n, e); err != nil {
		return err
	}
	people := slices.DeleteFunc(slices.Clone(e.Mentions), func(person string) bool { return person == tx.Actor() })
	if len(people) == 0 {
		return nil
	}
	x := notify.Notice{Ref: e.Record.Kind.Ref(e.Record.ID), Unit: e.Record.Unit, To: notify.To(people...)}
	who, title := notify.Person(tx.Actor()), notify.Text(e.Record.Title)
	tab := ""
	switch e.Action {
	case "comment", "comment.edit":
		x.Topic, x.Args, tab = mention, notify.Args{"who": who, "title": title}, "timeline"
	case "attach.offer":
		x.Topic, x.Args, tab = handOver, notify.Args{"who": who, "title": title}, "evidence"
	case "approval.ask", "approval.answer":
		x.Topic, x.Args, tab = approval, notify.Args{"who": who, "title": title}, "approvals"
	case "approval.approved", "approval.refused", "approval.withdrawn", "approval.void":
		state := "record.approval.state." + strings.TrimPrefix(e.Action, "approval.")
		x.Topic, x.Args, tab = decided, notify.Args{"title": title, "state": notify.Message(state)}, "approvals"
	default:
		return nil
	}
	x.Path = e.Record.Address() + "?tab=" + tab
	return n.Send(tx, x)
}

// tellOwner tells the owner of a record that it is theirs now, or that somebody said something about it, unless they did so themselves or the
// comment names them.
func tellOwner(tx *db.Tx, n Notifier, e record.Event) error {
	owner, topic, tab := e.Record.Owner, "", ""
	switch {
	case owner == "" || owner == tx.Actor() || slices.Contains(e.Mentions, owner) || !e.Record.DeletedAt.IsZero():
		return nil
	case e.Before == nil || e.Before.Owner != owner:
		topic = given
	case e.Action == "comment":
		topic, tab = remark, "?tab=timeline"
	default:
		return nil
	}
	return n.Send(tx, notify.Notice{
		Topic: topic, Ref: e.Record.Kind.Ref(e.Record.ID), Unit: e.Record.Unit, Path: e.Record.Address() + tab, To: notify.To(owner),
		Args: notify.Args{"who": notify.Person(tx.Actor()), "title": notify.Text(e.Record.Title)},
	})
}

// tellApproval tells of an answer that will be due or is overdue.
func tellApproval(tx *db.Tx, n Notifier, e record.ApprovalEvent) error {
	x := notify.Notice{
		Ref: e.Record.Kind.Ref(e.Record.ID), Unit: e.Record.Unit, Path: e.Record.Address() + "?tab=approvals", To: notify.To(e.Person),
		Args: notify.Args{"title": notify.Text(e.Record.Title), "due": notify.Time(e.Step.Due)},
	}
	switch e.Action {
	case "approval.due":
		x.Topic = answerDue
	case "approval.overdue":
		x.Topic = answerLate
	default:
		x.Topic, x.Args["who"] = stillOpen, notify.Person(e.Step.Person)
	}
	return n.Send(tx, x)
}

// tellTask tells the owner of a task.
func tellTask(tx *db.Tx, n Notifier, e record.TaskEvent) error {
	x := notify.Notice{Topic: e.Action, Ref: ref.Ref{Kind: taskKind, ID: e.Task.ID}, To: notify.To(e.Person)}
	if e.Task.Record != nil {
		x.Unit = e.Task.Record.Unit
	}
	task := notify.Text(e.Task.Title)
	switch e.Action {
	case taskGiven:
		x.Args = notify.Args{"who": notify.Person(tx.Actor()), "task": task}
	case taskReady:
		x.Args = notify.Args{"task": task}
	case taskDue, taskLate:
		x.Args = notify.Args{"task": task, "due": notify.Time(e.Task.Due)}
	default:
		return nil
	}
	return n.Send(tx, x)
}
