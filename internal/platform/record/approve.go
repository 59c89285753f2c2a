package record

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ref"
)

// The states of an approval and of each answer to it.
const (
	Waiting   = "waiting"
	Approved  = "approved"
	Refused   = "refused"
	Withdrawn = "withdrawn"
	Void      = "void" // the record was changed since
)

// MaxApprovers is how many people one approval can ask.
const MaxApprovers = 20

// What is done to approvals, in the history: "approval.ask", and "approval." with the new state.
const (
	approvalAsked  = "approval.ask"
	approvalAnswer = "approval.answer" // of one of several
	approvalWord   = "approval."
)

// Approval is the request that people approve of a record as it is in one version.
type Approval struct {
	ID      string
	Of      ref.Ref
	Version int64 // of the record
	At      time.Time
	Author  string
	Note    string
	InOrder bool // each is asked when those before have approved
	State   string
	Ended   time.Time
	Steps   []Step
}

// Step is one person's part in an approval.
type Step struct {
	ID      string
	Person  string
	Due     time.Time
	Note    string
	State   string // Waiting, Approved or Refused
	Decided time.Time
	Answer  string // why

	approval string
}

// Turn reports whether the approval waits for the step's person now.
func (a *Approval) Turn(step int) bool {
	if a.State != Waiting || a.Steps[step].State != Waiting {
		return false
	}
	return !a.InOrder || !slices.ContainsFunc(a.Steps[:step], func(before Step) bool { return before.State != Approved })
}

// TurnOf returns the place of the step that waits for a person now, -1 for none.
func (a *Approval) TurnOf(person string) int {
	for i, step := range a.Steps {
		if step.Person == person && a.Turn(i) {
			return i
		}
	}
	return -1
}

// Asking is a request for approval.
type Asking struct {
	Version int64 // of the record as it was seen
	People  []Asked
	InOrder bool
	Note    string
}

// Asked is somebody who is asked.
type Asked struct {
	Person string
	Due    time.Time
	Note   string
}

// Ask asks people to approve of a record in its present version. Who is asked must be able to see it; who asks is not among them, unless the
// kind lets people approve alone. Errors: Wrong; a *Conflict where the record was changed; fault.Conflict where it waits for approval already.
func (s *Store) Ask(ctx context.Context, by *auth.User, kind, id string, x Asking) (a *Approval, err error) {
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		a, err = s.AskTx(tx, by, kind, id, x)
		return err
	})
	return a, err
}

// AskTx is Ask within a transaction.
func (s *Store) AskTx(tx *db.Tx, by *auth.User, kind, id string, x Asking) (*Approval, error) {
	_, r, err := s.forWriting(tx, by, kind, id)
	if err != nil {
		return nil, err
	}
	if x.Version != 0 && x.Version != r.Version {
		return nil, s.conflict(tx, r, x.Version, nil)
	}
	if err := s.mayAsk(tx, by, r, &x); err != nil {
		return nil, err
	}
	a := &Approval{ID: db.NewID(), Of: r.Kind.Ref(id), Version: r.Version, At: tx.Now(), Author: by.ID, Note: x.Note, InOrder: x.InOrder, State: Waiting}
	order := 0
	if x.InOrder {
		order = 1
	}
	err = s.put(tx, "record_approval", a.ID, "create", `INSERT INTO record_approval (`+approvalColumns+`, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 1)`,
		a.ID, kind, id, a.Version, db.Micros(a.At), a.Author, a.Note, order, a.State)
	if err != nil {
		return nil, err
	}
	for i, one := range x.People {
		step := Step{ID: db.NewID(), Person: one.Person, Due: one.Due, Note: one.Note, State: Waiting, approval: a.ID}
		err := s.put(tx, "record_approval_step", step.ID, "create", `INSERT INTO record_approval_step (`+stepColumns+`, position, version)
			VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7, 1)`, step.ID, a.ID, step.Person, db.Micros(step.Due), step.Note, step.State, i)
		if err != nil {
			return nil, err
		}
		a.Steps = append(a.Steps, step)
	}
	return a, s.happened(tx, r, approvalAsked, x.Note, nil, a.asked()...)
}

// mayAsk checks a request and makes it fit to be kept.
func (s *Store) mayAsk(tx *db.Tx, by *auth.User, r *Record, x *Asking) (err error) {
	if x.Note, err = textOf("note", x.Note, MaxNote, false); err != nil {
		return err
	}
	if len(x.People) == 0 || len(x.People) > MaxApprovers {
		return Wrong{"people": invalid("record.fault.approvers", []any{MaxApprovers}, "from one to %d people are asked", MaxApprovers)}
	}
	seen := make(map[string]bool)
	for i := range x.People {
		one := &x.People[i]
		if one.Note, err = textOf("note", one.Note, MaxNote, false); err != nil {
			return err
		}
		if one.Person == by.ID && !r.Kind.Alone {
			return Wrong{"people": invalid("record.fault.approve_own", nil, "who asks does not approve")}
		}
		_, may, err := s.seen(tx, one.Person, r)
		if err != nil {
			return err
		}
		if (!may && one.Person != by.ID) || seen[one.Person] {
			return Wrong{"people": cannotSee()}
		}
		seen[one.Person] = true
	}
	var n int
	err = tx.QueryRow(`SELECT COUNT(*) FROM record_approval WHERE kind = $1 AND record_id = $2 AND state = $3`, r.Kind.Name, r.ID, Waiting).Scan(&n)
	if err == nil && n > 0 {
		err = fault.New(fault.Conflict, "record.fault.approval_waits", "the record waits for approval already")
	}
	return err
}

// asked are the people whose turn it is.
func (a *Approval) asked() (people []string) {
	for i, step := range a.Steps {
		if a.Turn(i) {
			people = append(people, step.Person)
		}
	}
	return people
}

const (
	approvalColumns = `id, kind, record_id, of, at, author, note, in_order, state, ended_at`
	stepColumns     = `id, approval_id, person, due, note, state, decided_at, answer`
	maxApprovals    = 100 // of a record, that are read at once: the latest
)

func scanApproval(row db.Scanner) (*Approval, error) {
	a := new(Approval)
	var at, order, ended int64
	err := row.Scan(&a.ID, &a.Of.Kind, &a.Of.ID, &a.Version, &at, &a.Author, &a.Note, &order, &a.State, &ended)
	a.At, a.InOrder, a.Ended = db.Time(at), order != 0, db.Time(ended)
	return a, err
}

func scanStep(row db.Scanner) (x Step, err error) {
	var due, decided int64
	err = row.Scan(&x.ID, &x.approval, &x.Person, &due, &x.Note, &x.State, &decided, &x.Answer)
	x.Due, x.Decided = db.Time(due), db.Time(decided)
	return x, err
}

// withSteps reads the steps of approvals.
func withSteps(tx *db.Tx, list []*Approval) error {
	byID, ids := make(map[string]*Approval, len(list)), make([]string, 0, len(list))
	for _, a := range list {
		byID[a.ID], ids = a, append(ids, a.ID)
	}
	w := new(db.Where)
	db.In(w, "approval_id", ids)
	steps, err := db.List(tx, scanStep, `SELECT `+stepColumns+` FROM record_approval_step`+w.String()+` ORDER BY approval_id, position`, w.Args()...)
	for _, x := range steps {
		byID[x.approval].Steps = append(byID[x.approval].Steps, x)
	}
	return err
}

// Approvals returns the approvals of a record that may be shown to somebody, the latest first.
func (s *Store) Approvals(ctx context.Context, by *auth.User, kind, id string) (list []*Approval, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.GetTx(tx, by, kind, id); err != nil {
			return err
		}
		list, err = db.List(tx, scanApproval, `SELECT `+approvalColumns+` FROM record_approval WHERE kind = $1 AND record_id = $2 ORDER BY id DESC LIMIT $3`, kind, id, maxApprovals)
		if err != nil {
			return err
		}
		return withSteps(tx, list)
	})
	return list, err
}

// Answer answers an approval: who is asked approves, or refuses with a reason; who asked withdraws. Both must be able to see the record at that
// moment, and who asked still be allowed to change it. When one refuses, it is refused; when all approve, it is approved. Errors:
// fault.NotFound, fault.Forbidden, fault.Conflict where it waits no longer or not yet for them, Wrong.
func (s *Store) Answer(ctx context.Context, by *auth.User, kind, id, approval, answer, why string) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := s.GetTx(tx, by, kind, id)
		if err != nil {
			return err
		}
		a, err := scanApproval(tx.QueryRow(`SELECT `+approvalColumns+` FROM record_approval WHERE id = $1 AND kind = $2 AND record_id = $3`, approval, kind, id))
		if fault.Is(err, fault.NotFound) {
			return noneOf("approval", approval)
		}
		if err == nil {
			err = withSteps(tx, []*Approval{a})
		}
		if err != nil {
			return err
		}
		if why, err = textOf("why", why, MaxNote, answer == Refused); err != nil {
			return err
		}
		if err := s.mayAnswer(tx, by, r, a, answer); err != nil {
			return err
		}
		return s.answer(tx, by, r, a, answer, why)
	})
}

// mayAnswer holds the rules of four eyes.
func (s *Store) mayAnswer(tx *db.Tx, by *auth.User, r *Record, a *Approval, answer string) error {
	switch {
	case answer != Approved && answer != Refused && answer != Withdrawn:
		return fault.New(fault.Invalid, "", "an approval cannot become %q", answer)
	case a.State != Waiting || a.Version != r.Version || !r.DeletedAt.IsZero():
		return fault.New(fault.Conflict, "fault.approval.over", "the approval no longer waits")
	case answer == Withdrawn && a.Author != by.ID:
		return fault.New(fault.Forbidden, "record.fault.withdraw", "only who asked withdraws")
	case answer == Withdrawn:
		return nil
	case a.Author == by.ID && !r.Kind.Alone:
		return fault.New(fault.Forbidden, "record.fault.approve_own", "who asks does not approve")
	case !by.Session:
		return fault.New(fault.Forbidden, "fault.not_fresh", "approving takes a person")
	case a.TurnOf(by.ID) < 0:
		return fault.New(fault.Forbidden, "record.fault.not_asked", "it does not wait for %s", by.ID)
	case answer == Refused || a.Author == by.ID:
		return nil
	}
	asker, may, err := s.seen(tx, a.Author, r)
	if err == nil && (!may || !asker.May(r.Kind.MayWrite())) {
		err = fault.New(fault.Conflict, "fault.approval.asker", "who asked may no longer do this")
	}
	return err
}

// answer writes an answer that may be given.
func (s *Store) answer(tx *db.Tx, by *auth.User, r *Record, a *Approval, answer, why string) error {
	if answer == Withdrawn {
		return s.endApproval(tx, r, a, Withdrawn, why)
	}
	step := &a.Steps[a.TurnOf(by.ID)]
	before := a.asked()
	step.State, step.Decided, step.Answer = answer, tx.Now(), why
	err := s.put(tx, "record_approval_step", step.ID, answer, `UPDATE record_approval_step SET state = $1, decided_at = $2, answer = $3, version = version + 1 WHERE id = $4`,
		answer, db.Micros(step.Decided), why, step.ID)
	if err != nil {
		return err
	}
	if answer == Refused || !slices.ContainsFunc(a.Steps, func(x Step) bool { return x.State != Approved }) {
		return s.endApproval(tx, r, a, answer, why)
	}
	fresh := slices.DeleteFunc(a.asked(), func(person string) bool { return slices.Contains(before, person) })
	return s.happened(tx, r, approvalAnswer, why, nil, fresh...)
}

// endApproval ends an approval and tells who asked.
func (s *Store) endApproval(tx *db.Tx, r *Record, a *Approval, state, why string) error {
	tell := []string{a.Author}
	if state == Withdrawn || state == Void {
		tell = a.asked()
	}
	if state == Void {
		tell = append(tell, a.Author)
	}
	a.State, a.Ended = state, tx.Now()
	err := s.put(tx, "record_approval", a.ID, state, `UPDATE record_approval SET state = $1, ended_at = $2, version = version + 1 WHERE id = $3`, state, db.Micros(a.Ended), a.ID)
	if err != nil {
		return fmt.Errorf("ending an approval: %w", err)
	}
	return s.happened(tx, r, approvalWord+state, why, nil, tell...)
}

// void ends the approvals that wait of a record that was changed: nobody approves of what they have not seen.
func (s *Store) void(tx *db.Tx, r *Record) error {
	list, err := db.List(tx, scanApproval, `SELECT `+approvalColumns+` FROM record_approval WHERE kind = $1 AND record_id = $2 AND state = $3 ORDER BY id`,
		r.Kind.Name, r.ID, Waiting)
	if err != nil || len(list) == 0 {
		return err
	}
	if err := withSteps(tx, list); err != nil {
		return err
	}
	for _, a := range list {
		if err := s.endApproval(tx, r, a, Void, ""); err != nil {
			return err
		}
	}
	return nil
}

// approved reports whether a record is approved as it is.
func (s *Store) approved(tx *db.Tx, r *Record) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM record_approval WHERE kind = $1 AND record_id = $2 AND state = $3 AND of = $4`, r.Kind.Name, r.ID, Approved, r.Version).Scan(&n)
	return n > 0, err
}

// Pending is an approval that waits for somebody, with its record.
type Pending struct {
	*Approval
	Step   Step
	Record *Record
}

// maxPending bounds what waits for one person.
const maxPending = 200

// WaitingFor returns the approvals that wait for somebody now, of records that they may see: by their due time, those without last.
func (s *Store) WaitingFor(ctx context.Context, by *auth.User) (list []Pending, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := db.List(tx, scanApproval, `SELECT `+approvalColumns+` FROM record_approval WHERE state = $1 AND id IN
			(SELECT approval_id FROM record_approval_step WHERE person = $2 AND state = $1) ORDER BY id LIMIT $3`, Waiting, by.ID, maxPending)
		if err != nil || len(all) == 0 {
			return err
		}
		if err := withSteps(tx, all); err != nil {
			return err
		}
		var refs []ref.Ref
		for _, a := range all {
			refs = append(refs, a.Of)
		}
		found, err := s.findRefs(tx, by, refs)
		if err != nil {
			return err
		}
		for _, a := range all {
			if r, at := found[a.Of], a.TurnOf(by.ID); r != nil && at >= 0 && r.DeletedAt.IsZero() {
				list = append(list, Pending{a, a.Steps[at], r})
			}
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b Pending) int { return dueOrder(a.Step.Due, b.Step.Due) })
	return list, err
}

// dueOrder sorts by due time, those without last.
func dueOrder(a, b time.Time) int {
	switch {
	case a.Equal(b):
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}
