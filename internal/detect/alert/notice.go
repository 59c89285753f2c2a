package alert

import (
	"context"
	"fmt"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/ref"
	"yagura/sigma"
)

// Opened is the topic of alerts that are opened at high and above.
const Opened = "alert.opened"

// Topics are what this room tells people of.
func Topics() []notify.Topic {
	return []notify.Topic{
		{Name: Opened, Args: []string{"title", "entity"}, Severity: notify.High, Mail: notify.On},
		{Name: Flood, Args: []string{"title"}, Severity: notify.Medium, Mail: notify.On},
	}
}

// Kind says who may be told of an alert: whoever may read alerts. An alert may go to a channel outside: an administrator's rule
// sends it there.
func Kind(may func(roles []string, permission string) bool) notify.Kind {
	return notify.Kind{
		Name: "alert", Path: "/alerts/{id}",
		MayKnow: func(_ context.Context, p auth.Person, _ string) (bool, error) {
			return may(p.RoleNames(), string(MayRead)), nil
		},
		MayLeave: func(context.Context, string) (bool, error) { return true, nil },
	}
}

// Notifier tells people in the transaction of what it tells of.
type Notifier interface {
	Send(tx *db.Tx, x notify.Notice) error
}

// news is a new alert to be told of.
type news struct {
	id, title, entity, unit string
	severity                sigma.Level
}

// tell tells those who decide about alerts of the new ones at high and above.
func (s *Store) tell(tx *db.Tx, opened []news) error {
	if s.opt.Notify == nil {
		return nil
	}
	for _, a := range opened {
		severity := notify.High
		switch a.severity {
		case sigma.LevelHigh:
		case sigma.LevelCritical:
			severity = notify.Critical
		default:
			continue
		}
		err := s.opt.Notify.Send(tx, notify.Notice{
			Topic: Opened, Ref: ref.Ref{Kind: "alert", ID: a.id}, Severity: severity, Unit: a.unit, Key: a.id,
			Args: notify.Args{"title": notify.Text(a.title), "entity": notify.Text(a.entity)},
			To:   notify.Audience{Permission: string(MayWrite)},
		})
		if err != nil {
			return fmt.Errorf("telling of the alert %s: %w", a.id, err)
		}
	}
	return nil
}
