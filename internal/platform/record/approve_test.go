package record_test

import (
	"testing"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func (x *desk) ask(by *auth.User, r *record.Record, inOrder bool, people ...string) (*record.Approval, error) {
	asking := record.Asking{InOrder: inOrder, Note: "確認をお願いします"}
	for _, person := range people {
		asking.People = append(asking.People, record.Asked{Person: person})
	}
	return x.Ask(x.as(by), by, r.Kind.Name, r.ID, asking)
}

func (x *desk) answer(by *auth.User, a *record.Approval, answer, why string) error {
	return x.Answer(x.as(by), by, a.Of.Kind, a.Of.ID, a.ID, answer, why)
}

// state is what became of a record's latest approval.
func (x *desk) state(r *record.Record) string {
	x.t.Helper()
	list, err := x.Approvals(x.t.Context(), reader, r.Kind.Name, r.ID)
	if err != nil || len(list) == 0 {
		x.t.Fatal(len(list), err)
	}
	return list[0].State
}

// waiting is how many approvals wait for somebody.
func (x *desk) waiting(by *auth.User) int {
	x.t.Helper()
	list, err := x.WaitingFor(x.t.Context(), by)
	if err != nil {
		x.t.Fatal(err)
	}
	return len(list)
}

func TestTwoPeopleApproveInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		for what, people := range map[string][]string{"nobody": nil, "who asks": {"aoki"}, "a stranger": {"stranger"}, "who may not see it": {"nobody"}, "somebody twice": {"baba", "baba"}} {
			_, err := x.ask(writer, r, false, people...)
			x.want("asking "+what, err, fault.Invalid)
		}
		x.want("a reader asks", second1(x.ask(reader, r, false, "baba")), fault.Forbidden)
		a, err := x.ask(writer, r, true, "baba", "chiba")
		if err != nil || x.last() != "approval.ask baba" {
			t.Fatal(err, x.last())
		}
		x.want("asking twice", second1(x.ask(writer, r, false, "baba")), fault.Conflict)
		if x.waiting(second) != 1 || x.waiting(reader) != 0 {
			t.Errorf("it waits for baba %d, for chiba %d", x.waiting(second), x.waiting(reader))
		}
		x.want("chiba comes first", x.answer(reader, a, record.Approved, ""), fault.Forbidden)
		x.want("who asked approves", x.answer(writer, a, record.Approved, ""), fault.Forbidden)
		x.want("refusing without a reason", x.answer(second, a, record.Refused, ""), fault.Invalid)
		robot := *second
		robot.Session = false
		x.want("a token approves", x.answer(&robot, a, record.Approved, ""), fault.Forbidden)
		x.want("baba approves", x.answer(second, a, record.Approved, ""), "")
		if x.last() != "approval.answer chiba" || x.state(r) != record.Waiting {
			t.Errorf("told %s, %s", x.last(), x.state(r))
		}
		x.want("baba approves twice", x.answer(second, a, record.Approved, ""), fault.Forbidden)
		x.want("another withdraws", x.answer(second, a, record.Withdrawn, ""), fault.Forbidden)
		x.want("chiba approves", x.answer(reader, a, record.Approved, "可"), "")
		if x.last() != "approval.approved aoki" || x.state(r) != record.Approved || x.waiting(reader) != 0 {
			t.Errorf("told %s, %s", x.last(), x.state(r))
		}
	})
}

func TestARefusalAndAWithdrawal(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.loan("L-1")
	a, err := x.ask(writer, r, false, "baba", "chiba")
	if err != nil {
		t.Fatal(err)
	}
	if x.last() != "approval.ask baba,chiba" {
		t.Errorf("told %s", x.last())
	}
	x.want("chiba refuses", x.answer(reader, a, record.Refused, "金額が違う"), "")
	if x.state(r) != record.Refused || x.waiting(second) != 0 {
		t.Errorf("one refusal leaves it %s", x.state(r))
	}
	x.want("baba approves afterwards", x.answer(second, a, record.Approved, ""), fault.Conflict)
	b, err := x.ask(writer, r, false, "baba")
	if err != nil {
		t.Fatal(err)
	}
	x.want("withdrawing", x.answer(writer, b, record.Withdrawn, ""), "")
	if x.state(r) != record.Withdrawn {
		t.Errorf("it is %s", x.state(r))
	}
}

func TestAnEditMakesAnApprovalVoid(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		a, err := x.ask(writer, r, false, "baba", "chiba")
		if err != nil {
			t.Fatal(err)
		}
		x.want("baba approves", x.answer(second, a, record.Approved, ""), "")
		x.edit(r)
		if x.state(r) != record.Void || x.last() != "approval.void chiba,aoki" || !has(x.history(reader, r), "approval.void") {
			t.Errorf("it is %s, told %s", x.state(r), x.last())
		}
		x.want("chiba approves what is no more", x.answer(reader, a, record.Approved, ""), fault.Conflict)
		_, err = x.Ask(x.as(writer), writer, "loan", r.ID, record.Asking{Version: 1, People: []record.Asked{{Person: "baba"}}})
		if _, ok := record.AsConflict(err); !ok {
			t.Errorf("asking about what one has not seen: %v", err)
		}
	})
}

func TestWhoAskedMustStillBeAllowedTo(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.loan("L-1")
	for _, asker := range []string{"chiba", "nobody", "stranger"} {
		once := recordtest.Somebody(asker, writerOf...) // at that time
		a, err := x.ask(once, r, false, "baba")
		if err != nil {
			t.Fatal(err)
		}
		x.want("approving for "+asker, x.answer(second, a, record.Approved, ""), fault.Conflict)
		x.want("refusing it", x.answer(second, a, record.Refused, "x"), "")
	}
}

func TestApprovalsOfHiddenRecordsAreNotThere(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	hidden, mine := x.secret("買収", "aoki"), x.loan("L-1")
	_, err := x.ask(writer, hidden, false, "baba")
	x.want("asking who may not see it", err, fault.Invalid)
	a, err := x.ask(writer, mine, false, "baba")
	if err != nil {
		t.Fatal(err)
	}
	other := *a
	other.Of.ID = x.loan("L-2").ID
	x.want("through another record", x.answer(second, &other, record.Approved, ""), fault.NotFound)
	if err := x.Delete(x.as(writer), writer, "loan", mine.ID, 0, "x"); err != nil {
		t.Fatal(err)
	}
	if x.waiting(second) != 0 {
		t.Error("it waits for what is deleted")
	}
	x.want("listing", second1(x.Approvals(t.Context(), second, "secret", hidden.ID)), fault.NotFound)
	x.want("asking", second1(x.ask(second, hidden, false, "chiba")), fault.NotFound)
}

func TestAMoveThatTakesAnApproval(t *testing.T) {
	t.Parallel()
	kind := loan()
	kind.Alone = true
	kind.Moves[0].Approved = true
	x := &desk{Store: recordtest.Open(t, dbtest.New(t), loanTable, kind), t: t}
	r := x.make("loan", record.Values{"title": "x", "number": "1", "owner": "baba"})
	move := func(values record.Values) error {
		_, err := x.Move(x.as(second), second, "loan", r.ID, record.Moving{Move: "hand_out", Values: values})
		return err
	}
	approve := func() {
		t.Helper()
		a, err := x.ask(writer, r, false, "aoki")
		if err != nil {
			t.Fatal(err)
		}
		x.want("approving alone, where the kind allows it", x.answer(writer, a, record.Approved, ""), "")
	}
	x.want("without an approval", move(nil), fault.Conflict)
	approve()
	x.want("with another value than was approved", move(record.Values{"owner": "chiba"}), fault.Conflict)
	x.edit(r)
	x.want("of another version", move(nil), fault.Conflict)
	approve()
	x.want("as approved", move(nil), "")
}
