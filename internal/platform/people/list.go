package people

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

const (
	pageSize  = 50
	maxExport = 10_000
)

// shown is a person as a list shows them.
type shown struct {
	auth.Person
	Titles   []named
	UnitName string
	Factor   string // message key of what second factor there is
	Service  bool
}

func states() []auth.State { return []auth.State{auth.Invited, auth.Active, auth.Disabled} }

// filter reads the filter of a list from its address. Errors: a state that is none.
func filter(r *http.Request) (f auth.PeopleFilter, err error) {
	q := r.URL.Query()
	f = auth.PeopleFilter{Role: q.Get("role"), Unit: q.Get("unit"), Text: q.Get("q")}
	if state := auth.State(q.Get("state")); state != "" {
		if !slices.Contains(states(), state) {
			return f, fault.New(fault.Invalid, "fault.people.filter", "there is no state %q", state)
		}
		f.States = []auth.State{state}
	}
	if q.Get("kind") == string(auth.Service) {
		f.Kind = auth.Service
	}
	return f, nil
}

func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	f, err := filter(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Accounts.People(r.Context(), f, r.URL.Query().Get("after"), pageSize)
	if err != nil {
		return err
	}
	rows, err := x.show(r, page.Items)
	if err != nil {
		return err
	}
	p, lang := web.T(r), string(web.T(r).Lang())
	names, units, err := x.unitNames(r.Context(), lang)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	view := struct {
		Tabs         []web.Tab
		Query        string
		Role, Unit   string
		Keep         []web.Option
		Roles, Units []web.Option
		Chips        []web.Chip
		Rows         []shown
		Pager        web.Pager
		Filtered     bool
		MayWrite     bool
		Export       string
	}{Query: f.Text, Role: f.Role, Unit: f.Unit, Rows: rows, MayWrite: may(r), Units: unitOptions(units, lang, p.T("people.unit.any"))}
	view.Roles = []web.Option{{Value: "", Label: p.T("people.role.any")}}
	for _, role := range x.choices(r, nil) {
		view.Roles = append(view.Roles, web.Option{Value: role.Name, Label: role.Title})
	}
	view.Tabs = append(view.Tabs, web.Tab{Label: p.T("people.all"), Path: with(q, "state", "", "kind", ""), Current: q.Get("state") == "" && f.Kind == ""})
	for _, s := range states() {
		view.Tabs = append(view.Tabs, web.Tab{Label: p.T("people.state." + string(s)), Path: with(q, "state", string(s), "kind", ""), Current: q.Get("state") == string(s)})
	}
	view.Tabs = append(view.Tabs, web.Tab{Label: p.T("people.services"), Path: with(q, "state", "", "kind", string(auth.Service)), Current: f.Kind == auth.Service})
	if f.Role != "" {
		view.Chips = append(view.Chips, web.Chip{Label: p.T("people.role"), Text: x.title(r, f.Role), Remove: with(q, "role", "")})
	}
	if f.Unit != "" {
		view.Chips = append(view.Chips, web.Chip{Label: p.T("people.unit"), Text: names[f.Unit], Remove: with(q, "unit", "")})
	}
	if f.Text != "" {
		view.Chips = append(view.Chips, web.Chip{Label: p.T("people.text"), Text: f.Text, Remove: with(q, "q", "")})
	}
	for _, name := range []string{"state", "kind"} {
		if q.Get(name) != "" {
			view.Keep = append(view.Keep, web.Option{Label: name, Value: q.Get(name)})
		}
	}
	view.Filtered = len(view.Chips) > 0 || q.Get("state") != "" || f.Kind != ""
	if page.Next != "" {
		view.Pager.Next = with(q, "after", page.Next)
	}
	view.Export = strings.Replace(with(q, "after", ""), "/people", "/people/-/export", 1)
	return x.site.Render(w, r, http.StatusOK, "people/list", view)
}

// with returns the list's address with some of its query changed; the page begins anew.
func with(q url.Values, pairs ...string) string {
	next := url.Values{}
	for name, values := range q {
		if name != "after" && len(values) > 0 && values[0] != "" {
			next.Set(name, values[0])
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		next.Del(pairs[i])
		if pairs[i+1] != "" {
			next.Set(pairs[i], pairs[i+1])
		}
	}
	if len(next) == 0 {
		return "/people"
	}
	return "/people?" + next.Encode()
}

// show adds what a list shows besides the person.
func (x *Room) show(r *http.Request, people []auth.Person) ([]shown, error) {
	names, _, err := x.unitNames(r.Context(), string(web.T(r).Lang()))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	factorsOf, err := x.opt.Accounts.FactorsOf(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	rows := make([]shown, len(people))
	for i, p := range people {
		rows[i] = shown{Person: p, UnitName: names[p.Unit], Service: p.Kind == auth.Service}
		for _, role := range p.Roles {
			rows[i].Titles = append(rows[i].Titles, named{Name: role.Name, Title: x.title(r, role.Name), Origin: role.Origin})
		}
		if rows[i].Service {
			continue
		}
		factors := factorsOf[p.ID]
		switch {
		case factors.Passkeys > 0:
			rows[i].Factor = "people.factor.passkey"
		case factors.TOTP:
			rows[i].Factor = "people.factor.app"
		case x.opt.Roles.NeedsMFA(p.RoleNames()):
			rows[i].Factor = "people.factor.missing"
		default:
			rows[i].Factor = "people.factor.none"
		}
	}
	return rows, nil
}

// export writes the list as CSV for Excel: UTF-8 with a byte order mark, and nothing that a cell would calculate.
func (x *Room) export(w http.ResponseWriter, r *http.Request) error {
	f, err := filter(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="people.csv"`)
	p, out, cursor, count := web.T(r), csv.NewWriter(w), "", 0
	for {
		page, err := x.opt.Accounts.People(r.Context(), f, cursor, 200)
		if err != nil {
			return err
		}
		rows, err := x.show(r, page.Items)
		if err != nil {
			return err
		}
		if count == 0 {
			_, _ = w.Write([]byte("\ufeff"))
			_ = out.Write([]string{p.T("people.email"), p.T("people.name"), p.T("people.unit"), p.T("people.roles"), p.T("people.state"), p.T("people.factor"), p.T("people.last_sign_in")})
		}
		for _, row := range rows {
			var roles []string
			for _, role := range row.Titles {
				roles = append(roles, role.Title)
			}
			factor := ""
			if row.Factor != "" {
				factor = p.T(row.Factor)
			}
			last := ""
			if !row.LastSignIn.IsZero() {
				last = row.LastSignIn.In(p.Zone()).Format(time.DateTime)
			}
			_ = out.Write(cells(row.Email, row.Name, row.UnitName, strings.Join(slices.Compact(roles), ", "), p.T("people.state."+string(row.State)), factor, last))
		}
		count += len(rows)
		out.Flush()
		if cursor = page.Next; cursor == "" || count >= maxExport {
			return out.Error()
		}
	}
}

// cells keeps a spreadsheet from taking a text for a formula.
func cells(values ...string) []string {
	for i, v := range values {
		if v != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(v)[0]) {
			values[i] = "'" + v
		}
	}
	return values
}
