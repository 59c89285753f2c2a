// Package alert turns matches of rules into alerts, and keeps what people decide about them.
//
// Matches of one rule on one entity within a window are one alert. The entity is the host, else the user, else the
// source address of the event; a device that watches others comes last (entity.go). A match joins an open alert when first and last seen, by event time,
// then lie no further apart than the window, 24 hours unless configured: an analyst gets at most one alert a day for
// one rule on one host, and a noise that goes on for weeks comes back every day instead of hiding in an old alert. A
// closed alert is finished: what matches later opens a new one.
//
// What it promises:
//
//   - Exactly once: Record counts matches and moves the pipeline's cursor in one durable transaction.
//   - Bounds: an alert keeps ten sample events of at most 64 KiB each and about 150 counts over time, whatever
//     matches; a rule that matches ever new entities fills one last alert for the rest after a thousand.
//   - Nobody's decision is lost: a change names the version it was made on, and fails where somebody was faster.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"yagura/sigma"
)

// State is where an alert stands in the work.
type State string

// The states.
const (
	New        State = "new"
	InProgress State = "in_progress"
	Closed     State = "closed"
)

// States lists them in the order of the work.
func States() []State { return []State{New, InProgress, Closed} }

// Verdict is what an alert turned out to be. Every closed alert has one.
type Verdict string

// The verdicts.
const (
	TruePositive       Verdict = "true_positive"        // an attack or a breach of policy
	BenignTruePositive Verdict = "benign_true_positive" // it happened as the rule says, and was allowed: a test, an administrator's work
	FalsePositive      Verdict = "false_positive"       // the rule is wrong about it
	Undetermined       Verdict = "undetermined"         // what there is does not tell
)

// Verdicts lists them in the order they are offered.
func Verdicts() []Verdict {
	return []Verdict{TruePositive, BenignTruePositive, FalsePositive, Undetermined}
}

// Alert is matches of one rule on one entity.
type Alert struct {
	ID         string
	RuleID     string // RuleKey of the rule
	Title      string // the rule's, when the alert was opened
	Severity   sigma.Level
	Tactics    []string // ATT&CK short names: "credential-access"
	Techniques []string // ATT&CK ids: "T1003.001"
	Entity     Entity
	HostName   string // of the latest event that named one; likewise below
	UserName   string
	SourceIP   string
	Unit       string // id of the organisation unit of the person it was opened for, "" where none is known
	State      State
	Verdict    Verdict // "" unless closed
	FirstSeen  time.Time
	LastSeen   time.Time
	Count      int64
	CreatedAt  time.Time // when it was opened: the time of the transaction, not of an event
	UpdatedAt  time.Time
	Version    int64 // of what people change; counting more matches leaves it alone
}

// Open reports whether there is still something to do.
func (a *Alert) Open() bool { return a.State != Closed }

// Sample is one event of an alert.
type Sample struct {
	EventID string
	Time    time.Time
	Event   []byte // one flat JSON object, as event.Event writes it; longest values cut where it was too large
}

// RuleKey is what alerts, addresses and the rule library know a rule by: its id, in lower case. For a rule whose id is no
// UUID, which the specification allows, it is made of the file and the title.
func RuleKey(r *sigma.Rule) string {
	if id, err := uuid.Parse(r.ID); err == nil && len(r.ID) == 36 {
		return id.String()
	}
	sum := sha256.Sum256([]byte(r.File + "\x00" + r.ID + "\x00" + r.Title))
	return "x-" + hex.EncodeToString(sum[:12])
}

// SeverityOf is the level of a rule's alerts. The specification lets a rule have none; such a rule's author has not said
// that it is harmless, so it counts as medium.
func SeverityOf(r *sigma.Rule) sigma.Level {
	if r.Level == sigma.LevelNone {
		return sigma.LevelMedium
	}
	return r.Level
}
