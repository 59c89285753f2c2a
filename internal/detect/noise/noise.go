// Package noise keeps rules from telling people what they know already: exceptions, which say what a rule shall not alert on, and suppressions,
// which say when it shall alert less. Both are records: they have an owner, a reason, an end, and a history.
//
// An exception is a Sigma filter document. It is asked about each match of the rules that it concerns, in the transaction that would record the
// match, rather than compiled into the rules: nearly no event matches any rule, so that next to nothing is asked; what it
// keeps back can be counted for each exception; and an end that comes is an end at once, without compiling anything.
//
// What it promises:
//
//   - Nothing is lost in silence: each match that makes no alert is counted with what held it back, its rule and its hour, once, however often
//     the program dies meanwhile. The event itself is in the log store as every other.
//   - What was decided holds from the next transaction of the recorder on, at every node; and nothing holds a moment longer than its end.
//   - What cannot be read as a filter is not kept: the error names the line. An exception that leaves nothing out is refused, too.
//   - Where decisions take four eyes, an exception that holds is not changed: it goes back to being proposed first.
package noise

import (
	"embed"
	"io/fs"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations are the room's tables, for db.Migrate(ctx, "noise", …).
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Tables are the room's records, for the ledger.
func Tables() []ledger.Table {
	return []ledger.Table{ExceptionKind(Policy{}).Ledger(), SuppressionKind(Policy{}).Ledger()}
}

// Policy is what an organisation wants of such decisions.
type Policy struct {
	FourEyes bool          // they take a second person's approval
	Longest  time.Duration // an exception ends after at most this; 0 is a year
}

// Longest is how long an exception may hold where the organisation says nothing.
const Longest = 365 * 24 * time.Hour

func (p Policy) longest() time.Duration {
	if p.Longest <= 0 {
		return Longest
	}
	return p.Longest
}

// States of both kinds.
const (
	Proposed = "proposed"
	Active   = "active"
	Ended    = "ended"
)

func states() []record.State {
	return []record.State{{Name: Proposed, Look: "new"}, {Name: Active, Look: "active"}, {Name: Ended, Done: true}}
}

// moves are those of both kinds: needs must be filled in before one holds, and may says whether it can.
func (p Policy) moves(needs []string, may func(r *record.Record, now time.Time) error) []record.Move {
	activate := record.Move{Name: "activate", From: []string{Proposed}, To: Active, Needs: needs, Main: true, Approved: p.FourEyes}
	activate.May = func(tx *db.Tx, _ *auth.User, r *record.Record) error { return may(r, tx.Now()) }
	return []record.Move{
		activate,
		{Name: "put_back", From: []string{Active}, To: Proposed},
		{Name: "end", From: []string{Proposed, Active}, To: Ended, Why: true},
		{Name: "propose_again", From: []string{Ended}, To: Proposed},
	}
}

func views() []record.View {
	return []record.View{{Name: "active", Query: "state=active"}, {Name: "proposed", Query: "state=proposed"}, {Name: "ended", Query: "state=ended"}, {Name: "all"}}
}

// Options are what a Store needs.
type Options struct {
	DB      *db.DB
	Records *record.Store // knows both kinds
	// Sigma is how filters are understood: with the taxonomy that the rules have.
	Sigma sigma.Options
	// Rules lists the rules there are, for what an exception would have kept back.
	Rules func() []*sigma.Rule
}

// Store knows what holds. It is safe for concurrent use.
type Store struct {
	opt   Options
	known set
}

var _ alert.Noise = (*Store)(nil)

// New makes a store; the tables of Migrations are there.
func New(opt Options) *Store { return &Store{opt: opt} }
