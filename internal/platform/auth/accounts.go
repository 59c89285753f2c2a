package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/seal"
)

//go:embed migrations
var migrationFiles embed.FS

// Migrations are the tables of people, their credentials and their sessions.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Columns are the sealed columns: secrets of one-time codes, and the key of the device cookie.
func Columns() []seal.Column {
	return []seal.Column{totpSecret(), deviceKey()}
}

func totpSecret() seal.Column {
	return seal.Column{Table: "auth_totp", Key: "person", Column: "secret"}
}

func deviceKey() seal.Column { return seal.Column{Table: "auth_key", Key: "id", Column: "sealed"} }

// RoleSet says what roles mean. Package access keeps them.
type RoleSet interface {
	// Known reports whether there is such a role.
	Known(role string) bool
	// Allows reports whether any of the roles has the permission.
	Allows(roles []string, permission string) bool
	// NeedsMFA reports whether any of the roles takes a second factor.
	NeedsMFA(roles []string) bool
}

// Ledger is what a change of a record is appended to, in the transaction that made it. *ledger.Log is one.
type Ledger interface {
	Track(ctx context.Context, tables ...ledger.Table) error
	Append(tx *db.Tx, entries ...ledger.Entry) error
}

func (a *Accounts) record(tx *db.Tx, table, key, action string) error {
	return a.Ledger.Append(tx, ledger.Entry{Table: table, Key: key, Action: action})
}

// Tables are the records of this package, for the ledger. Sessions, sign-ins under way and budgets are no records.
func Tables() []ledger.Table {
	return []ledger.Table{
		{Name: "auth_unit", Key: "id", Link: "/units"},
		{Name: "auth_person", Key: "id", Link: "/people/{key}", Omit: []string{"last_sign_in_at"}},
		{Name: "auth_role", Key: "id"},
		{Name: "auth_password", Key: "person"},
		{Name: "auth_totp", Key: "person", Omit: []string{"last_step"}},
		{Name: "auth_recovery", Key: "id"},
		{Name: "auth_passkey", Key: "id", Omit: []string{"last_used_at", "sign_count", "backed_up"}},
		{Name: "auth_ticket", Key: "id"},
		{Name: "auth_token", Key: "id", Omit: []string{"last_used_at", "last_address"}},
		{Name: "auth_key", Key: "id"},
	}
}

// Letter is a mail that somebody asked for or is due. Token is the secret of its link, "" where there is none.
type Letter struct {
	Kind   TicketKind
	To     Person
	Token  string
	Expiry time.Time
}

// Mailer writes letters in their reader's language and sends them once the transaction is committed.
type Mailer interface {
	Enabled() bool
	Enqueue(tx *db.Tx, letter Letter) error
}

// Config is what Accounts need of the rest.
type Config struct {
	Roles  RoleSet
	Seal   *seal.Keys
	Ledger Ledger
	Mailer Mailer // nil: links are shown to whoever asks for them
	Events Events // nil: the log alone
	// Forget deletes what other packages keep of a person beside the person's own record, when their data is erased.
	Forget []func(tx *db.Tx, person string) error

	// SignOn says that people sign in by the company's OpenID provider: who has no password gets none by asking for a reset.
	SignOn bool
	// Passive tells the requests that an open page makes by itself: they do not show that somebody is there, and keep no unused
	// session alive. nil: there are none.
	Passive func(r *http.Request) bool
	// PublicURL is where browsers find the server: passkeys are bound to its host. "" leaves passkeys out.
	PublicURL string
	// Secure says whether the browser sent the request over TLS; nil asks httpd, which knows of proxies.
	Secure func(r *http.Request) bool
	// Address says where the request came from; nil asks httpd.
	Address func(r *http.Request) string

	// IdleLimit and AbsoluteLimit end sessions: 12 hours and 7 days where they are 0.
	IdleLimit, AbsoluteLimit time.Duration
	// HashMemory bounds what checking passwords takes at the same time, in bytes: 256 MiB where it is 0.
	HashMemory int64
	// StepUp is how long a proof of who they are lets somebody change their credentials: 10 minutes where it is 0.
	StepUp time.Duration
	// Breached are lists of passwords that everybody knows.
	Breached Breached

	// AutoSignIn lets visitors from this very machine in as an administrator without a password, for the demo. Listen is the
	// address the server is bound to; OpenAccounts refuses the two together where others can reach it.
	AutoSignIn bool
	Listen     string

	Log *slog.Logger // nil is slog.Default()

	guess *cost      // of a guess; tests make it cheap
	ran   func(cost) // told of each Argon2 run, for tests that compare work
}

// Accounts are the people, their credentials and their sessions. Safe for concurrent use; several nodes may share one
// database.
//
// What they promise: nothing that opens an account is stored in a form that opens it (hashes of passwords, tokens, links and
// recovery codes; sealed secrets of one-time codes); each of these works once, or until it is revoked, expires or its owner is
// disabled, at the next request; and what a stranger can learn by asking is the same for people who exist and who do not.
//
// Sessions, sign-ins under way and counters of guesses are no records: no leaf of the ledger covers them. Everything else
// that this package writes is one.
type Accounts struct {
	Config
	db       *db.DB
	token    string // of this machine's commands
	passkeys *webauthn.WebAuthn
	cost     cost
	decoy    string // the hash that passwords of unknown names are checked against
	device   []byte // signs the device cookie, and names budgets
	guesses  chan struct{}
	waiting  chan struct{}
	sources  throttle // of guesses
	asking   throttle // for challenges and resets
	resets   chan resetRequest
}

// OpenAccounts opens the accounts, applies their migrations and has the ledger track their tables.
func OpenAccounts(ctx context.Context, d *db.DB, c Config) (*Accounts, error) {
	if c.AutoSignIn && !IsLoopback(c.Listen) {
		return nil, fault.New(fault.Invalid, "", "signing everybody in is for this machine alone: %q is not a loopback address", c.Listen)
	}
	if c.Roles == nil || c.Seal == nil || c.Ledger == nil {
		return nil, errors.New("auth: roles, seal and ledger are needed")
	}
	c.fill()
	if err := d.Migrate(ctx, "auth", Migrations()); err != nil {
		return nil, err
	}
	if err := c.Ledger.Track(ctx, Tables()...); err != nil {
		return nil, err
	}
	a := &Accounts{Config: c, db: d, token: "local-" + rand.Text(), cost: *c.guess, resets: make(chan resetRequest, resetQueue)}
	slots := max(1, c.HashMemory/(int64(a.cost.memory)<<10))
	slots = min(slots, 64)
	a.guesses, a.waiting = make(chan struct{}, slots), make(chan struct{}, 32*slots)
	a.asking = throttle{most: 30, every: 2 * time.Second}
	a.decoy = hash(rand.Text(), a.cost)
	var err error
	if a.passkeys, err = newWebAuthn(c.PublicURL); err != nil {
		return nil, err
	}
	if err := a.openKey(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

func (c *Config) fill() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Secure == nil {
		c.Secure = httpd.Secure
	}
	if c.Address == nil {
		c.Address = func(r *http.Request) string { return httpd.ClientIP(r).String() }
	}
	if c.IdleLimit == 0 {
		c.IdleLimit = idleLimit
	}
	if c.AbsoluteLimit == 0 {
		c.AbsoluteLimit = absoluteLimit
	}
	if c.StepUp == 0 {
		c.StepUp = 10 * time.Minute
	}
	if c.HashMemory == 0 {
		c.HashMemory = 256 << 20
	}
	if c.guess == nil {
		c.guess = &cost{time: defaultCost.time, memory: defaultCost.memory, threads: defaultCost.threads}
	}
	if c.ran == nil {
		c.ran = func(cost) {}
	}
}

// openKey reads the key of the device cookie, and makes it where there is none.
func (a *Accounts) openKey(ctx context.Context) error {
	const id = "device"
	return a.db.Write(ctx, func(tx *db.Tx) error {
		var sealed string
		err := tx.QueryRow(`SELECT sealed FROM auth_key WHERE id = $1`, id).Scan(&sealed)
		if err == nil {
			a.device, err = a.Seal.Open(deviceKey().Purpose(id), sealed)
			return err
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		a.device = []byte(rand.Text() + rand.Text())
		if sealed, err = a.Seal.Seal(deviceKey().Purpose(id), a.device); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO auth_key (id, sealed) VALUES ($1, $2)`, id, sealed); err != nil {
			return err
		}
		return a.record(tx, "auth_key", id, "create")
	})
}

// LocalToken returns the token that Announce hands to the commands of this machine. It is new at each start.
func (a *Accounts) LocalToken() string { return a.token }

// mac is a keyed hash of words, as hexadecimal text.
func (a *Accounts) mac(words ...string) string {
	m := hmac.New(sha256.New, a.device)
	for _, w := range words {
		fmt.Fprintf(m, "%d:%s", len(w), w)
	}
	return hex.EncodeToString(m.Sum(nil))
}

// Run answers requests for resets until ctx ends.
func (a *Accounts) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-a.resets:
			if err := a.answerReset(ctx, r); err != nil && ctx.Err() == nil {
				a.Log.Error("a reset could not be prepared", "error", err)
			}
		}
	}
}

// Sweep forgets sessions, sign-ins under way, links and budgets that have ended or are full again.
func (a *Accounts) Sweep(ctx context.Context) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		now := tx.Now()
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{`DELETE FROM auth_session WHERE seen_at < $1 OR created_at < $2`, []any{db.Micros(now.Add(-a.IdleLimit)), db.Micros(now.Add(-a.AbsoluteLimit))}},
			{`DELETE FROM auth_pending WHERE expires_at < $1`, []any{db.Micros(now)}},
			{`DELETE FROM auth_budget WHERE at < $1`, []any{db.Micros(now.Add(-budgetFull))}},
		} {
			if _, err := tx.Exec(q.sql, q.args...); err != nil {
				return err
			}
		}
		return a.dropTickets(tx, `expires_at < $1`, db.Micros(now))
	})
}

// The ledger's actions that are not create, update and delete.
const (
	actionDisable = "disable"
	actionEnable  = "enable"
	actionErase   = "erase"
	actionRevoke  = "revoke"
	actionReset   = "reset"
	actionUse     = "use"
)
