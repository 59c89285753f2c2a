package backtest

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web"
)

// Room is what only backtests have of their pages and their API.
type Room struct {
	site  *web.Site
	desk  *desk.Desk
	store *Store
}

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(site *web.Site, d *desk.Desk, store *Store) *Room { return &Room{site, d, store} }

// Module is what the site mounts.
func (x *Room) Module(kind *record.Kind) web.Module {
	return x.desk.Module(desk.Room{
		Kind: kind, Overview: x.overview, Templates: templateFiles, Help: "rules", Apart: []string{"outcome", "progress", "events", "matches"},
		Routes: []web.Route{
			{Pattern: "GET /backtests/{id}/result", Permission: MayRead, Handle: x.part},
			{Pattern: "GET /api/v1/backtests/{id}/result", Permission: MayRead, Handle: x.api, Doc: &openapi.Operation{
				Summary: "Read what the rules of a backtest would have matched, as far as it has come", Tag: Name, Answer: Result{},
			}},
		},
	})
}

// resultView is what the page of a backtest shows above its fields.
type resultView struct {
	*record.Record
	Outcome string
	Going   bool // it waits or runs
	Problem string
	Result  *Result
	Shown   []*RuleResult
	More    int
}

// maxShown bounds the rules that the page shows; the API has all.
const maxShown = 100

func (x *Room) view(r *http.Request, rec *record.Record) (v resultView, err error) {
	v = resultView{Record: rec, Outcome: rec.Str("outcome")}
	v.Going = v.Outcome == Waiting || v.Outcome == Running
	if v.Result, v.Problem, err = x.store.Result(r.Context(), rec.ID); err != nil || v.Result == nil {
		return v, err
	}
	v.Shown = v.Result.List()
	if len(v.Shown) > maxShown {
		v.More, v.Shown = len(v.Shown)-maxShown, v.Shown[:maxShown]
	}
	return v, nil
}

func (x *Room) overview(r *http.Request, rec *record.Record) (template.HTML, error) {
	v, err := x.view(r, rec)
	if err != nil {
		return "", err
	}
	return x.site.Part(r, "backtest/result", "content", v)
}

// part is the page's part that changes while the work goes on; asked for by itself, it leads to the page.
func (x *Room) part(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.desk.Store().Get(r.Context(), web.User(r), Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	if r.Header.Get("HX-Request") == "" {
		http.Redirect(w, r, "/backtests/"+rec.ID, http.StatusSeeOther)
		return nil
	}
	v, err := x.view(r, rec)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "backtest/result", v)
}

func (x *Room) api(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.desk.Store().Get(r.Context(), web.User(r), Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	result, _, err := x.store.Result(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	if result == nil {
		result = &Result{From: moment(rec, "since"), To: moment(rec, "until"), Through: moment(rec, "since"), Rules: map[string]*RuleResult{}}
	}
	return web.JSON(w, http.StatusOK, result)
}

// SearchPath leads to the event.
func (s Sample) SearchPath() string {
	return "/search?" + url.Values{
		"q": {`event.id:="` + s.ID + `"`}, "start": {s.Time.Add(-time.Minute).Format(time.RFC3339)}, "end": {s.Time.Add(time.Minute).Format(time.RFC3339)},
	}.Encode()
}

// BesideRule is the way from a rule's page to a backtest of the last 30 days.
func (x *Room) BesideRule(r *http.Request, key string) (template.HTML, error) {
	user := web.User(r)
	if !user.May(string(MayRead)) {
		return "", nil
	}
	v := struct{ New, Past string }{Past: "/backtests?" + url.Values{"rule": {key}}.Encode()}
	if user.May(string(MayWrite)) {
		v.New = newPath(key, web.T(r).T("backtest.do"), time.Now().In(web.T(r).Zone()))
	}
	return x.site.Part(r, "backtest/result", "beside", v)
}

// newPath is the form for a backtest of a rule of the library.
func newPath(key, title string, now time.Time) string {
	const form = "2006-01-02T15:04"
	return "/backtests/-/new?" + url.Values{
		"scope": {ScopeRule}, "rule": {key}, "title": {title + " " + now.Format(time.DateOnly)},
		"since": {now.AddDate(0, 0, -30).Format(form)}, "until": {now.Format(form)},
	}.Encode()
}
