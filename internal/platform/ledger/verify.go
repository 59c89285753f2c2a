package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Kind is what Verify found.
type Kind string

// The kinds of problems.
const (
	RowChanged     Kind = "row_changed"     // a row is not what its last leaf says
	RowRemoved     Kind = "row_removed"     // a row is gone, and no leaf says so
	RowInserted    Kind = "row_inserted"    // a row is there that no leaf knows, or that a leaf says is deleted
	LeafChanged    Kind = "leaf_changed"    // a leaf is not what was signed
	LeafMissing    Kind = "leaf_missing"    // a leaf is gone
	LeafUnsigned   Kind = "leaf_unsigned"   // a leaf stands behind the signed end of the tree
	HashChanged    Kind = "hash_changed"    // a hash of the tree is not what its leaves give
	HeadWrong      Kind = "head_wrong"      // the newest head is not signed by this ledger's key, or not of this tree
	CheckpointLost Kind = "checkpoint_lost" // a checkpoint, kept here or elsewhere, is not of this history
	TableLost      Kind = "table_lost"      // a table has leaves, and this program does not know it or it is gone
	RowsUnchecked  Kind = "rows_unchecked"  // a migration took columns away, and nobody has accepted the rows since
	ShapeChanged   Kind = "shape_changed"   // which columns leaves cover is not what it was
)

// Problem is one thing that Verify found.
type Problem struct {
	Kind   Kind
	Table  string // of the row or of the leaf's record
	Key    string
	Index  int64 // of the leaf; -1 where it is none
	Detail string
	Last   *Leaf // the last honest change of the row that the ledger knows
}

// maxProblems bounds a report: who rewrote everything is found out by the first thousand.
const maxProblems = 1000

// Report is what Verify found out.
type Report struct {
	Leaves      int64
	Rows        int64
	Tables      []string
	Checkpoints int
	Head        Checkpoint // the newest state that was signed
	Problems    []Problem
	Omitted     int // problems beyond those listed
	Took        time.Duration

	mu sync.Mutex // two passes report at the same time
}

// OK reports whether nothing was found.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.Problems) >= maxProblems
}

func (r *Report) found(p Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.Problems) >= maxProblems {
		r.Omitted++
		return
	}
	r.Problems = append(r.Problems, p)
}

// VerifyOptions say what to verify against, and who wants to know how far it is.
type VerifyOptions struct {
	// Checkpoints are signed checkpoints that were kept elsewhere: the history must contain them, and the one beside the key.
	Checkpoints []Checkpoint
	// Progress is told from time to time how many leaves and rows are done.
	Progress func(leaves, rows int64)
}

// Verify recomputes the tree from its leaves, compares it with every stored hash, head and checkpoint, and every row of every
// tracked table with its last leaf. It sees the database as it is at one moment and holds a bounded part of it in memory. An
// error means that it could not be verified; what it found is in the report.
func (l *Log) Verify(ctx context.Context, opt VerifyOptions) (*Report, error) {
	started := time.Now()
	var report *Report
	elsewhere := l.marks(opt.Checkpoints) // before the moment that is verified, which then contains the one beside the key
	err := l.sameMoment(ctx, func(ctx context.Context, one, two *db.Tx) error {
		v := &verification{log: l, report: &Report{Tables: l.Tables()}, progress: opt.Progress}
		report = v.report
		if elsewhere.problem != nil {
			report.found(*elsewhere.problem)
		}
		return v.run(ctx, one, two, elsewhere.list)
	})
	if err != nil {
		return nil, fmt.Errorf("verifying the ledger: %w", err)
	}
	report.Took = time.Since(started)
	slices.SortStableFunc(report.Problems, func(a, b Problem) int { // two passes found them, at the same time
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Detail, b.Detail))
	})
	return report, nil
}

// sameMomentTries is how often two readers are begun until no write fell between them.
const sameMomentTries = 50

// errMoved is the end of a try between whose readers something was written.
var errMoved = errors.New("the ledger grew between two readers")

// sameMoment runs fn with two transactions that see the same state: a change of a record changes the signed head with it. The two can be
// read from at the same time, a single one cannot.
func (l *Log) sameMoment(ctx context.Context, fn func(ctx context.Context, one, two *db.Tx) error) error {
	for range sameMomentTries {
		err := l.db.Read(ctx, func(one *db.Tx) error {
			first, err := headNote(one)
			if err != nil {
				return err
			}
			return l.db.Read(ctx, func(two *db.Tx) error {
				if second, err := headNote(two); err != nil || first != second {
					return errors.Join(err, errMoved)
				}
				return fn(ctx, one, two)
			})
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return fault.New(fault.Busy, "fault.busy", "%w, %d times", errMoved, sameMomentTries)
}

func headNote(tx *db.Tx) (note string, err error) {
	err = tx.QueryRow(`SELECT note FROM ledger_head WHERE id = 1`).Scan(&note)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	return note, err
}

// verification is one run of Verify.
type verification struct {
	log          *Log
	report       *Report
	progress     func(leaves, rows int64)
	leaves, rows atomic.Int64
	mu           sync.Mutex // for progress
	shapes       map[string]shape
	found        func(key string) // told of each row that is not as its last leaf says; may be nil
}

// progressEvery is after how many leaves or rows somebody is told.
const progressEvery = 4096

func (v *verification) tell() {
	if v.progress == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress(v.leaves.Load(), v.rows.Load())
}

func (v *verification) run(ctx context.Context, one, two *db.Tx, elsewhere []Checkpoint) error {
	if err := v.readShapes(one); err != nil {
		return err
	}
	var grown tree
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		grown, err = v.growTree(ctx, one, elsewhere)
		return err
	})
	group.Go(func() error {
		for _, name := range v.report.Tables {
			if err := v.compareTable(ctx, two, name); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	v.report.Leaves, v.report.Rows = grown.main.size, v.rows.Load()
	v.checkNames(&grown)
	v.tell()
	return nil
}
