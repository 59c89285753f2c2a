package room

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

// maxPage is how many jobs a page of the API has at most.
const maxPage = 200

// apiRoutes are what the pages can do, for programs.
func (x *Room) apiRoutes() []web.Route {
	doc := func(summary string, answer any) *openapi.Operation {
		return &openapi.Operation{Summary: summary, Tag: "jobs", Answer: answer}
	}
	decision := func(summary string) *openapi.Operation {
		op := doc(summary, jobJSON{})
		op.Headers = []openapi.Parameter{openapi.IdempotencyKey()}
		return op
	}
	list := doc("List the jobs of a state", openapi.Page(openapi.Of(jobJSON{})))
	list.Query = []openapi.Parameter{
		{Name: "state", Description: "Left out is waiting.", Schema: openapi.Of(jobs.Waiting)},
		{Name: "name", Description: "The name of a kind of job."}, openapi.Cursor(), openapi.Limit(maxPage),
	}
	run := &openapi.Operation{Summary: "Run a schedule now", Tag: "jobs", Headers: []openapi.Parameter{openapi.IdempotencyKey()}}
	return []web.Route{
		{Pattern: "GET /api/v1/jobs", Permission: MayRead, Handle: x.apiList, Doc: list},
		{Pattern: "GET /api/v1/jobs/schedules", Permission: MayRead, Handle: x.apiSchedules, Doc: doc("List the schedules", openapi.Page(openapi.Of(scheduleJSON{})))},
		{Pattern: "POST /api/v1/jobs/schedules/{name}/run", Permission: MayWrite, Handle: x.apiRun, Doc: run},
		{Pattern: "GET /api/v1/jobs/{id}", Permission: MayRead, Handle: x.apiGet, Doc: doc("Read one; its payload only for who may decide about jobs", jobJSON{})},
		{Pattern: "POST /api/v1/jobs/{id}/retry", Permission: MayWrite, Handle: x.apiDecide(x.queue.Retry), Doc: decision("Try a failed or cancelled one again")},
		{Pattern: "POST /api/v1/jobs/{id}/cancel", Permission: MayWrite, Handle: x.apiDecide(x.queue.Cancel), Doc: decision("Cancel one that waits or runs")},
	}
}

// jobJSON is a job as programs see it.
type jobJSON struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	State    jobs.State `json:"state"`
	Priority int        `json:"priority"`
	Key      string     `json:"key,omitempty"`
	Added    time.Time  `json:"added"`
	AddedBy  string     `json:"added_by,omitempty"`
	Due      time.Time  `json:"due"`
	Attempts int        `json:"attempts"`
	Node     string     `json:"node,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Error    string     `json:"error,omitempty"`
	Payload  string     `json:"payload,omitempty"`
}

func toJSON(j jobs.Job) jobJSON {
	return jobJSON{
		ID: j.ID, Name: j.Name, State: j.State, Priority: int(j.Priority), Key: j.Key, Added: j.Added, AddedBy: j.AddedBy, Due: j.Due,
		Attempts: j.Attempts, Node: j.Node, Started: moment(j.Started), Ended: moment(j.Ended), Error: j.Error, Payload: j.Payload,
	}
}

// moment leaves out what was never.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	filter := jobs.Filter{State: jobs.State(query.Get("state")), Name: query.Get("name"), Cursor: query.Get("cursor"), Limit: pageSize}
	if filter.State == "" {
		filter.State = jobs.Waiting
	}
	if !slices.Contains(jobs.States(), filter.State) {
		return fault.New(fault.Invalid, "", "there is no state %q", filter.State)
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return fault.New(fault.Invalid, "", "limit %q is no number from 1 to %d", text, maxPage)
		}
		filter.Limit = n
	}
	page, err := x.queue.List(r.Context(), filter)
	if err != nil {
		return err
	}
	answer := struct {
		Items []jobJSON `json:"items"`
		Next  string    `json:"next,omitempty"`
	}{[]jobJSON{}, page.Next}
	for _, job := range page.Items {
		answer.Items = append(answer.Items, toJSON(job))
	}
	return web.JSON(w, http.StatusOK, answer)
}

func (x *Room) apiGet(w http.ResponseWriter, r *http.Request) error {
	job, err := x.queue.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !web.User(r).May(string(MayWrite)) {
		job.Payload = ""
	}
	return web.JSON(w, http.StatusOK, toJSON(job))
}

// apiDecide carries a decision out and answers with the job as it is then.
func (x *Room) apiDecide(decision func(ctx context.Context, id string) error) web.Handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := decision(r.Context(), r.PathValue("id")); err != nil {
			return err
		}
		return x.apiGet(w, r)
	}
}

// scheduleJSON is a schedule as programs see it.
type scheduleJSON struct {
	Name    string     `json:"name"`
	Job     string     `json:"job"`
	Rule    string     `json:"rule"`
	Next    *time.Time `json:"next,omitempty"`
	Last    *time.Time `json:"last,omitempty"`
	LastJob string     `json:"last_job,omitempty"`
	State   jobs.State `json:"state,omitempty"`
	Error   string     `json:"error,omitempty"`
}

func (x *Room) apiSchedules(w http.ResponseWriter, r *http.Request) error {
	list, err := x.queue.Schedules(r.Context())
	if err != nil {
		return err
	}
	items := []scheduleJSON{}
	for _, s := range list {
		items = append(items, scheduleJSON{s.Name, s.Job, s.Rule, moment(s.Next), moment(s.Last), s.LastJob, s.State, s.Error})
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": items})
}

func (x *Room) apiRun(w http.ResponseWriter, r *http.Request) error {
	if err := x.queue.RunNow(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
