package desk

import (
	"net/http"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiApprovals are the approvals of a record, for programs. Deciding is a person's who has just proved who they are, as on the page; a program
// asks, looks how it stands, and withdraws what it asked.
func (x *desk) apiApprovals() []web.Route {
	self := x.apiPath() + "/{id}/approvals"
	read, write := x.mayRead(), x.mayWrite()
	one := openapi.Of(approvalJSON{})
	ask := changing(x.doc("Ask people to approve of one as it is", openapi.Of(asking{}), one))
	ask.Status = http.StatusCreated
	decide := repeatable(x.doc("Approve or refuse", openapi.Of(answering{}).Replacing("answer", openapi.Enum(record.Approved, record.Refused)), one))
	return []web.Route{
		{Pattern: "GET " + self, Permission: read, Handle: x.apiApprovalsOf, Doc: x.doc("The approvals of one, the latest first; all at once", nil, openapi.Page(one))},
		{Pattern: "POST " + self, Permission: write, Handle: x.apiAsk, Doc: ask},
		{Pattern: "POST " + self + "/{thing}", Permission: read, Fresh: true, Handle: x.apiDecide, Doc: decide},
		{Pattern: "DELETE " + self + "/{thing}", Permission: read, Handle: x.apiWithdraw, Doc: x.doc("Withdraw what you asked", openapi.Of(withdrawing{}), one)},
	}
}

// approvalJSON is an approval as programs see it.
type approvalJSON struct {
	ID      string     `json:"id"`
	Version int64      `json:"version"` // of the record that it is about
	At      time.Time  `json:"at"`
	Author  string     `json:"author"`
	Note    string     `json:"note"`
	InOrder bool       `json:"in_order"`
	State   string     `json:"state"`
	Ended   *time.Time `json:"ended,omitempty"`
	Steps   []stepJSON `json:"steps"`
}

// stepJSON is one person's part.
type stepJSON struct {
	Person  string     `json:"person"`
	Due     *time.Time `json:"due"`
	Note    string     `json:"note"`
	State   string     `json:"state"`
	Turn    bool       `json:"turn"` // it waits for them now
	Decided *time.Time `json:"decided,omitempty"`
	Answer  string     `json:"answer,omitempty"` // why
}

func approvalOf(a *record.Approval) approvalJSON {
	out := approvalJSON{a.ID, a.Version, a.At, a.Author, a.Note, a.InOrder, a.State, moment(a.Ended), []stepJSON{}}
	for i, s := range a.Steps {
		out.Steps = append(out.Steps, stepJSON{s.Person, moment(s.Due), s.Note, s.State, a.Turn(i), moment(s.Decided), s.Answer})
	}
	return out
}

func (x *desk) apiApprovalsOf(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Approvals(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	items := make([]approvalJSON, 0, len(list))
	for _, a := range list {
		items = append(items, approvalOf(a))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, ""))
}

// The bodies of asking and of answering.
type (
	asking struct {
		People  []askedPerson `json:"people"`
		InOrder bool          `json:"in_order,omitempty"` // each is asked when those before have approved
		Note    string        `json:"note,omitempty"`
	}
	askedPerson struct {
		Person string `json:"person"` // an id or a mail address
		Due    string `json:"due,omitempty"`
		Note   string `json:"note,omitempty"`
	}
	answering struct {
		Answer string `json:"answer"`
		Why    string `json:"why,omitempty"`
	}
	withdrawing struct {
		Why string `json:"why,omitempty"`
	}
)

func (x *desk) apiAsk(w http.ResponseWriter, r *http.Request) error {
	var body asking
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	version, err := matched(r)
	if err != nil {
		return err
	}
	with := record.Asking{Version: version, InOrder: body.InOrder, Note: body.Note}
	for _, one := range body.People {
		asked := record.Asked{Note: one.Note}
		if asked.Person, err = x.personID(r, "people", one.Person); err != nil {
			return err
		}
		if asked.Due, err = x.dueOf(r, "due", one.Due); err != nil {
			return err
		}
		with.People = append(with.People, asked)
	}
	a, err := x.opt.Store.Ask(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), with)
	if err != nil {
		return outdated(w, err)
	}
	return web.JSON(w, http.StatusCreated, approvalOf(a))
}

func (x *desk) apiDecide(w http.ResponseWriter, r *http.Request) error {
	var body answering
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.Answer == record.Withdrawn {
		return fault.New(fault.Invalid, "", "what was asked is withdrawn by DELETE")
	}
	return x.apiAnswer(w, r, body.Answer, body.Why)
}

func (x *desk) apiWithdraw(w http.ResponseWriter, r *http.Request) error {
	var body withdrawing
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	return x.apiAnswer(w, r, record.Withdrawn, body.Why)
}

func (x *desk) apiAnswer(w http.ResponseWriter, r *http.Request, answer, why string) error {
	user, id, thing := web.User(r), r.PathValue("id"), r.PathValue("thing")
	if err := x.opt.Store.Answer(r.Context(), user, x.kind.Name, id, thing, answer, why); err != nil {
		return err
	}
	list, err := x.opt.Store.Approvals(r.Context(), user, x.kind.Name, id)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.ID == thing {
			return web.JSON(w, http.StatusOK, approvalOf(a))
		}
	}
	return fault.New(fault.NotFound, "fault.not_found", "there is no approval %q among the latest", thing)
}

// pendingJSON is an approval that waits for who asks.
type pendingJSON struct {
	Record string     `json:"record"` // its reference
	Title  string     `json:"title"`
	Due    *time.Time `json:"due"`
	approvalJSON
}

func (d *Desk) apiPending(w http.ResponseWriter, r *http.Request) error {
	list, err := d.opt.Store.WaitingFor(r.Context(), web.User(r))
	if err != nil {
		return err
	}
	items := make([]pendingJSON, 0, len(list))
	for _, one := range list {
		items = append(items, pendingJSON{one.Of.String(), d.titleOf(web.T(r), one.Record), moment(one.Step.Due), approvalOf(one.Approval)})
	}
	return web.JSON(w, http.StatusOK, pageOf(items, ""))
}
