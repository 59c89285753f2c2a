// Package approval is four eyes: an action that policy names needs a second person's word before it is done.
//
// What it promises: the action runs at most once, in the same transaction that records the second person's approval; who asked
// cannot approve; who decides sees what exactly is asked for; who asked must still be allowed to at that moment, and so must the approver; a request that nobody
// answered within a week is void. Each request and each answer is in the ledger.
package approval

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const (
	validFor  = 7 * 24 * time.Hour
	maxReason = 500 // characters
)

// State is what became of a request.
type State string

// The states. Void is a waiting request whose time has passed; it is worked out, not stored.
const (
	Waiting   State = "waiting"
	Approved  State = "approved"
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
	Void      State = "void"
)

// Request is an action that waits for a second person, or waited.
type Request struct {
	ID        string
	Action    string
	Subject   string
	Link      string
	Reason    string
	State     State
	AskedBy   string // a person's id
	Asked     time.Time
	Expires   time.Time
	DecidedBy string
	Decided   time.Time
	Note      string
	Version   int64

	payload string
}

// action is what a room registered.
type action struct {
	permission string
	may        func(ctx context.Context, who Who, payload string) error // nil: the permission is all it takes
	show       func(r *http.Request, payload string) ([]Fact, error)
	run        func(tx *db.Tx, payload string) error
}

// Who is somebody who may do some things: who asks, or who decides.
type Who interface{ May(permission string) bool }

// People tells what approvals need to know of people.
type People interface {
	// May reports whether the person is active and has the permission now.
	May(ctx context.Context, person, permission string) (bool, error)
}

// Options are an Approvals' surroundings.
type Options struct {
	DB       *db.DB
	Ledger   *ledger.Log
	People   People
	Required []string // the actions that policy wants two people for
	Notify   Notifier // nil: nobody is told
}

// Approvals knows the actions and keeps the requests. Register first, then use; after that it is safe for concurrent use.
type Approvals struct {
	opt     Options
	actions map[string]action
}

//go:embed migrations
var migrationFiles embed.FS

// Tables are the records of this package.
func Tables() []ledger.Table {
	return []ledger.Table{{Name: "approval_request", Key: "id", Link: "/approvals/{key}"}}
}

// Migrations are the tables of this package.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Open makes the tables.
func Open(ctx context.Context, opt Options) (*Approvals, error) {
	return &Approvals{opt: opt, actions: make(map[string]action)}, opt.DB.Migrate(ctx, "approval", Migrations())
}

// Action is something that may take two people, as a room registers it. T is what is asked for.
type Action[T any] struct {
	// Permission is what it takes to ask for it and to approve it.
	Permission string
	// May says what else it takes of both of them at the moment of approval; nil: nothing.
	May func(ctx context.Context, who Who, asked T) error
	// Show says what exactly is asked for, in the reader's language: nobody can answer for what they do not see.
	Show func(r *http.Request, asked T) ([]Fact, error)
	// Run does it.
	Run func(tx *db.Tx, asked T) error
}

// Fact is a line of what is asked for.
type Fact struct{ Label, Text string }

// Register makes an action known by its name: "people.roles", whose words are the message "approval.action.people.roles".
func Register[T any](a *Approvals, name string, one Action[T]) {
	read := func(text string) (asked T, err error) {
		if err = json.Unmarshal([]byte(text), &asked); err != nil {
			err = fmt.Errorf("the stored request of %s: %w", name, err)
		}
		return asked, err
	}
	known := action{permission: one.Permission, run: func(tx *db.Tx, text string) error {
		asked, err := read(text)
		if err != nil {
			return err
		}
		return one.Run(tx, asked)
	}, show: func(r *http.Request, text string) ([]Fact, error) {
		asked, err := read(text)
		if err != nil {
			return nil, err
		}
		return one.Show(r, asked)
	}}
	if one.May != nil {
		known.may = func(ctx context.Context, who Who, text string) error {
			asked, err := read(text)
			if err != nil {
				return err
			}
			return one.May(ctx, who, asked)
		}
	}
	a.actions[name] = known
}

// Check reports what policy names and nobody registered: a misspelt name would leave the action to one person alone.
func (a *Approvals) Check() error {
	for _, name := range a.opt.Required {
		if _, ok := a.actions[name]; !ok {
			return fault.New(fault.Invalid, "fault.approval.policy", "approvals.required: there is no action %q", name)
		}
	}
	return nil
}

// Actions returns the names of all actions, sorted, and whether policy wants two people for each.
func (a *Approvals) Actions() map[string]bool {
	all := make(map[string]bool, len(a.actions))
	for name := range a.actions {
		all[name] = a.Needed(name)
	}
	return all
}

// Needed reports whether the action takes a second person.
func (a *Approvals) Needed(name string) bool { return slices.Contains(a.opt.Required, name) }

// Wish is an action that somebody wants done.
type Wish struct {
	Action  string
	Subject string // whom or what it concerns, as people call it
	Link    string // the page of the subject
	Reason  string
	Payload any // what the registered function takes; nothing secret, it is stored as it is
}

// Do does what is wished, or, where policy wants a second person, keeps it for one and returns the request. The caller has
// checked the wisher's permission.
func (a *Approvals) Do(ctx context.Context, by *auth.User, wish Wish) (waiting *Request, err error) {
	known, ok := a.actions[wish.Action]
	if !ok {
		return nil, fmt.Errorf("no action %q is registered", wish.Action)
	}
	payload, err := json.Marshal(wish.Payload)
	if err != nil {
		return nil, fmt.Errorf("the payload of %s: %w", wish.Action, err)
	}
	if !a.Needed(wish.Action) {
		return nil, a.opt.DB.Write(ctx, func(tx *db.Tx) error { return known.run(tx, string(payload)) })
	}
	wish.Reason = strings.TrimSpace(wish.Reason)
	if err := CheckReason(wish.Reason); err != nil {
		return nil, err
	}
	request := &Request{
		ID: db.NewID(), Action: wish.Action, Subject: wish.Subject, Link: wish.Link, Reason: wish.Reason,
		State: Waiting, AskedBy: by.ID, Version: 1, payload: string(payload),
	}
	err = a.opt.DB.Write(ctx, func(tx *db.Tx) error {
		request.Asked, request.Expires = tx.Now(), tx.Now().Add(validFor)
		if err := a.insert(tx, request); err != nil {
			return err
		}
		return a.tellDeciders(tx, request, known.permission)
	})
	if err != nil {
		return nil, fmt.Errorf("asking for approval: %w", err)
	}
	return request, nil
}

// CheckReason refuses a reason that no second person could decide by: fault.Invalid.
func CheckReason(reason string) error {
	if reason = strings.TrimSpace(reason); reason == "" || utf8.RuneCountInString(reason) > maxReason {
		return &fault.Error{Code: fault.Invalid, Key: "fault.approval.reason", Args: []any{maxReason}, Detail: "a request for approval needs a reason"}
	}
	return nil
}

// Facts says what exactly a request asks for; nothing where its action is not known any more.
func (a *Approvals) Facts(r *http.Request, q Request) ([]Fact, error) {
	known, ok := a.actions[q.Action]
	if !ok {
		return nil, nil
	}
	return known.show(r, q.payload)
}

// Decide approves, refuses or withdraws a request. Errors: fault.NotFound for a request that the person may not see,
// fault.Forbidden where it is not theirs to decide, fault.Conflict where it no longer waits or may no longer be done.
func (a *Approvals) Decide(ctx context.Context, by *auth.User, id string, to State, note string) error {
	request, err := a.Get(ctx, by, id)
	if err != nil {
		return err
	}
	if err := a.mayDecide(ctx, by, request, to); err != nil {
		return err
	}
	if note = strings.TrimSpace(note); utf8.RuneCountInString(note) > maxReason {
		return &fault.Error{Code: fault.Invalid, Key: "fault.approval.reason", Args: []any{maxReason}, Detail: "the note is too long"}
	}
	err = a.opt.DB.Write(ctx, func(tx *db.Tx) error {
		changed, err := tx.Exec(`UPDATE approval_request SET state = $1, decided_by = $2, decided = $3, note = $4, version = version + 1
			WHERE id = $5 AND state = $6 AND expires > $3`, to, by.ID, db.Micros(tx.Now()), note, id, Waiting)
		if err == nil && changed == 0 {
			err = fault.New(fault.Conflict, "fault.approval.over", "the request no longer waits")
		}
		if err != nil {
			return err
		}
		if err := a.opt.Ledger.Append(tx, ledger.Entry{Table: "approval_request", Key: id, Action: string(to)}); err != nil {
			return err
		}
		if err := a.tellAsker(tx, request, to); err != nil {
			return err
		}
		if to != Approved {
			return nil
		}
		return a.actions[request.Action].run(tx, request.payload)
	})
	if err != nil {
		return fmt.Errorf("deciding about a request: %w", err)
	}
	return nil
}

// mayDecide holds the rules of four eyes.
func (a *Approvals) mayDecide(ctx context.Context, by *auth.User, request Request, to State) error {
	known, ok := a.actions[request.Action]
	switch {
	case !ok:
		return fault.New(fault.Conflict, "fault.approval.over", "there is no action %q any more", request.Action)
	case to == Withdrawn && request.AskedBy != by.ID:
		return fault.New(fault.Forbidden, "", "only who asked can withdraw")
	case to == Withdrawn:
		return nil
	case to != Approved && to != Refused:
		return fault.New(fault.Invalid, "", "a request cannot become %q", to)
	case request.AskedBy == by.ID:
		return fault.New(fault.Forbidden, "fault.approval.own", "who asked cannot decide")
	case !by.May(known.permission):
		return fault.New(fault.Forbidden, "fault.forbidden", "%s lacks %s", by.ID, known.permission)
	case to == Refused:
		return nil
	}
	asker := &asker{ctx: ctx, people: a.opt.People, id: request.AskedBy}
	if still := asker.May(known.permission); asker.err != nil || !still {
		return cmp.Or(asker.err, gone())
	}
	if known.may == nil {
		return nil
	}
	if err := known.may(ctx, by, request.payload); err != nil {
		return err
	}
	err := known.may(ctx, asker, request.payload)
	if asker.err == nil && fault.Is(err, fault.Forbidden) {
		err = gone()
	}
	return cmp.Or(asker.err, err)
}

func gone() error {
	return fault.New(fault.Conflict, "fault.approval.asker", "who asked may no longer do this")
}

// asker is who asked, with what they may do now; err is why that could not be told.
type asker struct {
	ctx    context.Context
	people People
	id     string
	err    error
}

func (a *asker) May(permission string) bool {
	may, err := a.people.May(a.ctx, a.id, permission)
	a.err = cmp.Or(a.err, err)
	return may && err == nil
}
