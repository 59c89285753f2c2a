// Package notify tells people that something waits for them: in the program, by mail, in Slack and Microsoft Teams, and other
// programs by signed webhooks. It knows no room: rooms declare topics and kinds, and send notices about records and pages.
//
// What it promises:
//
//   - A notice belongs to the transaction that sent it: a rollback tells nobody, and what was committed is told, even when the
//     process is killed right after. Within the program each person gets it exactly once; mail goes into the outbox exactly once;
//     Slack, Teams and webhooks get it at least once, a repetition under the same delivery id.
//   - Whom a record may not be shown to is not told: the kind is asked when people are chosen, again when a mail or a message goes
//     out, and again when the notice is read. A channel outside, whose readers nobody here knows, gets only what its kind lets out.
//   - Texts are kept as key and arguments, and written in the reader's language and time zone when they are read.
//   - Nothing floods: what happens to one record within a minute is one notice with a count; a person who would get more than
//     MailsAnHour mails gets one with all; a channel that falls behind gets one message with all.
//   - Nothing that fails holds up anything else: each target has its own line, its own pauses, and its last answer is shown.
//   - Text from outside cannot mark up, mention or link anything in a mail or a message, and adds no header.
//
// Times of day are the person's own: quiet hours and digests follow the clock on their wall through changes of summer time.
//
// A Notifier is safe for concurrent use once the rooms have declared what they know.
package notify

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/letter"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/seal"
)

// MailsAnHour is how many mails a person gets within an hour; the rest of the hour comes as one.
const MailsAnHour = 20

// joinWithin is how long what happens to the same record is the same notice.
const joinWithin = time.Minute

// Severity is how much a notice matters.
type Severity int

// The severities, as alerts have them.
const (
	Informational Severity = iota
	Low
	Medium
	High
	Critical
)

// severities are the names, in order.
func severities() []string { return []string{"informational", "low", "medium", "high", "critical"} }

// String returns the name that messages and forms use.
func (s Severity) String() string { return severities()[min(max(s, Informational), Critical)] }

// ParseSeverity reads what String wrote.
func ParseSeverity(name string) (Severity, bool) {
	at := slices.Index(severities(), name)
	return Severity(at), at >= 0
}

// Channel is a way to a person.
type Channel string

// The channels. Slack, Teams and webhooks are no way to a person but targets of rules.
const (
	InApp Channel = "app"
	Mail  Channel = "mail"
)

// Mode is how a person gets a topic over a channel.
type Mode string

// The modes. In the program there is no digest: the list is one.
const (
	On     Mode = "on"
	Off    Mode = "off"
	Digest Mode = "digest"
)

// Topic is what a room sends notices about. Its words are the messages "notify.topic.<name>", what it is called, and
// "notify.text.<name>", what a notice says, with Args in their order.
type Topic struct {
	Name     string // "record.mention"
	Args     []string
	Severity Severity // of a notice that has none of its own
	Mail     Mode     // unless the person chose otherwise; "" is Off
	Chain    []Step   // whom to tell when nobody reads it, unless an administrator chose otherwise
	// Permission is what a notice without a record takes to be told of, "" for none.
	Permission string
	// Inside topics are told to no channel outside, whatever the record may: what people say to each other.
	Inside bool
}

// Kind is a kind of record that notices can be about.
type Kind struct {
	Name string
	Path string // of its page, with {id}: "/alerts/{id}"
	// MayKnow reports whether a person, who is active, may be told of the record.
	MayKnow func(ctx context.Context, person auth.Person, id string) (bool, error)
	// MayLeave reports whether it may be told to a channel outside; nil: never.
	MayLeave func(ctx context.Context, id string) (bool, error)
}

// Roles tells what roles may do.
type Roles interface {
	Allows(roles []string, permission string) bool
}

// People tells who there is; auth.Accounts does.
type People interface {
	Person(ctx context.Context, id string) (auth.Person, error)
	People(ctx context.Context, f auth.PeopleFilter, cursor string, limit int) (db.Page[auth.Person], error)
	Names(ctx context.Context, ids []string) (map[string]string, error)
	Holders(ctx context.Context) (map[string]int, error) // of roles
	Units(ctx context.Context) ([]auth.Unit, error)
}

// Options are a Notifier's surroundings.
type Options struct {
	DB        *db.DB
	Ledger    *ledger.Log
	Keys      *seal.Keys
	Jobs      *jobs.Queue
	People    People
	Roles     Roles
	Post      *letter.Post
	HTTP      *httpx.Client // for targets
	Bundle    *i18n.Bundle
	PublicURL string // where people find the server; without it messages have no links
	Log       *slog.Logger
}

// Notifier sends notices.
type Notifier struct {
	opt    Options
	topics map[string]Topic
	kinds  map[string]Kind
}

//go:embed migrations
var migrationFiles embed.FS

// Migrations are the tables of this package.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Tables are the records of this package: what administrators decide. What a target last answered is none.
func Tables() []ledger.Table {
	return []ledger.Table{
		{Name: "notify_target", Key: "id", Link: "/notifications/targets/{key}", Omit: []string{"lease", "paused_until", "failures", "last_ok", "last_failed", "answer"}},
		{Name: "notify_rule", Key: "id", Link: "/notifications/rules/{key}"},
		{Name: "notify_chain", Key: "topic", Link: "/notifications/escalation"},
	}
}

// Columns are the sealed columns, for rotation.
func Columns() []seal.Column {
	return []seal.Column{{Table: "notify_target", Key: "id", Column: "sealed"}}
}

// Open makes a notifier on tables that are there, and registers its jobs.
func Open(opt Options) *Notifier {
	n := &Notifier{opt: opt, topics: make(map[string]Topic), kinds: make(map[string]Kind)}
	n.opt.PublicURL = strings.TrimSuffix(opt.PublicURL, "/")
	if n.opt.Log == nil {
		n.opt.Log = slog.Default()
	}
	n.register()
	return n
}

// Declare makes topics known. It panics on what only a mistake of the program can be: a name given twice or without words.
func (n *Notifier) Declare(topics ...Topic) {
	words := n.opt.Bundle.Printer(i18n.English, nil)
	for _, t := range topics {
		if _, taken := n.topics[t.Name]; taken || !words.Has("notify.topic."+t.Name) || !words.Has("notify.text."+t.Name) {
			panic("notify: the topic " + t.Name + " is declared twice or has no words")
		}
		if t.Mail == "" {
			t.Mail = Off
		}
		n.topics[t.Name] = t
	}
}

// Know makes kinds of records known. It panics on one given twice or without MayKnow.
func (n *Notifier) Know(kinds ...Kind) {
	for _, k := range kinds {
		if _, taken := n.kinds[k.Name]; taken || k.MayKnow == nil || !ref.IsKind(k.Name) {
			panic("notify: the kind " + k.Name + " is declared twice, misnamed, or lets nobody know")
		}
		n.kinds[k.Name] = k
	}
}

// Topics returns what rooms declared, by name.
func (n *Notifier) Topics() []Topic {
	return slices.SortedFunc(maps.Values(n.topics), func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
}

// Kinds returns the names of the kinds that rooms declared, sorted.
func (n *Notifier) Kinds() []string { return slices.Sorted(maps.Keys(n.kinds)) }

// MailEnabled reports whether mail can be sent.
func (n *Notifier) MailEnabled() bool { return n.opt.Post.Enabled() }

// Forget deletes what is kept of a person, in the transaction that erases them.
func Forget(tx *db.Tx, person string) error {
	for _, statement := range []string{
		`DELETE FROM notify_item WHERE person = $1`, `DELETE FROM notify_preference WHERE person = $1`,
		`DELETE FROM notify_person WHERE person = $1`, `DELETE FROM notify_delivery WHERE channel = 'mail' AND target = $1`,
	} {
		if _, err := tx.Exec(statement, person); err != nil {
			return err
		}
	}
	return nil
}

// about is what a notice is about, as it is stored.
type about struct {
	Ref  ref.Ref
	Path string
}

// mayKnow reports whether a person may be told. It fails closed: what no room speaks for any more is told to nobody.
func (n *Notifier) mayKnow(ctx context.Context, topic string, a about, p auth.Person) (bool, error) {
	declared, ok := n.topics[topic]
	if !ok || p.State != auth.Active || p.Kind != auth.Human {
		return false, nil
	}
	if declared.Permission != "" && !n.opt.Roles.Allows(p.RoleNames(), declared.Permission) {
		return false, nil
	}
	if a.Ref.IsZero() {
		return true, nil
	}
	kind, ok := n.kinds[a.Ref.Kind]
	if !ok {
		return false, nil
	}
	may, err := kind.MayKnow(ctx, p, a.Ref.ID)
	if fault.Is(err, fault.NotFound) {
		return false, nil // it is gone, and with it the right to know
	}
	return may && err == nil, err
}

// mayLeave reports whether a channel outside may be told. What is about no record has nothing to hide but what its
// permission hides.
func (n *Notifier) mayLeave(ctx context.Context, topic string, a about) (bool, error) {
	if t, ok := n.topics[topic]; !ok || t.Inside {
		return false, nil
	}
	if a.Ref.IsZero() {
		return true, nil
	}
	kind, ok := n.kinds[a.Ref.Kind]
	if !ok || kind.MayLeave == nil {
		return false, nil
	}
	may, err := kind.MayLeave(ctx, a.Ref.ID)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return may && err == nil, err
}

// path is the page of what a notice is about, "" for none.
func (n *Notifier) path(a about) string {
	if a.Path != "" || a.Ref.IsZero() {
		return a.Path
	}
	return strings.ReplaceAll(n.kinds[a.Ref.Kind].Path, "{id}", pathEscape(a.Ref.ID))
}
