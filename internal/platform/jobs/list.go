package jobs

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Job is a job as it stands.
type Job struct {
	ID       string
	Name     string
	State    State
	Priority Priority
	Key      string // of Unique; "" for none
	Added    time.Time
	AddedBy  string
	Due      time.Time // of one that waits: not before; of one that runs: when its lease ends; else when it is forgotten
	Attempts int
	Node     string
	Started  time.Time // of the last run; zero: never
	Ended    time.Time // zero: it waits or runs
	Error    string    // of the last run that failed
	Payload  string    // only of Get, and "" where the kind hides it or the job is done
}

const columns = `id, name, state, priority, unique_key, created_at, created_by, due_at, attempts, node, started_at, ended_at, error`

func scanJob(s db.Scanner) (j Job, err error) {
	var added, due, started, ended int64
	err = s.Scan(&j.ID, &j.Name, &j.State, &j.Priority, &j.Key, &added, &j.AddedBy, &due, &j.Attempts, &j.Node, &started, &ended, &j.Error)
	j.Added, j.Due, j.Started, j.Ended = db.Time(added), db.Time(due), db.Time(started), db.Time(ended)
	return j, err
}

func get(tx *db.Tx, id string) (Job, error) {
	j, err := scanJob(tx.QueryRow(`SELECT `+columns+` FROM job WHERE id = $1`, id))
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.NotFound, "fault.not_found", "no job has the id %q", id)
	}
	return j, err
}

// Get returns a job with its payload. The error is fault.NotFound where there is none.
func (q *Queue) Get(ctx context.Context, id string) (j Job, err error) {
	err = q.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if j, err = get(tx, id); err != nil || q.kinds[j.Name].Hidden {
			return err
		}
		return tx.QueryRow(`SELECT payload FROM job WHERE id = $1`, id).Scan(&j.Payload)
	})
	return j, err
}

// Filter chooses jobs of one state.
type Filter struct {
	State  State
	Name   string // "" for all
	Cursor string
	Limit  int
}

// List returns jobs of a state: what waits or runs by when it is due, what has ended the latest first.
func (q *Queue) List(ctx context.Context, f Filter) (page db.Page[Job], err error) {
	order, beyond := "ASC", ">"
	if f.State != Waiting && f.State != Running {
		order, beyond = "DESC", "<"
	}
	where := new(db.Where)
	where.And("state = ?", f.State)
	if f.Name != "" {
		where.And("name = ?", f.Name)
	}
	if f.Cursor != "" {
		var due int64
		var id string
		if err := db.DecodeCursor(f.Cursor, &due, &id); err != nil {
			return page, err
		}
		where.And("(due_at, id) "+beyond+" (?, ?)", due, id)
	}
	err = q.opt.DB.Read(ctx, func(tx *db.Tx) error {
		list, err := db.List(tx, scanJob, `SELECT `+columns+` FROM job`+where.String()+` ORDER BY due_at `+order+`, id `+order+` LIMIT `+where.Next(1), where.Args(f.Limit+1)...)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, f.Limit, func(j Job) []any { return []any{db.Micros(j.Due), j.ID} })
		return err
	})
	if err != nil {
		return page, fmt.Errorf("listing jobs: %w", err)
	}
	return page, nil
}

// CountLimit is how far jobs are counted: a page need not wait until a million are.
const CountLimit = 10_000

// Counts returns how many jobs of a name ("" for all) are in each state, at most CountLimit+1 of each.
func (q *Queue) Counts(ctx context.Context, name string) (map[State]int64, error) {
	counts := make(map[State]int64, len(States()))
	err := q.opt.DB.Read(ctx, func(tx *db.Tx) error {
		for _, state := range States() {
			where := new(db.Where)
			where.And("state = ?", state)
			if name != "" {
				where.And("name = ?", name)
			}
			var n int64
			err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM job`+where.String()+` LIMIT `+where.Next(1)+`) part`, where.Args(CountLimit+1)...).Scan(&n)
			if err != nil {
				return err
			}
			counts[state] = n
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting jobs: %w", err)
	}
	return counts, nil
}
