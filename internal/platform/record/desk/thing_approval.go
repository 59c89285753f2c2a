package desk

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// approvalsView is the approvals of a record.
type approvalsView struct {
	List     []approvalItem
	People   []askedRow
	More     bool // another row can be added
	Note     string
	InOrder  bool
	MayWrite bool // and nothing waits already
	Was      int64
}

// approvalItem is an approval with what the reader may do about it.
type approvalItem struct {
	*record.Approval
	Look  string
	Turn  bool // it waits for the reader
	Mine  bool // they asked
	Now   bool // it is of the record's present version
	Self  string
	Steps []stepItem
}

type stepItem struct {
	record.Step
	Look string
	Word string // of the state, as "record.approval.state." has it
	Late bool
}

// askedRow is a line of the form: whom to ask, until when, and what to look at.
type askedRow struct {
	Place  int // from 1
	Index  int
	Person input
	Due    string
	Note   string
}

// askedRows is how many people a form asks to begin with; it grows as far as an approval goes.
const askedRows = 2

// rowsOf is how many rows the form has that the page was sent with.
func rowsOf(typed url.Values) int {
	n, _ := strconv.Atoi(typed.Get("rows")) // what is no number is none
	if typed.Has("add") {
		n++
	}
	return min(max(n, askedRows), record.MaxApprovers)
}

func (x *desk) approvalsView(r *http.Request, view *detailView) (approvalsView, error) {
	user, p, typed := web.User(r), web.T(r), typedIn(r)
	v := approvalsView{Note: typed.Get("note"), InOrder: typed.Get("order") != "", MayWrite: mayWriteNow(user, view.Record), Was: view.Version}
	list, err := x.opt.Store.Approvals(r.Context(), user, x.kind.Name, view.ID)
	for _, a := range list {
		v.List = append(v.List, x.approvalItem(r, a, view.Record))
		v.MayWrite = v.MayWrite && a.State != record.Waiting
	}
	rows := rowsOf(typed)
	v.More = rows < record.MaxApprovers
	for i := range rows {
		n := strconv.Itoa(i)
		v.People = append(v.People, askedRow{Place: i + 1, Index: i, Person: approverInput(p, i, typed.Get("person"+n)), Due: typed.Get("due" + n), Note: typed.Get("note" + n)})
	}
	return v, err
}

func approverInput(p *i18n.Printer, i int, text string) input {
	in := personInput(p, "person"+strconv.Itoa(i), text, false)
	in.Label = p.T("record.approval.person", i+1)
	return in
}

func approvalLook(state string) string {
	return map[string]string{record.Waiting: "new", record.Approved: "good", record.Refused: "bad"}[state]
}

func (x *desk) approvalItem(r *http.Request, a *record.Approval, rec *record.Record) approvalItem {
	user := web.User(r)
	item := approvalItem{
		Approval: a, Look: approvalLook(a.State), Turn: a.TurnOf(user.ID) >= 0, Mine: a.Author == user.ID && a.State == record.Waiting,
		Now: a.Version == rec.Version, Self: rec.Address() + "/approvals/" + a.ID,
	}
	for i, step := range a.Steps {
		late := step.State == record.Waiting && a.State == record.Waiting && !step.Due.IsZero() && step.Due.Before(time.Now())
		look, word := approvalLook(step.State), step.State
		if step.State == record.Waiting && !a.Turn(i) {
			look, word = "", "later"
			if a.State != record.Waiting {
				word = "unanswered"
			}
		}
		item.Steps = append(item.Steps, stepItem{step, look, word, late})
	}
	return item
}

// askApproval asks people to approve of the record as it is.
func (x *desk) askApproval(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	if r.PostForm.Has("add") {
		view, err := x.view(r, tabApprovals)
		if err != nil {
			return err
		}
		return x.opt.Site.Render(w, r, http.StatusOK, "desk/detail", view)
	}
	was, err := version(r)
	if err != nil {
		return err
	}
	asking := record.Asking{Version: was, InOrder: r.PostFormValue("order") != "", Note: r.PostFormValue("note")}
	for i := range rowsOf(r.PostForm) {
		n := strconv.Itoa(i)
		person, err := x.personID(r, "people", r.PostFormValue("person"+n))
		if err != nil {
			return x.again(w, r, tabApprovals, err)
		}
		due, err := x.dueOf(r, "due", r.PostFormValue("due"+n))
		if err != nil {
			return x.again(w, r, tabApprovals, err)
		}
		if person != "" {
			asking.People = append(asking.People, record.Asked{Person: person, Due: due, Note: r.PostFormValue("note" + n)})
		}
	}
	_, err = x.opt.Store.Ask(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), asking)
	return x.done(w, r, tabApprovals, err)
}

// approvalView is the page on which an approval is answered: with the record's fields, for nobody answers for what they do not see.
type approvalView struct {
	head
	approvalItem
	Address string // where the answer is sent
	Fields  []cell
	Error   string
}

func (x *desk) approval(w http.ResponseWriter, r *http.Request) error {
	return x.showApproval(w, r, http.StatusOK, nil)
}

func (x *desk) showApproval(w http.ResponseWriter, r *http.Request, status int, problem error) error {
	view, err := x.view(r, tabOverview)
	if err != nil {
		return err
	}
	list, err := x.opt.Store.Approvals(r.Context(), web.User(r), x.kind.Name, view.ID)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.ID != r.PathValue("thing") {
			continue
		}
		page := approvalView{head: view.head, approvalItem: x.approvalItem(r, a, view.Record), Fields: view.Fields}
		page.Address = page.approvalItem.Self
		if problem != nil {
			page.Error = problemText(r, problem)
		}
		return x.opt.Site.Render(w, r, status, "desk/approval", page)
	}
	return fault.New(fault.NotFound, "fault.not_found", "there is no approval %q", r.PathValue("thing"))
}

// answer approves, refuses or withdraws.
func (x *desk) answer(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	err := x.opt.Store.Answer(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), r.PostFormValue("answer"), r.PostFormValue("why"))
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) {
		return x.showApproval(w, r, http.StatusUnprocessableEntity, err)
	}
	return x.done(w, r, tabApprovals, err)
}
