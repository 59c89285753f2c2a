package record

import (
	"context"
	"fmt"
	"time"

	"yagura/internal/platform/db"
)

// What is said of an approval's due time: to who is to answer, and to who asked.
const (
	approvalDue     = "approval.due"
	approvalOverdue = "approval.overdue"
	approvalLate    = "approval.late" // to who asked
)

// saidOfSteps stands in record_said where a record's kind does: no kind is called so.
const saidOfSteps = "approval.step"

// ApprovalEvent is an answer that will be due or is overdue.
type ApprovalEvent struct {
	Action   string // "approval.due", "approval.overdue" for who is to answer; "approval.late" for who asked
	Record   *Record
	Approval *Approval
	Step     Step
	Person   string // whom to tell
}

// ApprovalListener is told of each in its transaction, as a Listener is.
type ApprovalListener func(tx *db.Tx, e ApprovalEvent) error

// ListenApprovals has a listener told of answers that will be due or are overdue.
func (s *Store) ListenApprovals(l ApprovalListener) { s.late = append(s.late, l) }

// RemindApprovals tells those whose turn it is that their answer is due before ahead, and, when it is overdue, them and those who asked: each
// of it once. Nobody is told who may not see the record. Run it every few minutes.
func (s *Store) RemindApprovals(ctx context.Context, ahead time.Time) (n int, err error) {
	for {
		some := 0
		err := s.opt.DB.Write(ctx, func(tx *db.Tx) (err error) {
			some, err = s.remindApprovals(tx, ahead)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("approvals that are due: %w", err)
		}
		if n += some; some < remindBatch {
			return n, nil
		}
	}
}

// remindApprovals says what is to be said of some answers.
func (s *Store) remindApprovals(tx *db.Tx, ahead time.Time) (int, error) {
	now := db.Micros(tx.Now())
	list, err := db.List(tx, scanStep, `SELECT `+stepColumns+` FROM record_approval_step AS step
		WHERE state = $1 AND due >= $2 AND due < $3
			AND EXISTS (SELECT 1 FROM record_approval AS a WHERE a.id = step.approval_id AND a.state = $1 AND (a.in_order = 0 OR NOT EXISTS
				(SELECT 1 FROM record_approval_step AS before WHERE before.approval_id = step.approval_id AND before.position < step.position AND before.state <> $4)))
			AND NOT EXISTS (SELECT 1 FROM record_said AS said WHERE said.kind = $5 AND said.record_id = step.id AND said.due = step.due AND said.person = step.person
				AND said.what = CASE WHEN step.due < $6 THEN $7 ELSE $8 END)
		ORDER BY due, id LIMIT $9`,
		Waiting, db.Micros(tx.Now().Add(-longPast)), db.Micros(ahead), Approved, saidOfSteps, now, approvalOverdue, approvalDue, remindBatch)
	if err != nil {
		return 0, err
	}
	for _, step := range list {
		if err := s.remindStep(tx, step); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

func (s *Store) remindStep(tx *db.Tx, step Step) error {
	a, err := scanApproval(tx.QueryRow(`SELECT `+approvalColumns+` FROM record_approval WHERE id = $1`, step.approval))
	if err != nil {
		return err
	}
	action := approvalDue
	if step.Due.Before(tx.Now()) {
		action = approvalOverdue
	}
	_, err = tx.Exec(`INSERT INTO record_said (kind, record_id, due, what, person) VALUES ($1, $2, $3, $4, $5)`, saidOfSteps, step.ID, db.Micros(step.Due), action, step.Person)
	if err != nil {
		return err
	}
	there, err := s.May(tx, System(), a.Of.Kind, a.Of.ID)
	if err != nil || !there {
		return err
	}
	r, err := s.GetTx(tx, System(), a.Of.Kind, a.Of.ID)
	if err != nil || !r.DeletedAt.IsZero() {
		return err
	}
	events := []ApprovalEvent{{action, r, a, step, step.Person}}
	if action == approvalOverdue && a.Author != step.Person {
		events = append(events, ApprovalEvent{approvalLate, r, a, step, a.Author})
	}
	for _, e := range events {
		if _, may, err := s.seen(tx, e.Person, r); err != nil {
			return err
		} else if !may {
			continue
		}
		for _, listener := range s.late {
			if err := listener(tx, e); err != nil {
				return err
			}
		}
	}
	return nil
}
