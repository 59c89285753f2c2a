// Package jobs does later, and again where it fails, what must not be done while somebody waits: a table of jobs on the
// database, worked by one node or many.
//
// What it promises:
//
//   - A job that was added in a transaction runs when that is committed, and never when it is rolled back.
//   - A job is run until it succeeds, fails for the last time, or is cancelled, whatever becomes of the process meanwhile: at least once.
//     While all goes well it is run exactly once; after a crash, or where a lease was lost, once more. Handlers bear that.
//   - A claim is a lease, renewed while the handler runs. Where a node dies, others have the job when the lease has ended; on SQLite,
//     which one process has for itself, the next start has it at once. A run whose lease was lost hears it by its context, and what it
//     says in the end no longer counts.
//   - Runs are counted when they begin. So a payload that kills the process, too, is given up after its last attempt, and blocks nothing.
//     A panic is an error of that job only.
//   - After its last attempt a job stays as failed, with its last error, for 30 days; what is done stays for three, without its payload.
//   - Each name has its own bound of runs at a time: slow work of one kind keeps no other waiting.
//   - A schedule's run happens once, however many nodes there are. Runs that were missed while nothing ran are made up by one.
//   - Cancelling, retrying and running by hand are decisions of people: each is in the ledger.
//
// What it asks: handlers return when their context ends. A run that does not is abandoned after its time: its job goes on elsewhere or
// after a restart. The clocks of nodes agree within a third of a lease (20 seconds). A payload names records by their ids and holds no
// secret: it is stored as it is.
//
// A node with nothing due reads once every ten seconds and writes nothing; readers wait for nobody (package db).
package jobs

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// State is where a job is in its life.
type State string

// The states. A job that failed and will be tried again waits.
const (
	Waiting   State = "waiting"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// States lists them in the order of a job's life.
func States() []State { return []State{Waiting, Running, Failed, Cancelled, Done} }

// Priority is which of the jobs of one name go first.
type Priority int

// The priorities.
const (
	High Priority = iota
	Normal
	Low
)

// Spec says what a kind of job is. Zero values have the defaults that stand beside them.
type Spec struct {
	Name        string        // "notify.send": the room, and what is done; its words are the message "job.name.notify.send"
	Owner       string        // the package that answers for it
	Attempts    int           // 10: how often it is begun at most
	Timeout     time.Duration // 5 m: how long a run may take
	Backoff     time.Duration // 10 s: the pause after the first failure; each further one is twice as long
	MaxBackoff  time.Duration // 1 h: the longest pause
	Concurrency int           // 4: how many run at a time on one node
	Single      bool          // only one runs at a time on all nodes together
	Hidden      bool          // no page shows its payload
}

func (s Spec) withDefaults() Spec {
	s.Attempts = cmp.Or(s.Attempts, 10)
	s.Timeout = cmp.Or(s.Timeout, 5*time.Minute)
	s.Backoff = cmp.Or(s.Backoff, 10*time.Second)
	s.MaxBackoff = cmp.Or(s.MaxBackoff, time.Hour)
	s.Concurrency = cmp.Or(s.Concurrency, 4)
	if s.Single {
		s.Concurrency = 1
	}
	return s
}

// kind is a kind of job that was registered.
type kind struct {
	Spec
	do func(ctx context.Context, payload string) error
}

// Options are a Queue's surroundings.
type Options struct {
	DB     *db.DB
	Ledger *ledger.Log   // keeps what administrators decide; nil keeps nothing
	Log    *slog.Logger  // nil is slog.Default()
	Node   string        // what this process is called on the page; "" is the machine's name
	Lease  time.Duration // how long a claim holds without being renewed; 0 is a minute
	Poll   time.Duration // how often is looked for what other processes added; 0 is ten seconds
	Grace  time.Duration // how long Run waits at its end for jobs that run; 0 is ten seconds
}

// Queue is the jobs of a database. Register and Schedule first, then Run; Add may be called at any time. After that it is safe for
// concurrent use.
type Queue struct {
	opt       Options
	kinds     map[string]kind
	schedules map[string]schedule
	mistakes  []error // of registering, for Check
	wake      chan struct{}

	mu      sync.Mutex
	running map[string]*run // by claim; of this process
	ended   []*run          // of those, what waits to be written down
}

//go:embed migrations
var migrationFiles embed.FS

// Tables are the records of this package.
func Tables() []ledger.Table { return []ledger.Table{{Name: "job_decision", Key: "id"}} }

// Migrations are the tables of this package.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Open makes the tables.
func Open(ctx context.Context, opt Options) (*Queue, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	if opt.Node == "" {
		name, err := os.Hostname()
		if err != nil {
			name = fmt.Sprint("process ", os.Getpid())
		}
		opt.Node = name
	}
	opt.Lease = cmp.Or(opt.Lease, time.Minute)
	opt.Poll = cmp.Or(opt.Poll, 10*time.Second)
	opt.Grace = cmp.Or(opt.Grace, 10*time.Second)
	q := &Queue{
		opt: opt, kinds: make(map[string]kind), schedules: make(map[string]schedule),
		wake: make(chan struct{}, 1), running: make(map[string]*run),
	}
	q.registerSweep()
	return q, opt.DB.Migrate(ctx, "jobs", Migrations())
}

// name is what jobs and schedules are called.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)

// Register makes a kind of job known, and what does it: do is given what Add was given, read from JSON. Its error has the job tried
// again after a while, unless it is Final; whoever may read jobs sees it, so it quotes nothing secret. What is wrong with the spec is
// told by Check.
func Register[T any](q *Queue, spec Spec, do func(ctx context.Context, payload T) error) {
	q.register(spec, func(ctx context.Context, text string) error {
		var payload T
		if err := json.Unmarshal([]byte(text), &payload); err != nil {
			// It will not be better next time. The error of encoding/json may quote the payload.
			return Final(errors.New("the payload is not what this version of the program takes"))
		}
		return do(ctx, payload)
	})
}

func (q *Queue) register(spec Spec, do func(context.Context, string) error) {
	spec = spec.withDefaults()
	_, twice := q.kinds[spec.Name]
	switch {
	case twice:
		q.mistakes = append(q.mistakes, fmt.Errorf("the job %q is registered twice", spec.Name))
	case !nameForm.MatchString(spec.Name) || spec.Owner == "":
		q.mistakes = append(q.mistakes, fmt.Errorf("the job %q of %q has no good name or no owner", spec.Name, spec.Owner))
	case min(spec.Attempts, spec.Concurrency) < 1 || min(spec.Timeout, spec.Backoff, spec.MaxBackoff) < 0:
		q.mistakes = append(q.mistakes, fmt.Errorf("the job %q has a negative bound", spec.Name))
	}
	q.kinds[spec.Name] = kind{spec, do}
}

// Check returns what is wrong with what was registered.
func (q *Queue) Check() error {
	mistakes := slices.Clone(q.mistakes)
	for name, s := range q.schedules {
		if _, ok := q.kinds[s.job]; !ok {
			mistakes = append(mistakes, fmt.Errorf("the schedule %q is for the job %q, which nobody registered", name, s.job))
		}
	}
	return errors.Join(mistakes...)
}

// Kinds returns what was registered, sorted by name.
func (q *Queue) Kinds() []Spec {
	list := make([]Spec, 0, len(q.kinds))
	for _, name := range slices.Sorted(maps.Keys(q.kinds)) {
		list = append(list, q.kinds[name].Spec)
	}
	return list
}

// maxPayload is the longest payload, in bytes: it is to name things, not to hold them.
const maxPayload = 256 << 10

// addition is how a job is added.
type addition struct {
	notBefore time.Time
	priority  Priority
	key       string
}

// Option is how a job is added.
type Option func(*addition)

// NotBefore has the job wait until then.
func NotBefore(t time.Time) Option { return func(a *addition) { a.notBefore = t } }

// WithPriority has the job go before or after others of its name that are due.
func WithPriority(p Priority) Option { return func(a *addition) { a.priority = p } }

// Unique has Add do nothing where a job of the same name and key waits already, be it for its next attempt. One that runs does not
// count: it may have seen the state before the change that wants the new one.
func Unique(key string) Option { return func(a *addition) { a.key = key } }

// Add adds a job to the transaction and returns its id, "" where Unique had it do nothing. The payload is kept as JSON; it is not for secrets.
func (q *Queue) Add(tx *db.Tx, name string, payload any, options ...Option) (id string, err error) {
	a := addition{priority: Normal}
	for _, option := range options {
		option(&a)
	}
	if _, ok := q.kinds[name]; !ok {
		return "", fmt.Errorf("adding a job: nobody registered %q", name)
	}
	if a.priority < High || a.priority > Low {
		return "", fmt.Errorf("adding a job %s: there is no priority %d", name, a.priority)
	}
	text, err := json.Marshal(payload)
	if err != nil {
		return "", fmt.Errorf("the payload of a job %s: %w", name, err)
	}
	if len(text) > maxPayload {
		return "", fault.New(fault.TooLarge, "fault.job.payload", "the payload of a job %s has %d bytes", name, len(text))
	}
	due := a.notBefore
	if due.Before(tx.Now()) {
		due = tx.Now()
	}
	id = db.NewID()
	n, err := tx.Exec(`INSERT INTO job (id, name, payload, state, priority, unique_key, created_at, created_by, due_at, attempts, claim, node, started_at, ended_at, error)
		VALUES ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, 0, '', '', 0, 0, '')
		ON CONFLICT (name, unique_key) WHERE state = 'waiting' AND unique_key <> '' DO NOTHING`,
		id, name, string(text), int(a.priority), a.key, db.Micros(tx.Now()), tx.Actor(), db.Micros(due))
	if err != nil {
		return "", fmt.Errorf("adding a job %s: %w", name, err)
	}
	if n == 0 {
		return "", nil
	}
	tx.AfterCommit(q.nudge)
	return id, nil
}

// nudge has this process look for what is due.
func (q *Queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
