// Package room is the administrators' page of jobs: what waits, runs, failed and why, what was done lately, and the schedules. It
// stands beside the jobs and not in them because pages know people.
//
// What it promises: an error is shown to who may read jobs; a payload only to who may also decide about them.
package room

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/web"
)

//go:embed all:templates
var templates embed.FS

// The permissions of the page.
const (
	MayRead  web.Permission = "job.read"
	MayWrite web.Permission = "job.write"
)

const pageSize = 50

// Room is the page.
type Room struct {
	site  *web.Site
	queue *jobs.Queue
}

// New makes the page.
func New(site *web.Site, queue *jobs.Queue) *Room { return &Room{site, queue} }

// Module is what the app mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name:        "job",
		Templates:   templates,
		Permissions: []web.Permission{MayRead, MayWrite},
		Nav:         []web.NavItem{{House: "settings", Key: "job.title", Path: "/jobs", Permission: MayRead, Order: 50}},
		Routes: append(x.apiRoutes(), []web.Route{
			{Pattern: "GET /jobs", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /jobs/schedules", Permission: MayRead, Handle: x.schedules},
			{Pattern: "POST /jobs/schedules/{name}/run", Permission: MayWrite, Handle: x.run},
			{Pattern: "GET /jobs/{id}", Permission: MayRead, Handle: x.detail},
			{Pattern: "POST /jobs/{id}/retry", Permission: MayWrite, Handle: x.decide("job.retried", x.queue.Retry)},
			{Pattern: "POST /jobs/{id}/cancel", Permission: MayWrite, Handle: x.decide("job.cancelled", x.queue.Cancel)},
		}...),
	}
}

// row is a job with what its kind says of it.
type row struct {
	jobs.Job
	Title string
	Of    int    // attempts at most; 0 where no kind of that name is known here
	Brief string // the error's beginning, for a line of a list
}

// briefRunes is how much of an error a list shows.
const briefRunes = 120

// title is what a job or schedule is called in the reader's language: its name where no message says it better.
func title(r *http.Request, name string) string {
	if key := "job.name." + name; web.T(r).Has(key) {
		return web.T(r).T(key)
	}
	return name
}

func (x *Room) row(r *http.Request, job jobs.Job) row {
	shown := row{Job: job, Title: title(r, job.Name), Brief: job.Error}
	if runes := []rune(job.Error); len(runes) > briefRunes {
		shown.Brief = string(runes[:briefRunes]) + "…"
	}
	for _, kind := range x.queue.Kinds() {
		if kind.Name == job.Name {
			shown.Of = kind.Attempts
		}
	}
	return shown
}

func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	filter := jobs.Filter{State: jobs.State(query.Get("state")), Name: query.Get("name"), Cursor: query.Get("after"), Limit: pageSize}
	if filter.State == "" {
		filter.State = jobs.Waiting
	}
	if !slices.Contains(jobs.States(), filter.State) {
		return fault.New(fault.Invalid, "", "there is no state %q", filter.State)
	}
	page, err := x.queue.List(r.Context(), filter)
	if err != nil {
		return err
	}
	view := struct {
		Tabs  []web.Tab
		State jobs.State
		Name  string
		Names []web.Option
		Rows  []row
		Pager web.Pager
		Ended bool
	}{State: filter.State, Name: filter.Name, Ended: filter.State != jobs.Waiting && filter.State != jobs.Running}
	if view.Tabs, err = x.tabs(r, filter); err != nil {
		return err
	}
	for _, kind := range x.queue.Kinds() {
		view.Names = append(view.Names, web.Option{Value: kind.Name, Label: title(r, kind.Name)})
	}
	for _, job := range page.Items {
		view.Rows = append(view.Rows, x.row(r, job))
	}
	if page.Next != "" {
		query.Set("after", page.Next)
		view.Pager.Next = "/jobs?" + query.Encode()
	}
	return x.site.Render(w, r, http.StatusOK, "job/list", view)
}

// tabs are a view for each state, with how many there are, and the schedules.
func (x *Room) tabs(r *http.Request, current jobs.Filter) (tabs []web.Tab, err error) {
	counts, err := x.queue.Counts(r.Context(), current.Name)
	if err != nil {
		return nil, err
	}
	for _, state := range jobs.States() {
		address := url.Values{"state": {string(state)}}
		if current.Name != "" {
			address.Set("name", current.Name)
		}
		tab := web.Tab{Label: web.T(r).T("job.state." + string(state)), Path: "/jobs?" + address.Encode(), Count: counts[state], Current: state == current.State}
		if counts[state] > jobs.CountLimit {
			tab.Count = fmt.Sprint(web.T(r).Number(jobs.CountLimit), "+")
		}
		tabs = append(tabs, tab)
	}
	schedules := web.Tab{Label: web.T(r).T("job.schedules"), Path: "/jobs/schedules", Current: current.State == ""}
	return append(tabs, schedules), nil
}

func (x *Room) detail(w http.ResponseWriter, r *http.Request) error {
	job, err := x.queue.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	may := web.User(r).May(string(MayWrite))
	if !may {
		job.Payload = ""
	}
	return x.site.Render(w, r, http.StatusOK, "job/detail", struct {
		row
		Retry, Cancel bool
	}{x.row(r, job), may && (job.State == jobs.Failed || job.State == jobs.Cancelled), may && (job.State == jobs.Waiting || job.State == jobs.Running)})
}

// decide answers a form that decides about a job.
func (x *Room) decide(done string, decision func(ctx context.Context, id string) error) web.Handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("id")
		if err := decision(r.Context(), id); err != nil {
			return err
		}
		return x.site.Done(w, r, "/jobs/"+url.PathEscape(id), web.Flash{Kind: web.Good, Text: web.T(r).T(done)})
	}
}

// scheduled is a schedule with what its room calls it.
type scheduled struct {
	jobs.Scheduled
	Title string
}

func (x *Room) schedules(w http.ResponseWriter, r *http.Request) error {
	list, err := x.queue.Schedules(r.Context())
	if err != nil {
		return err
	}
	view := struct {
		Tabs []web.Tab
		Rows []scheduled
		May  bool
	}{May: web.User(r).May(string(MayWrite))}
	if view.Tabs, err = x.tabs(r, jobs.Filter{}); err != nil {
		return err
	}
	for _, s := range list {
		view.Rows = append(view.Rows, scheduled{s, title(r, s.Name)})
	}
	return x.site.Render(w, r, http.StatusOK, "job/schedules", view)
}

func (x *Room) run(w http.ResponseWriter, r *http.Request) error {
	if err := x.queue.RunNow(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	return x.site.Done(w, r, "/jobs/schedules", web.Flash{Kind: web.Good, Text: web.T(r).T("job.run.done")})
}
