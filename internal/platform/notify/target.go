package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/i18n"
)

// TargetKind is what a target understands.
type TargetKind string

// The kinds of targets.
const (
	Slack   TargetKind = "slack"   // an incoming webhook with blocks
	Teams   TargetKind = "teams"   // a Workflows webhook with an Adaptive Card
	Webhook TargetKind = "webhook" // signed JSON; docs/notifications.md
)

// TargetKinds lists them.
func TargetKinds() []TargetKind { return []TargetKind{Slack, Teams, Webhook} }

const maxTargets = 200

// Target is a channel or a program outside that rules send to. Its address and secrets are sealed and not among this.
type Target struct {
	ID      string
	Kind    TargetKind
	Name    string
	Host    string // of its address
	Lang    i18n.Lang
	Zone    string // IANA name, "" for UTC
	Enabled bool
	Changed time.Time
	Version int64

	// How it stands; machines keep this up.
	PausedUntil      time.Time // not before then is it tried again
	Failures         int       // in a row
	LastOK, LastFail time.Time
	Answer           string // its last words where it failed
	Waiting, Failed  int64  // deliveries; only in lists
}

// secrets are what is sealed.
type secrets struct {
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"` // signs
	Old    string `json:"old,omitempty"`    // signs, too, until it is dropped
}

const targetColumns = `t.id, t.kind, t.name, t.host, t.lang, t.zone, t.enabled, t.changed_at, t.version, t.paused_until, t.failures, t.last_ok, t.last_failed, t.answer`

func (t *Target) scan(s db.Scanner, more ...any) error {
	var enabled, changed, paused, ok, failed int64
	err := s.Scan(append([]any{&t.ID, &t.Kind, &t.Name, &t.Host, &t.Lang, &t.Zone, &enabled, &changed, &t.Version, &paused, &t.Failures, &ok, &failed, &t.Answer}, more...)...)
	t.Enabled, t.Changed, t.PausedUntil, t.LastOK, t.LastFail = enabled == 1, db.Time(changed), db.Time(paused), db.Time(ok), db.Time(failed)
	return err
}

// Targets lists the targets by name; there are at most 200.
func (n *Notifier) Targets(ctx context.Context) (list []Target, err error) {
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(tx, func(s db.Scanner) (t Target, err error) { return t, t.scan(s, &t.Waiting, &t.Failed) },
			`SELECT `+targetColumns+`,
			(SELECT COUNT(*) FROM notify_delivery d WHERE d.channel = 'target' AND d.target = t.id AND d.state = 'waiting'),
			(SELECT COUNT(*) FROM notify_delivery d WHERE d.channel = 'target' AND d.target = t.id AND d.state = 'failed')
			FROM notify_target t ORDER BY t.name, t.id LIMIT $1`, maxTargets)
		return err
	})
	return list, err
}

// Target returns a target. The error is fault.NotFound where there is none.
func (n *Notifier) Target(ctx context.Context, id string) (t Target, err error) {
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		return t.scan(tx.QueryRow(`SELECT `+targetColumns+` FROM notify_target t WHERE t.id = $1`, id))
	})
	return t, err
}

// check reports what is wrong with a target.
func (t *Target) check() error {
	if name := utf8.RuneCountInString(t.Name); name == 0 || name > maxName {
		return fault.New(fault.Invalid, "notify.fault.name", "a target needs a name")
	}
	if !slices.Contains(TargetKinds(), t.Kind) {
		return fault.New(fault.Invalid, "notify.fault.target", "there is no target of the kind %q", t.Kind)
	}
	if t.Lang != i18n.English && t.Lang != i18n.Japanese {
		return fault.New(fault.Invalid, "notify.fault.target", "there is no language %q", t.Lang)
	}
	if _, err := time.LoadLocation(t.Zone); err != nil {
		return fault.New(fault.Invalid, "fault.zone", "%q is no time zone", t.Zone)
	}
	return nil
}

// checkAddress reads where a target is. What is posted is for nobody else's eyes: plain http is for this machine only.
func checkAddress(address string) (*url.URL, error) {
	u, err := httpx.CheckURL(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (ip == nil || !ip.IsLoopback()) {
		return nil, fault.New(fault.Invalid, "notify.fault.https", "the address of a target begins with https://")
	}
	return u, nil
}

// SaveTarget makes a target, where its ID is "", or changes one of that version. An empty address leaves the one there is. secret
// is what signs, for a webhook that was made: it is not shown again. Errors: fault.Invalid, fault.Conflict.
func (n *Notifier) SaveTarget(ctx context.Context, t Target, address string) (saved Target, secret string, err error) {
	t.Name = strings.TrimSpace(t.Name)
	if err := t.check(); err != nil {
		return t, "", err
	}
	if t.ID == "" {
		return n.makeTarget(ctx, t, strings.TrimSpace(address))
	}
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		known, s, err := n.openTarget(tx, t.ID)
		if err != nil {
			return err
		}
		t.Kind, t.Host = known.Kind, known.Host
		if address = strings.TrimSpace(address); address != "" {
			u, err := checkAddress(address)
			if err != nil {
				return err
			}
			t.Host, s.URL = u.Host, address
		}
		sealed, err := n.sealTarget(t.ID, s)
		if err != nil {
			return err
		}
		return n.change(tx, "notify_target", t.ID, "update", `UPDATE notify_target SET name = $2, host = $3, lang = $4, zone = $5, enabled = $6, sealed = $7,
			changed_at = $8, version = version + 1, paused_until = 0, failures = 0 WHERE id = $1 AND version = $9`,
			t.ID, t.Name, t.Host, string(t.Lang), t.Zone, flag(t.Enabled), sealed, db.Micros(tx.Now()), t.Version)
	})
	t.Version++
	return t, "", err
}

func (n *Notifier) makeTarget(ctx context.Context, t Target, address string) (Target, string, error) {
	u, err := checkAddress(address)
	if err != nil {
		return t, "", err
	}
	t.ID, t.Host, t.Version = db.NewID(), u.Host, 1
	s := secrets{URL: address}
	if t.Kind == Webhook {
		s.Secret = newSecret()
	}
	sealed, err := n.sealTarget(t.ID, s)
	if err != nil {
		return t, "", err
	}
	err = n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		return n.change(tx, "notify_target", t.ID, "create", `INSERT INTO notify_target (id, kind, name, host, lang, zone, enabled, sealed, changed_at, version, lease, paused_until, failures, last_ok, last_failed, answer)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, 0, 0, 0, 0, 0, '' WHERE (SELECT COUNT(*) FROM notify_target) < `+fmt.Sprint(maxTargets),
			t.ID, string(t.Kind), t.Name, t.Host, string(t.Lang), t.Zone, flag(t.Enabled), sealed, db.Micros(tx.Now()))
	})
	return t, s.Secret, err
}

// newSecret is 130 bits that can be copied by hand.
func newSecret() string { return "whsec_" + rand.Text() }

// NewSecret gives a webhook another secret and returns it: it is not shown again. Both sign until DropSecret.
func (n *Notifier) NewSecret(ctx context.Context, id string, version int64) (string, error) {
	secret := newSecret()
	return secret, n.changeSecrets(ctx, id, version, "rotate", func(s *secrets) { s.Old, s.Secret = s.Secret, secret })
}

// DropSecret ends the signatures of a webhook's older secret.
func (n *Notifier) DropSecret(ctx context.Context, id string, version int64) error {
	return n.changeSecrets(ctx, id, version, "drop_secret", func(s *secrets) { s.Old = "" })
}

// TwoSecrets reports whether a webhook's messages are signed with an older secret, too.
func (n *Notifier) TwoSecrets(ctx context.Context, id string) (two bool, err error) {
	err = n.opt.DB.Read(ctx, func(tx *db.Tx) error {
		_, s, err := n.openTarget(tx, id)
		two = s.Old != ""
		return err
	})
	return two, err
}

func (n *Notifier) changeSecrets(ctx context.Context, id string, version int64, action string, change func(*secrets)) error {
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		t, s, err := n.openTarget(tx, id)
		if err != nil {
			return err
		}
		if t.Kind != Webhook {
			return fault.New(fault.Invalid, "notify.fault.target", "%s has no secret of ours", t.Kind)
		}
		change(&s)
		sealed, err := n.sealTarget(id, s)
		if err != nil {
			return err
		}
		return n.change(tx, "notify_target", id, action, `UPDATE notify_target SET sealed = $2, changed_at = $3, version = version + 1 WHERE id = $1 AND version = $4`,
			id, sealed, db.Micros(tx.Now()), version)
	})
}

// DeleteTarget deletes a target, and what waits for it. Rules and steps that name it send to the others that they name.
func (n *Notifier) DeleteTarget(ctx context.Context, id string, version int64) error {
	return n.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if err := n.change(tx, "notify_target", id, "delete", `DELETE FROM notify_target WHERE id = $1 AND version = $2`, id, version); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM notify_delivery WHERE channel = 'target' AND target = $1 AND state = 'waiting'`, id)
		return err
	})
}

func (n *Notifier) openTarget(tx *db.Tx, id string) (t Target, s secrets, err error) {
	var sealed string
	if err := t.scan(tx.QueryRow(`SELECT `+targetColumns+`, t.sealed FROM notify_target t WHERE t.id = $1`, id), &sealed); err != nil {
		return t, s, err
	}
	plain, err := n.opt.Keys.Open(Columns()[0].Purpose(id), sealed)
	if err != nil {
		return t, s, err
	}
	defer clear(plain)
	if err := json.Unmarshal(plain, &s); err != nil {
		return t, s, fmt.Errorf("the secrets of the target %s are damaged", id) // the error could quote them
	}
	return t, s, nil
}

func (n *Notifier) sealTarget(id string, s secrets) (string, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	defer clear(plain)
	return n.opt.Keys.Seal(Columns()[0].Purpose(id), plain)
}
