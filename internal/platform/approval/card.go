package approval

import (
	"context"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/web"
)

// waiting says on the overview which requests wait for the person's word, and which of theirs wait for somebody else's.
func (x *Room) waiting(ctx context.Context, user *auth.User) (*web.Waiting, error) {
	count, err := x.approvals.Count(ctx, user)
	if err != nil {
		return nil, err
	}
	page, err := x.approvals.List(ctx, user, Filter{Waiting: true, Limit: 5})
	if err != nil {
		return nil, err
	}
	card := &web.Waiting{Key: "approval.card", Order: 20, Count: int64(count), Path: "/approvals", Empty: "approval.card.none"}
	say := web.Speaker(ctx).T
	for _, q := range page.Items {
		found := web.Found{Title: say("approval.action." + q.Action), Note: q.Subject, Path: "/approvals/" + q.ID}
		if q.AskedBy == user.ID {
			found.State = "approval.card.asked"
		}
		card.Items = append(card.Items, found)
	}
	return card, nil
}
