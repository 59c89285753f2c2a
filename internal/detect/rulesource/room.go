package rulesource

import (
	"html/template"
	"net/http"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web"
)

// Room is the pages of sources that are not those of all records.
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
		Kind: kind, Overview: x.overview, Templates: templateFiles, Static: staticFiles, Help: "rules",
		Routes: []web.Route{
			{Pattern: "POST /rulesources/{id}/check", Permission: MayWrite, Handle: x.check},
			{Pattern: "POST /rulesources/{id}/token", Permission: MayWrite, Handle: x.token},
			{Pattern: "GET /rulesources/{id}/updates/{update}", Permission: MayRead, Handle: x.update},
			{Pattern: "POST /rulesources/{id}/updates/{update}", Permission: MayWrite, Handle: x.decide},
			{Pattern: "GET /api/v1/rulesources/{id}/updates", Permission: MayRead, Handle: x.apiUpdates, Doc: &openapi.Operation{
				Summary: "List the latest updates of a source of rules", Tag: Name, Answer: openapi.Page(openapi.Of(updateJSON{})),
			}},
			{Pattern: "GET /api/v1/rulesources/{id}/updates/{update}", Permission: MayRead, Handle: x.apiUpdate, Doc: &openapi.Operation{
				Summary: "Read what an update changes, file by file", Tag: Name, Query: []openapi.Parameter{openapi.Cursor()}, Answer: updateJSON{},
			}},
			{Pattern: "POST /api/v1/rulesources/{id}/updates/{update}", Permission: MayWrite, Handle: x.apiDecide, Doc: &openapi.Operation{
				Summary: "Take or decline an update that waits", Tag: Name, Headers: []openapi.Parameter{openapi.IdempotencyKey()}, Body: decision{},
			}},
			{Pattern: "POST /api/v1/rulesources/{id}/check", Permission: MayWrite, Handle: x.apiCheck, Doc: &openapi.Operation{
				Summary: "Have a source looked at soon", Tag: Name, Headers: []openapi.Parameter{openapi.IdempotencyKey()}, Status: http.StatusAccepted,
			}},
			{Pattern: "PUT /api/v1/rulesources/{id}/token", Permission: MayWrite, Handle: x.apiToken, Doc: &openapi.Operation{
				Summary: "Keep what a private source wants to be asked with; empty forgets it", Tag: Name, Body: tokenJSON{},
			}},
		},
	})
}

// overview is what the page of a source shows above its fields.
type overview struct {
	*record.Record
	Problem  string // why the last look failed
	Token    time.Time
	Waits    *Update
	Updates  []Update
	MayWrite bool
}

const shownUpdates = 20

func (x *Room) overview(r *http.Request, rec *record.Record) (template.HTML, error) {
	view := overview{Record: rec, MayWrite: web.User(r).May(string(MayWrite)) && rec.DeletedAt.IsZero()}
	var st state
	err := x.store.opt.DB.Read(r.Context(), func(tx *db.Tx) (err error) {
		if st, err = readState(tx, rec.ID); err != nil {
			return err
		}
		set, err := db.List(tx, func(row db.Scanner) (at int64, err error) { return at, row.Scan(&at) }, `SELECT set_at FROM rulesource_token WHERE id = $1`, rec.ID)
		if len(set) > 0 {
			view.Token = db.Time(set[0])
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if problem := st.fault(); problem != nil {
		view.Problem = web.Message(r, problem)
	}
	if view.Updates, err = x.store.Updates(r.Context(), rec.ID, shownUpdates); err != nil {
		return "", err
	}
	for i := range view.Updates {
		if view.Updates[i].State == "waiting" {
			view.Waits = &view.Updates[i]
		}
	}
	return x.site.Part(r, "rulesource/source", "content", view)
}

// seen is the source that an address names, for somebody who may see it.
func (x *Room) seen(r *http.Request) (*record.Record, error) {
	return x.desk.Store().Get(r.Context(), web.User(r), Name, r.PathValue("id"))
}

func (x *Room) back(w http.ResponseWriter, r *http.Request, message string) error {
	return x.site.Done(w, r, "/rulesources/"+r.PathValue("id"), web.Flash{Kind: web.Good, Text: web.T(r).T(message)})
}

func (x *Room) ask(r *http.Request) error {
	return x.store.opt.DB.Write(r.Context(), func(tx *db.Tx) error {
		if _, err := x.store.writable(tx, web.User(r), r.PathValue("id")); err != nil {
			return err
		}
		return x.store.Ask(tx, r.PathValue("id"))
	})
}

func (x *Room) check(w http.ResponseWriter, r *http.Request) error {
	if err := x.ask(r); err != nil {
		return err
	}
	return x.back(w, r, "rulesource.asked")
}

func (x *Room) token(w http.ResponseWriter, r *http.Request) error {
	if err := x.store.SetToken(r.Context(), web.User(r), r.PathValue("id"), r.PostFormValue("token")); err != nil {
		return err
	}
	return x.back(w, r, "rulesource.token.set")
}

// updatePage is what an update changes.
type updatePage struct {
	Source   *record.Record
	Update   Update
	Files    []Difference
	Pager    web.Pager
	MayWrite bool
}

// shownFiles is how many files one page of an update has.
const shownFiles = 50

func (x *Room) update(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.seen(r)
	if err != nil {
		return err
	}
	after := r.URL.Query().Get("after")
	u, files, more, err := x.store.Differences(r.Context(), rec.ID, r.PathValue("update"), after, shownFiles)
	if err != nil {
		return err
	}
	p := web.T(r)
	page := updatePage{Source: rec, Update: u, Files: files, MayWrite: web.User(r).May(string(MayWrite)) && rec.DeletedAt.IsZero()}
	page.Pager.Text = p.T("rulesource.files.shown", len(files), u.Added+u.Changed+u.Removed)
	if after != "" {
		page.Pager.First = r.URL.Path
	}
	if more {
		page.Pager.Next = r.URL.Path + "?after=" + template.URLQueryEscaper(files[len(files)-1].Name)
	}
	return x.site.Render(w, r, http.StatusOK, "rulesource/update", page)
}

func (x *Room) decide(w http.ResponseWriter, r *http.Request) error {
	take := r.PostFormValue("do") == "take"
	if err := x.store.Decide(r.Context(), web.User(r), r.PathValue("id"), r.PathValue("update"), take, r.PostFormValue("why")); err != nil {
		return err
	}
	if take {
		return x.back(w, r, "rulesource.taken")
	}
	return x.back(w, r, "rulesource.declined")
}

// updateJSON is an update for programs.
type updateJSON struct {
	ID        string           `json:"id"`
	State     string           `json:"state"`
	Found     time.Time        `json:"found_at"`
	Revision  string           `json:"revision"`
	Rules     int64            `json:"rules"`
	Refused   int64            `json:"refused"`
	Added     int64            `json:"added"`
	Changed   int64            `json:"changed"`
	Removed   int64            `json:"removed"`
	Held      string           `json:"held,omitempty"`
	DecidedBy string           `json:"decided_by,omitempty"`
	Why       string           `json:"why,omitempty"`
	Files     []differenceJSON `json:"files,omitempty"`
	Next      string           `json:"next,omitempty"`
}

type differenceJSON struct {
	Kind   string   `json:"kind"`
	Name   string   `json:"name"`
	Before string   `json:"before,omitempty"`
	Rules  []string `json:"rules,omitempty"` // their keys
	Local  []string `json:"local,omitempty"` // of those, the ones that a rule of our own stands in for
}

func (u Update) json() updateJSON {
	return updateJSON{
		ID: u.ID, State: u.State, Found: u.Found, Revision: u.Revision, Rules: u.Rules, Refused: u.Refused, Added: u.Added, Changed: u.Changed,
		Removed: u.Removed, Held: u.Held, DecidedBy: u.DecidedBy, Why: u.Why,
	}
}

func (x *Room) apiUpdates(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.seen(r)
	if err != nil {
		return err
	}
	list, err := x.store.Updates(r.Context(), rec.ID, shownUpdates)
	if err != nil {
		return err
	}
	items := make([]updateJSON, len(list))
	for i, u := range list {
		items[i] = u.json()
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": items})
}

func (x *Room) apiUpdate(w http.ResponseWriter, r *http.Request) error {
	rec, err := x.seen(r)
	if err != nil {
		return err
	}
	u, files, more, err := x.store.Differences(r.Context(), rec.ID, r.PathValue("update"), r.URL.Query().Get("cursor"), shownFiles)
	if err != nil {
		return err
	}
	answer := u.json()
	for _, d := range files {
		one := differenceJSON{Kind: d.Kind, Name: d.Name, Before: d.Before}
		for _, rule := range d.Rules {
			one.Rules = append(one.Rules, rule.Key)
			if rule.Local {
				one.Local = append(one.Local, rule.Key)
			}
		}
		answer.Files = append(answer.Files, one)
	}
	if more {
		answer.Next = files[len(files)-1].Name
	}
	return web.JSON(w, http.StatusOK, answer)
}

// decision is the body of the request that takes or declines an update.
type decision struct {
	Do  string `json:"do"` // take or decline
	Why string `json:"why,omitempty"`
}

// maxBody is the largest body of a request, in bytes.
const maxBody = 64 << 10

// tokenJSON is the body of the request that sets a token.
type tokenJSON struct {
	Token string `json:"token"`
}

func (x *Room) apiDecide(w http.ResponseWriter, r *http.Request) error {
	var d decision
	if err := web.ReadJSON(w, r, &d, maxBody); err != nil {
		return err
	}
	if d.Do != "take" && d.Do != "decline" {
		return fault.New(fault.Invalid, "rulesource.fault.do", "do is neither take nor decline")
	}
	if err := x.store.Decide(r.Context(), web.User(r), r.PathValue("id"), r.PathValue("update"), d.Do == "take", d.Why); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *Room) apiCheck(w http.ResponseWriter, r *http.Request) error {
	if err := x.ask(r); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (x *Room) apiToken(w http.ResponseWriter, r *http.Request) error {
	var t tokenJSON
	if err := web.ReadJSON(w, r, &t, maxBody); err != nil {
		return err
	}
	if err := x.store.SetToken(r.Context(), web.User(r), r.PathValue("id"), t.Token); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
