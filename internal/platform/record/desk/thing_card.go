package desk

import (
	"context"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// cardItems is how many tasks the overview names.
const cardItems = 5

// tasksCard says on the overview which tasks somebody has, and which records wait for their approval.
func (d *Desk) tasksCard(ctx context.Context, user *auth.User) (*web.Waiting, error) {
	tasks, err := d.opt.Store.MyTasks(ctx, user, record.TaskFilter{State: record.Open})
	if err != nil {
		return nil, err
	}
	pending, err := d.opt.Store.WaitingFor(ctx, user)
	if err != nil {
		return nil, err
	}
	p, now := web.Speaker(ctx), time.Now()
	card := &web.Waiting{Key: "record.tasks.card", Order: 10, Count: int64(len(tasks) + len(pending)), Path: "/tasks", Empty: "record.tasks.card.none"}
	for _, one := range pending[:min(len(pending), cardItems)] {
		about := d.related(p, one.Record)
		card.Items = append(card.Items, web.Found{Title: about.Title, Note: about.One, State: "record.approval.state.waiting", Tone: "new", Path: about.Href + "/approvals/" + one.ID})
	}
	for _, t := range tasks[:min(len(tasks), cardItems-len(card.Items))] {
		found := web.Found{Title: t.Title, Path: "/tasks/" + t.ID}
		if t.Record != nil {
			found.Note = d.related(p, t.Record).Title
		}
		if t.Overdue(now) {
			found.State, found.Tone = "record.overdue", "bad"
		}
		card.Items = append(card.Items, found)
	}
	return card, nil
}
