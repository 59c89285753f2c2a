package noise

import (
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Permissions of the two kinds.
const (
	MayReadExceptions    web.Permission = "exception.read"
	MayWriteExceptions   web.Permission = "exception.write"
	MayReadSuppressions  web.Permission = "suppression.read"
	MayWriteSuppressions web.Permission = "suppression.write"
)

// RoomOptions are what the pages need.
type RoomOptions struct {
	Site   *web.Site
	Desk   *desk.Desk
	Store  *Store
	Alerts *alert.Store
	About  alert.Rules // what rules are called and look at
	Policy Policy
}

// Room is what only exceptions and suppressions have of their pages and their API.
type Room struct {
	RoomOptions
}

// NewRoom makes the pages, which Modules hands to the site. Both kinds are registered with the store of records.
func NewRoom(opt RoomOptions) *Room { return &Room{opt} }

// Modules are what the site mounts.
func (x *Room) Modules(exceptions, suppressions *record.Kind) []web.Module {
	return []web.Module{
		x.Desk.Module(desk.Room{
			Kind: exceptions, Overview: x.exceptionOverview, Apart: []string{"rules", "filter"}, Templates: templateFiles, Help: "alerts",
			Routes: []web.Route{
				{Pattern: "GET /exceptions/-/from/{alert}", Permission: MayWriteExceptions, Handle: x.showDraft},
				{Pattern: "POST /exceptions/-/from/{alert}", Permission: MayWriteExceptions, Handle: x.makeDraft},
				{Pattern: "GET /api/v1/exceptions/-/from/{alert}", Permission: MayWriteExceptions, Handle: x.apiDraft, Doc: docDraft()},
				{Pattern: "GET /api/v1/exceptions/{id}/past", Permission: MayReadExceptions, Handle: x.apiPast, Doc: &openapi.Operation{
					Summary: "Read what an exception would have kept back of the latest alerts", Tag: Exception, Answer: pastJSON{}}},
				{Pattern: "GET /api/v1/exceptions/{id}/held", Permission: MayReadExceptions, Handle: x.apiHeld(Exception), Doc: docHeld(Exception)},
			},
		}),
		x.Desk.Module(desk.Room{
			Kind: suppressions, Overview: x.suppressionOverview, Apart: []string{"rules"}, Templates: templateFiles, Help: "alerts",
			Routes: []web.Route{
				{Pattern: "GET /api/v1/suppressions/{id}/held", Permission: MayReadSuppressions, Handle: x.apiHeld(Suppression), Doc: docHeld(Suppression)},
			},
		}),
	}
}

// overview is what the page of an exception or a suppression shows above its fields.
type overview struct {
	*record.Record
	Rules []ruleLink
	All   bool   // it is about all rules
	Wrong string // why an exception does not apply
	Past  *Past  // of one that does not hold
	Held  *heldView
}

type ruleLink struct {
	Key, Title string // Key is "" for a rule that is not loaded
}

// heldView is what was held back, with the words of its rules.
type heldView struct {
	*Held
	Rules  []heldRuleView
	Search string // for the latest event
}

type heldRuleView struct {
	ruleLink
	Matches int64
}

func (x *Room) exceptionOverview(r *http.Request, rec *record.Record) (template.HTML, error) {
	view := &overview{Record: rec}
	var err error
	if view.Held, err = x.held(r, rec.ID); err != nil {
		return "", err
	}
	f, err := ParseFilter(rec.Str("filter"))
	if err != nil {
		view.Wrong = web.Message(r, err)
		return x.Site.Part(r, "exception/overview", "content", view)
	}
	view.All = f.AnyRule
	if !f.AnyRule {
		view.Rules = x.named(r, f.Rules)
	}
	if view.Past, err = x.past(r, f); err != nil {
		return "", err
	}
	view.Wrong = view.Past.Refused
	return x.Site.Part(r, "exception/overview", "content", view)
}

func (x *Room) suppressionOverview(r *http.Request, rec *record.Record) (template.HTML, error) {
	list, _ := rec.Get("rules").([]string)
	view := &overview{Record: rec, Rules: x.named(r, list), All: len(list) == 0}
	var err error
	if view.Held, err = x.held(r, rec.ID); err != nil {
		return "", err
	}
	return x.Site.Part(r, "suppression/overview", "suppression", view)
}

// named finds the rules that people or filters name.
func (x *Room) named(r *http.Request, list []string) (links []ruleLink) {
	known := x.Store.opt.Rules()
	for _, name := range list {
		link := ruleLink{Title: name}
		for _, one := range known {
			if names([]string{normal(name)}, one) {
				link = x.link(web.T(r), alert.RuleKey(one))
				break
			}
		}
		links = append(links, link)
	}
	return links
}

// past tells what a filter would have kept back, with the alerts' titles in the reader's language.
func (x *Room) past(r *http.Request, f *sigma.Filter) (*Past, error) {
	past, err := x.Store.Past(r.Context(), x.Alerts, f)
	if err != nil {
		return nil, err
	}
	for _, a := range past.Alerts {
		if title := x.About.Title(a.RuleID, web.T(r).Lang()); title != "" {
			a.Title = title
		}
	}
	return past, nil
}

func (x *Room) link(p *i18n.Printer, key string) ruleLink {
	if title := x.About.Title(key, p.Lang()); title != "" {
		return ruleLink{key, title}
	}
	return ruleLink{"", key}
}

func (x *Room) held(r *http.Request, cause string) (*heldView, error) {
	h, err := x.Store.Held(r.Context(), cause)
	if err != nil {
		return nil, err
	}
	view := &heldView{Held: h}
	for _, one := range h.Rules {
		view.Rules = append(view.Rules, heldRuleView{x.link(web.T(r), one.Rule), one.Matches})
	}
	if h.Event != "" {
		view.Search = "event.id:=" + strconv.Quote(h.Event)
	}
	return view, nil
}

// beside is what the pages of a rule and of its alerts show: what keeps it from alerting.
type beside struct {
	Rule         string // its key
	Title        string
	Exceptions   []besideItem
	Suppressions []besideItem
	Throttled    *alert.Throttled
	From         string // the alert that an exception can be made of
	MayExcept    bool
	MaySuppress  bool
	Reads        bool // either kind
}

type besideItem struct {
	*record.Record
	State string // the message of its state
	Look  string
	Held  int64 // in the last 30 days
}

const maxBeside = 20

// BesideRule shows on a rule's page what keeps it from alerting; BesideAlert does on an alert's.
func (x *Room) BesideRule(r *http.Request, key string) (template.HTML, error) {
	return x.beside(r, key, "")
}

// BesideAlert is BesideRule with the way to an exception from the alert.
func (x *Room) BesideAlert(r *http.Request, a *record.Record) (template.HTML, error) {
	return x.beside(r, a.Str("rule"), a.ID)
}

func (x *Room) beside(r *http.Request, key, from string) (template.HTML, error) {
	if key == alert.StoryRule {
		return "", nil // it is no rule
	}
	user, p := web.User(r), web.T(r)
	view := &beside{
		Rule: key, Title: x.About.Title(key, p.Lang()), From: from,
		MayExcept:   user.May(string(MayWriteExceptions)),
		MaySuppress: user.May(string(MayWriteSuppressions)),
		Reads:       user.May(string(MayReadExceptions)) || user.May(string(MayReadSuppressions)),
	}
	one := x.rule(key)
	if one == nil {
		view.From = "" // there is nothing to hold an exception against
	}
	err := x.Store.opt.DB.Read(r.Context(), func(tx *db.Tx) error {
		throttled, err := x.Alerts.Throttled(tx)
		if err != nil {
			return err
		}
		if t, ok := throttled[key]; ok {
			view.Throttled = &t
		}
		if one == nil {
			return nil
		}
		counts, err := heldOf(tx, key, tx.Now().Add(-heldSlots*day))
		if err != nil {
			return err
		}
		if view.Exceptions, err = x.concerning(tx, p, user, Exception, one, counts); err != nil {
			return err
		}
		view.Suppressions, err = x.concerning(tx, p, user, Suppression, one, counts)
		return err
	})
	if err != nil {
		return "", err
	}
	return x.Site.Part(r, "exception/overview", "beside", view)
}

func (x *Room) rule(key string) *sigma.Rule {
	for _, one := range x.Store.opt.Rules() {
		if alert.RuleKey(one) == key {
			return one
		}
	}
	return nil
}

// concerning returns the records of a kind that are open and concern a rule, of those that the reader may see.
func (x *Room) concerning(tx *db.Tx, p *i18n.Printer, by *auth.User, kind string, one *sigma.Rule, counts map[string]int64) (list []besideItem, err error) {
	k, err := x.Desk.Store().Kind(kind)
	if err != nil || !by.May(k.MayRead()) {
		return nil, err
	}
	// The column tells nearly all; what a filter's log source leaves out, the filter decides.
	w := new(db.Where)
	w.And("state <> 'ended' AND deleted_at = 0")
	empty := "rules = ''"
	if kind == Exception {
		empty = "rules = ' " + anyRule + " '"
	}
	w.And(`(`+empty+` OR rules LIKE ? ESCAPE '\' OR rules LIKE ? ESCAPE '\' OR rules LIKE ? ESCAPE '\')`,
		db.Contains(" "+alert.RuleKey(one)+" "), db.Contains(" "+normal(one.ID)+" "), db.Contains(" "+normal(one.Name)+" "))
	ids, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
		`SELECT id FROM `+k.Table+w.String()+` ORDER BY state, updated_at DESC, id LIMIT `+w.Next(1), w.Args(maxBeside)...)
	if err != nil {
		return nil, err
	}
	found, err := x.Desk.Store().Find(tx, by, kind, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		rec := found[id]
		if rec == nil || kind == Exception && !concerns(rec, one) {
			continue
		}
		state, _ := k.StateOf(rec.State)
		list = append(list, besideItem{rec, p.T("kind." + kind + ".state." + rec.State), state.Look, counts[id]})
	}
	return list, nil
}

func concerns(rec *record.Record, one *sigma.Rule) bool {
	f, err := ParseFilter(rec.Str("filter"))
	return err == nil && f.Concerns(one)
}

// endOfDays is the end of a draft: some days from now, as a form has it.
func endOfDays(p *i18n.Printer, days int) string {
	return time.Now().In(p.Zone()).AddDate(0, 0, days).Format(time.DateOnly)
}
