package app

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/demo"
	"yagura/internal/platform/record"
)

// TestTheDemosStoryIsToldByOneAlert plays the demo's day: many alerts, of several sources under two names of the same person, and one that tells
// of all of them.
func TestTheDemosStoryIsToldByOneAlert(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	h.Start()
	for _, batch := range demo.New(20261123).Backlog(time.Now().Add(-time.Second), 24*time.Hour) {
		if err := h.Pipeline.Accept(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	var story *alert.Alert
	for deadline := time.Now().Add(90 * time.Second); story == nil || story.Count < 8; time.Sleep(200 * time.Millisecond) {
		err := h.Alerts.Past(ctx, []string{alert.StoryRule}, 10, func(a *alert.Alert, _ []alert.Sample) bool {
			if story != nil && story.ID != a.ID {
				t.Errorf("a second story is told, of %s", a.Entity.Value)
			}
			story = a
			return true
		})
		if err != nil || t.Failed() || time.Now().After(deadline) {
			t.Fatalf("the story is %+v, %v", story, err)
		}
	}
	if story.Entity.Kind != alert.User || story.Severity.String() != "high" && story.Severity.String() != "critical" {
		t.Errorf("the story is %+v", story)
	}
	rec, err := h.Record.Get(ctx, record.System(), alert.Name, story.ID)
	if err != nil || rec.Num("count") != story.Count {
		t.Errorf("as a record it is %+v, %v", rec, err)
	}
	e, err := h.Risk.Get(ctx, alert.User, "suzuki.k")
	if err != nil || e.Alert != story.ID {
		t.Fatalf("%+v, %v", e, err)
	}
	parts, err := h.Risk.Parts(ctx, e.Entity, story.FirstSeen, story.LastSeen, 100)
	var titles []string
	for _, p := range parts {
		titles = append(titles, p.Title)
	}
	if err != nil || len(parts) < 8 || !slices.Contains(titles, "Okta User Refused an MFA Push") || !slices.Contains(titles, "Box Reports a Mass Download or Suspicious Session") {
		t.Errorf("it tells of %s, %v", fmt.Sprintf("%q", titles), err)
	}
}
