package alert_test

import (
	"testing"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/match"
	"yagura/internal/platform/db"
	"yagura/internal/platform/notify"
	"yagura/sigma"
)

// ear keeps what it is told.
type ear struct{ heard []notify.Notice }

func (e *ear) Send(_ *db.Tx, x notify.Notice) error {
	e.heard = append(e.heard, x)
	return nil
}

func TestNewAlertsAtHighAndAboveAreTold(t *testing.T) {
	t.Parallel()
	told := new(ear)
	s := newStore(t, alert.Options{Notify: told})
	high, medium, critical := rule("high"), rule("medium"), rule("critical")
	medium.Level, critical.Level = sigma.LevelMedium, sigma.LevelCritical
	count(t, s, "1",
		match.Match{Rule: high, Event: on(0, "host.name=pc-1")},
		match.Match{Rule: high, Event: on(time.Minute, "host.name=pc-1")}, // joins the first
		match.Match{Rule: medium, Event: on(0, "host.name=pc-1")},
		match.Match{Rule: critical, Event: on(0, "host.name=pc-2")},
	)
	count(t, s, "2", match.Match{Rule: high, Event: on(time.Hour, "host.name=pc-1")})
	if len(told.heard) != 2 {
		t.Fatalf("told %d times: %+v", len(told.heard), told.heard)
	}
	first, second := told.heard[0], told.heard[1]
	if first.Args["title"].Text != "high" || first.Args["entity"].Text != "pc-1" || first.Severity != notify.High || first.Ref.Kind != "alert" || first.To.Permission != string(alert.MayWrite) {
		t.Errorf("the first: %+v", first)
	}
	if second.Severity != notify.Critical || second.Args["entity"].Text != "pc-2" {
		t.Errorf("the second: %+v", second)
	}
}
