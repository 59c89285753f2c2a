package coverage

import (
	"cmp"
	"context"
	"embed"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// MayRead is the permission of this room.
const MayRead web.Permission = "coverage.read"

// mayReadAlerts is what figures of alerts take besides.
const mayReadAlerts = "alert.read"

// RoomOptions are what the pages show.
type RoomOptions struct {
	ATTACK  *ATTACK
	Rules   func() []Rule
	Sources *Sources
	// Alerts counts alerts since a time by the techniques that they name; see alert.Store.
	Alerts func(ctx context.Context, since time.Time) (map[string]int, error)
}

// Room is the coverage pages and their API.
type Room struct {
	site *web.Site
	opt  RoomOptions

	mu     sync.Mutex
	alerts map[string]int // as they were counted at that time
	at     time.Time
}

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(site *web.Site, opt RoomOptions) *Room { return &Room{site: site, opt: opt} }

// Module is what the site mounts.
func (x *Room) Module() web.Module {
	return web.Module{
		Name: "coverage", Templates: templateFiles, Static: staticFiles, Help: "coverage", Permissions: []web.Permission{MayRead},
		Nav: []web.NavItem{{House: "detect", Key: "coverage.title", Path: "/coverage", Permission: MayRead, Order: 32}},
		Routes: []web.Route{
			{Pattern: "GET /coverage", Permission: MayRead, Handle: x.page},
			{Pattern: "GET /coverage/layer", Permission: MayRead, Handle: x.layer},
			{Pattern: "GET /api/v1/coverage", Permission: MayRead, Handle: x.api, Doc: &openapi.Operation{
				Summary: "Read how the rules stand against MITRE ATT&CK", Tag: "coverage", Answer: JSON{},
			}},
			{Pattern: "GET /api/v1/coverage/layer", Permission: MayRead, Handle: x.layer, Doc: &openapi.Operation{
				Summary: "Read it as a layer of the ATT&CK Navigator, format 4.5", Tag: "coverage", Answer: Layer{},
			}},
		},
	}
}

// alertsFresh is for how long alerts are not counted anew: of a million, that takes most of a second.
const alertsFresh = time.Minute

func (x *Room) countAlerts(ctx context.Context, now time.Time) (map[string]int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.at) < alertsFresh {
		return x.alerts, nil
	}
	counts, err := x.opt.Alerts(ctx, now.Add(-AlertSpan))
	if err == nil {
		x.alerts, x.at = counts, now
	}
	return counts, err
}

// report is how things stand now; figures of alerts are for those alone who may read alerts.
func (x *Room) report(r *http.Request) (*Report, error) {
	f := Figures{Now: time.Now()}
	var err error
	if f.Seen, f.Looked, err = x.opt.Sources.Seen(r.Context()); err != nil {
		return nil, err
	}
	if web.User(r).May(mayReadAlerts) {
		if f.Alerts, err = x.countAlerts(r.Context(), f.Now); err != nil {
			return nil, err
		}
	}
	return x.opt.ATTACK.Report(x.opt.Rules(), f), nil
}

// view is a tab of the page.
type view string

const (
	viewMatrix     view = "matrix"
	viewTechniques view = "techniques"
	viewBlind      view = "blind"
)

// pageView is the page.
type pageView struct {
	*Report
	View       view
	Tabs       []web.Tab
	States     []stateLink
	Covered    int
	All        int
	Subs       bool   // sub-techniques are shown, too
	SubsPath   string // the page with the other choice
	Rows       []Row  // of the view of techniques
	Chips      []web.Chip
	MayAlerts  bool
	Days       int // of AlertSpan
	SourceDays int // of SeenSpan
}

// stateLink leads to the techniques that stand in one way.
type stateLink struct {
	State  State
	Count  int
	Path   string
	Chosen bool
}

// page shows the matrix, the techniques as a list, or the log sources that rules wait for.
func (x *Room) page(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v := pageView{View: viewMatrix, Subs: q.Get("sub") != "", Days: days(AlertSpan), SourceDays: days(SeenSpan), MayAlerts: web.User(r).May(mayReadAlerts)}
	if given := q.Get("view"); given != "" {
		v.View = view(given)
	}
	state, tactic := State(q.Get("state")), q.Get("tactic")
	switch {
	case !slices.Contains([]view{viewMatrix, viewTechniques, viewBlind}, v.View):
		return fault.New(fault.Invalid, "coverage.fault.view", "view %q is none that there is", v.View)
	case state != "" && !slices.Contains(States(), state):
		return fault.New(fault.Invalid, "coverage.fault.state", "state %q is none of %v", state, States())
	case tactic != "" && x.opt.ATTACK.tactic[tactic] == nil:
		return fault.New(fault.Invalid, "coverage.fault.tactic", "ATT&CK %s has no tactic %q", x.opt.ATTACK.Version, tactic)
	}
	var err error
	if v.Report, err = x.report(r); err != nil {
		return err
	}
	v.links(r, state)
	if v.View == viewTechniques {
		v.Rows = v.rows(state, tactic)
		v.chips(r, state, tactic)
	}
	return x.site.Render(w, r, http.StatusOK, "coverage/page", v)
}

// address is the page's address with some of its query changed; an empty value leaves the name out.
func address(r *http.Request, changes ...string) string {
	q := r.URL.Query()
	for i := 0; i+1 < len(changes); i += 2 {
		q.Del(changes[i])
		if changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
	if len(q) == 0 {
		return "/coverage"
	}
	return "/coverage?" + q.Encode()
}

// links are the tabs, the ways in which techniques stand, and the choice of sub-techniques.
func (v *pageView) links(r *http.Request, chosen State) {
	p, counts := web.T(r), v.Report.Techniques()
	for _, s := range States() {
		v.All += counts[s]
		link := stateLink{State: s, Count: counts[s], Path: address(r, "view", string(viewTechniques), "state", string(s)), Chosen: s == chosen && v.View == viewTechniques}
		if link.Chosen {
			link.Path = address(r, "state", "")
		}
		v.States = append(v.States, link)
	}
	v.Covered = counts[Covered]
	v.Tabs = []web.Tab{
		{Label: p.T("coverage.view.matrix"), Path: address(r, "view", "", "state", "", "tactic", ""), Current: v.View == viewMatrix},
		{Label: p.T("coverage.view.techniques"), Path: address(r, "view", string(viewTechniques), "state", "", "tactic", ""), Count: v.All, Current: v.View == viewTechniques},
		{Label: p.T("coverage.view.blind"), Path: address(r, "view", string(viewBlind), "state", "", "tactic", ""), Count: len(v.Spots), Current: v.View == viewBlind},
	}
	v.SubsPath = address(r, "sub", "1")
	if v.Subs {
		v.SubsPath = address(r, "sub", "")
	}
}

func (v *pageView) chips(r *http.Request, state State, tactic string) {
	p := web.T(r)
	if tactic != "" {
		v.Chips = append(v.Chips, web.Chip{Label: p.T("coverage.tactic"), Text: p.T("attack.tactic." + tactic), Remove: address(r, "tactic", "")})
	}
	if state != "" {
		v.Chips = append(v.Chips, web.Chip{Label: p.T("coverage.state"), Text: p.T("coverage.state." + string(state)), Remove: address(r, "state", "")})
	}
}

// rows are the techniques that stand in one way and serve a tactic, by id.
func (v *pageView) rows(state State, tactic string) []Row {
	seen := make(map[string]bool)
	var rows []Row
	for _, l := range v.Lines {
		if tactic != "" && l.Key != tactic {
			continue
		}
		for _, row := range l.Rows {
			if !seen[row.ID] && (state == "" || row.State() == state) {
				seen[row.ID] = true
				rows = append(rows, row)
			}
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.ID, b.ID) })
	return rows
}

// Share is how many of a tactic's techniques are covered, for its bar.
func (l Line) Share() (share struct{ Covered, All int }) {
	share.Covered, share.All = l.States[Covered], len(l.Rows)
	return share
}

// Mark is a shape for the state, for eyes: words say it, too.
func (s State) Mark() string {
	return map[State]string{Covered: "●", Blind: "◐", Resting: "○", Gap: "–"}[s]
}

// RulesPath leads to the rules about the technique, LivePath to those of them that are live.
func (r Row) RulesPath() string { return listPath("/rules", r.IDs, "") }

// LivePath is described at RulesPath.
func (r Row) LivePath() string { return listPath("/rules", r.IDs, "&state=live") }

// AlertsPath leads to its alerts.
func (r Row) AlertsPath() string {
	return listPath("/alerts", r.IDs, "&last_seen=90d")
}

func listPath(list string, ids []string, more string) string {
	return list + "?view=all" + more + "&technique=" + strings.Join(ids, "&technique=")
}

// Label writes the log source for people.
func (s Spot) Label() string {
	var said []string
	for _, part := range [...]string{s.Logsource.Product, s.Logsource.Category, s.Logsource.Service} {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, " / ")
}

// layer hands out the Navigator's layer.
func (x *Room) layer(w http.ResponseWriter, r *http.Request) error {
	report, err := x.report(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="yagura-coverage.json"`)
	return web.JSON(w, http.StatusOK, report.Layer())
}

func (x *Room) api(w http.ResponseWriter, r *http.Request) error {
	report, err := x.report(r)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, report.JSON())
}

// JSON is a report as programs see it.
type JSON struct {
	Version     string          `json:"attack_version"`
	Attribution string          `json:"attribution"`
	Looked      *time.Time      `json:"looked_at,omitempty"` // until when events of log sources were looked for
	Techniques  []TechniqueJSON `json:"techniques"`
	Blind       []SpotJSON      `json:"blind_logsources"`
	Unknown     []TagJSON       `json:"unknown_tags"`
	Untagged    int             `json:"untagged_live_rules"`
}

// TechniqueJSON is a technique or a sub-technique.
type TechniqueJSON struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Tactics []string `json:"tactics"`
	State   State    `json:"state"`
	Count
}

// SpotJSON is a log source without events.
type SpotJSON struct {
	Logsource string     `json:"logsource"` // product/category/service
	Last      *time.Time `json:"last_event,omitempty"`
	Rules     int        `json:"live_rules"`
	Only      []string   `json:"techniques"` // that no rule of another log source sees
}

// TagJSON is a tag that this version of ATT&CK does not know.
type TagJSON struct {
	ID    string `json:"id"`
	Rules int    `json:"rules"`
}

// JSON is the report for programs.
func (r *Report) JSON() *JSON {
	out := &JSON{Version: r.Version, Attribution: r.Attribution, Looked: moment(r.Looked), Techniques: []TechniqueJSON{}, Blind: []SpotJSON{}, Unknown: []TagJSON{}, Untagged: r.Untagged}
	seen := make(map[string]bool)
	add := func(row Row) {
		if !seen[row.ID] {
			seen[row.ID] = true
			out.Techniques = append(out.Techniques, TechniqueJSON{row.ID, row.Name, row.Tactics, row.State(), row.Count})
		}
	}
	for _, l := range r.Lines {
		for _, row := range l.Rows {
			add(row)
			for _, sub := range row.Subs {
				add(sub)
			}
		}
	}
	slices.SortFunc(out.Techniques, func(a, b TechniqueJSON) int { return strings.Compare(a.ID, b.ID) })
	for _, s := range r.Spots {
		one := SpotJSON{Logsource: s.Logsource.String(), Last: moment(s.Last), Rules: s.Rules, Only: []string{}}
		for _, t := range s.Only {
			one.Only = append(one.Only, t.ID)
		}
		out.Blind = append(out.Blind, one)
	}
	for _, t := range r.Unknown {
		out.Unknown = append(out.Unknown, TagJSON(t))
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// LogsourcePath leads to the live rules of the log source.
func (s Spot) LogsourcePath() string {
	q := url.Values{"view": {"all"}, "state": {"live"}}
	for name, part := range map[string]string{"product": s.Logsource.Product, "category": s.Logsource.Category, "service": s.Logsource.Service} {
		q.Set(name, cmp.Or(part, "-")) // a dash finds what has none
	}
	return "/rules?" + q.Encode()
}

// Path leads to the rules that have the tag.
func (t Tag) Path() string { return listPath("/rules", []string{url.QueryEscape(t.ID)}, "") }
