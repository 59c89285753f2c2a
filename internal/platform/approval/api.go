package approval

import (
	"net/http"
	"strconv"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

const apiPath = "/api/v1/approvals"

// maxPage is how many requests a page of the API has at most.
const maxPage = 200

// apiRoutes are the requests, for programs. Deciding takes a fresh proof of who asks, as on the page; withdrawing one's own does not.
func (x *Room) apiRoutes() []web.Route {
	one := openapi.Of(requestJSON{})
	doc := func(summary string, body, answer any) *openapi.Operation {
		return &openapi.Operation{Summary: summary, Tag: "approvals", Body: body, Answer: answer}
	}
	list := doc("List the requests that concern you, the newest first: your own, those that you could decide, and, with approval.read, all", nil, openapi.Page(one))
	list.Query = []openapi.Parameter{{Name: "waiting", Description: "true: only those that wait.", Schema: openapi.Boolean()}, openapi.Cursor(), openapi.Limit(maxPage)}
	decide := doc("Approve or refuse", openapi.Of(decision{}).Replacing("answer", openapi.Enum(string(Approved), string(Refused))), one)
	decide.Headers = []openapi.Parameter{openapi.IdempotencyKey()}
	return []web.Route{
		{Pattern: "GET " + apiPath, Permission: web.SignedIn, Handle: x.apiList, Doc: list},
		{Pattern: "GET " + apiPath + "/{id}", Permission: web.SignedIn, Handle: x.apiGet, Doc: doc("Read one", nil, one)},
		{Pattern: "POST " + apiPath + "/{id}", Permission: web.SignedIn, Fresh: true, Handle: x.apiDecide, Doc: decide},
		{Pattern: "DELETE " + apiPath + "/{id}", Permission: web.SignedIn, Handle: x.apiWithdraw, Doc: doc("Withdraw what you asked", withdrawal{}, one)},
	}
}

// requestJSON is a request as programs see it. What exactly it asks for, its page shows.
type requestJSON struct {
	ID        string     `json:"id"`
	Action    string     `json:"action"`
	Subject   string     `json:"subject"`
	Path      string     `json:"path,omitempty"` // the page of what it is about
	Reason    string     `json:"reason"`
	State     State      `json:"state"`
	AskedBy   string     `json:"asked_by"`
	Asked     time.Time  `json:"asked"`
	Expires   time.Time  `json:"expires"`
	DecidedBy string     `json:"decided_by,omitempty"`
	Decided   *time.Time `json:"decided,omitempty"`
	Note      string     `json:"note,omitempty"`
}

type (
	decision struct {
		Answer State  `json:"answer"`
		Note   string `json:"note,omitempty"`
	}
	withdrawal struct {
		Note string `json:"note,omitempty"`
	}
)

func toJSON(q Request) requestJSON {
	out := requestJSON{q.ID, q.Action, q.Subject, q.Link, q.Reason, q.State, q.AskedBy, q.Asked, q.Expires, q.DecidedBy, nil, q.Note}
	if !q.Decided.IsZero() {
		out.Decided = &q.Decided
	}
	return out
}

func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	filter := Filter{Waiting: query.Get("waiting") == "true", Cursor: query.Get("cursor"), Limit: pageSize}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return fault.New(fault.Invalid, "", "limit %q is no number from 1 to %d", text, maxPage)
		}
		filter.Limit = n
	}
	page, err := x.approvals.List(r.Context(), web.User(r), filter)
	if err != nil {
		return err
	}
	answer := struct {
		Items []requestJSON `json:"items"`
		Next  string        `json:"next,omitempty"`
	}{[]requestJSON{}, page.Next}
	for _, q := range page.Items {
		answer.Items = append(answer.Items, toJSON(q))
	}
	return web.JSON(w, http.StatusOK, answer)
}

func (x *Room) apiGet(w http.ResponseWriter, r *http.Request) error {
	q, err := x.approvals.Get(r.Context(), web.User(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, toJSON(q))
}

func (x *Room) apiDecide(w http.ResponseWriter, r *http.Request) error {
	var asked decision
	if err := web.ReadJSON(w, r, &asked, 16<<10); err != nil {
		return err
	}
	if asked.Answer != Approved && asked.Answer != Refused {
		return fault.New(fault.Invalid, "", "a request cannot become %q by this", asked.Answer)
	}
	return x.apiAnswer(w, r, asked.Answer, asked.Note)
}

func (x *Room) apiWithdraw(w http.ResponseWriter, r *http.Request) error {
	var asked withdrawal
	if err := web.ReadJSON(w, r, &asked, 16<<10); err != nil {
		return err
	}
	return x.apiAnswer(w, r, Withdrawn, asked.Note)
}

func (x *Room) apiAnswer(w http.ResponseWriter, r *http.Request, to State, note string) error {
	if err := x.approvals.Decide(r.Context(), web.User(r), r.PathValue("id"), to, note); err != nil {
		return err
	}
	return x.apiGet(w, r)
}
