package desk

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/sheet"
	"yagura/internal/platform/web"
)

// listPage is how many records a page shows where its address does not say.
const listPage = 50

// listRoutes are the list of a kind and what is done from it.
func (x *desk) listRoutes() []web.Route {
	read, path := x.mayRead(), x.kind.Path
	routes := []web.Route{
		{Pattern: "GET " + path, Permission: read, Handle: x.list},
		{Pattern: "GET " + path + "/-/export", Permission: read, Handle: x.export},
		{Pattern: "POST " + path + "/-/columns", Permission: read, Handle: x.chooseColumns},
		{Pattern: "POST " + path + "/-/view", Permission: read, Handle: x.saveView},
		{Pattern: "POST " + path + "/-/view/change", Permission: read, Handle: x.changeView},
		{Pattern: "POST " + path + "/-/bulk", Permission: read, Handle: x.bulk},
		{Pattern: "POST " + path + "/-/undo", Permission: read, Handle: x.undo},
	}
	if !x.kind.Without.Delete {
		routes = append(routes, web.Route{Pattern: "GET " + path + "/-/exports", Permission: web.Permission(x.kind.MayDelete()), Handle: x.exports})
	}
	if x.kind.Live {
		routes = append(routes, web.Route{Pattern: "GET " + path + freshPath, Permission: read, Handle: x.countFresh})
	}
	if !x.kind.Without.Import {
		routes = append(routes, x.importRoutes()...)
	}
	return routes
}

// listView is the page of a list.
type listView struct {
	Many, One, About, Empty, Home string
	Links                         []Link // of the room's own

	Self  string // the address of what is shown, without the page
	Query string // as it is saved: without the view
	Tabs  []viewTab
	View  viewTab // the one that is shown
	// Panel is what is open above the list: "add" a condition, "save" the view; "" for nothing.
	Panel  string
	Adding *condition
	Edited bool // the list shows other records than its view says
	CanAdd bool // to the saved views that all have

	Words   string // that are searched for
	Keep    []web.Option
	Chips   []chip
	Fields  []web.Option // to filter by: the addresses at which their conditions are asked for
	Orders  []option
	Columns []option
	Heads   []headCell
	Rows    []row
	Count   string
	Pager   web.Pager
	Undo    *undoLine
	Deeds   []deed
	All     string // says how many there are, where more are meant than are shown

	Deleted, Filtered                                   bool
	MayCreate, MayImport, MayWrite, MaySelect, MayErase bool
	DeletedHref                                         string
	Exports                                             []web.Option // the addresses of the list as files
	Fresh                                               fresh
}

// headCell is a heading of the table.
type headCell struct {
	Label string
	Class string
	Href  string // sorts by it; "" where that is not possible
	Sort  string // ascending, descending, or ""
}

// row is a record of the list.
type row struct {
	*record.Record
	Name  string
	Level *cell
	State cell
	Cells []rowCell
	Late  bool // and no column says so
}

type rowCell struct {
	cell
	Class string
}

// look is how a list is looked at: which records, in which view, with which columns.
type look struct {
	query   record.Query
	view    viewTab
	columns []string
	tabs    []viewTab
}

// list shows the records of the kind.
func (x *desk) list(w http.ResponseWriter, r *http.Request) error {
	if to, ok, err := x.composed(r); err != nil || ok {
		if err != nil {
			return err
		}
		return x.opt.Site.Redirect(w, r, to)
	}
	l, err := x.look(r)
	if err != nil {
		return err
	}
	view, err := x.listView(r, l)
	if err != nil {
		return err
	}
	return x.opt.Site.Render(w, r, http.StatusOK, "desk/list", view)
}

// look reads an address. One that says nothing but a view is that view's, one that says nothing at all is that of the view with which the
// reader begins.
func (x *desk) look(r *http.Request) (l look, err error) {
	reading, err := x.opt.Store.Reading(r.Context(), web.User(r), x.kind.Name)
	if err != nil {
		return l, err
	}
	if l.tabs, err = x.viewTabs(r); err != nil {
		return l, err
	}
	values := r.URL.Query()
	name, says := values.Get("view"), false
	for key := range values {
		says = says || !strings.HasPrefix(key, "_") && !slices.Contains(record.Aside(), key)
	}
	if !says && name == "" {
		name = reading.View
	}
	at := slices.IndexFunc(l.tabs, func(t viewTab) bool { return t.ID == name })
	if at < 0 && !says {
		at = 0
	}
	if at >= 0 {
		l.view = l.tabs[at]
	}
	columns := values.Get("columns")
	if !says {
		values = l.view.values()
	}
	if l.query, err = x.kind.ParseQuery(values, record.Aside()...); err != nil {
		return l, err
	}
	l.columns = x.columns(columns, l.view.Columns, reading.Columns)
	return l, nil
}

// columns are those that the address names, else those of the view, else the reader's own, else the kind's.
func (x *desk) columns(address string, choices ...[]string) []string {
	choices = append([][]string{strings.Fields(strings.ReplaceAll(address, ",", " "))}, append(choices, x.kind.Columns)...)
	for _, names := range choices {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !x.showable(x.kind.Field(name)) })
		if len(names) > 0 {
			return names
		}
	}
	return nil
}

// showable reports whether a field can be a column; title and state always are.
func (x *desk) showable(f *record.Field) bool {
	return f != nil && !f.Secret && f.Type.Word() != "long" && f.Name != "title" && f.Name != "state"
}

// address is that of a list. One without a condition is that of everything, whatever view it came from.
func (x *desk) address(q record.Query, view string, more ...string) string {
	values := q.Values()
	if len(values) == 0 {
		view = everything
	}
	if view != "" {
		values.Set("view", view)
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			values.Set(more[i], more[i+1])
		}
	}
	return x.kind.Path + "?" + values.Encode()
}

func (x *desk) listView(r *http.Request, l look) (*listView, error) {
	p, user := web.T(r), web.User(r)
	in, err := x.inputs(r)
	if err != nil {
		return nil, err
	}
	b, err := x.newBook(r.Context(), p)
	if err != nil {
		return nil, err
	}
	address := r.URL.Query()
	shown := address.Get("columns")
	v := &listView{
		Many: many(p, x.kind), One: one(p, x.kind), About: say(p, x.kind, "", "about"), Empty: say(p, x.kind, "", "empty"), Home: x.kind.Path,
		Self: x.address(l.query, l.view.ID, "columns", shown), Query: l.query.Values().Encode(), Tabs: l.tabs, View: l.view, Words: l.query.Text, Deleted: l.query.Deleted,
		Filtered:  len(l.query.Filters) > 0 || l.query.Text != "",
		MayCreate: !x.kind.Without.Create && user.May(x.kind.MayWrite()), MayImport: !x.kind.Without.Import && user.May(x.kind.MayWrite()),
		MayWrite: user.May(x.kind.MayWrite()), MayErase: !x.kind.Without.Delete && user.May(x.kind.MayDelete()),
	}
	if x.Head != nil {
		if v.Links, err = x.Head(r); err != nil {
			return nil, err
		}
	}
	v.Edited = v.View.ID != "" && v.View.Query != v.Query
	v.Keep = keep(l, shown)
	v.Fresh = x.freshView(l, v.Self, time.Now())
	v.Chips = x.chips(r, b, l)
	x.filters(r, in, l, v)
	v.Orders, v.Columns = x.orders(p, l), x.columnOptions(p, l)
	if v.MayErase {
		v.DeletedHref = x.address(record.Query{Deleted: true}, "")
	}
	for _, format := range []sheet.Format{sheet.CSV, sheet.XLSX, sheet.JSON} {
		values := l.query.Values()
		values.Set("format", string(format))
		v.Exports = append(v.Exports, web.Option{Label: p.T("record.list.export." + string(format)), Value: x.kind.Path + "/-/export?" + values.Encode()})
	}
	return v, x.fill(r, b, l, v)
}

// keep are the hidden fields of the search form: the address but for the words and the page.
func keep(l look, columns string) (list []web.Option) {
	q := l.query
	q.Text = ""
	values := q.Values()
	values.Set("view", l.view.ID)
	if columns != "" {
		values.Set("columns", columns)
	}
	return hidden(values)
}

func hidden(values url.Values) (list []web.Option) {
	for _, name := range sorted(values) {
		for _, text := range values[name] {
			list = append(list, web.Option{Label: name, Value: text})
		}
	}
	return list
}

func sorted(values url.Values) (names []string) {
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fill reads the page's records and the counts.
func (x *desk) fill(r *http.Request, b *book, l look, v *listView) error {
	limit := listPage
	if n, err := strconv.Atoi(r.URL.Query().Get("limit")); err == nil {
		limit = min(max(n, 1), record.MaxPage)
	}
	env, cursor := x.env(r), r.URL.Query().Get("cursor")
	page, err := x.opt.Store.Listed(r.Context(), x.kind.Name, l.query, env, cursor, limit)
	if err != nil {
		return err
	}
	n, more := page.Count, page.More
	v.Count = countWord(b.p, n, more)
	v.Pager.Text = b.p.T("record.list.count", v.Count)
	if page.Next != "" {
		v.Pager.Next = v.Self + "&cursor=" + url.QueryEscape(page.Next)
		if !more && n <= record.MaxBulk {
			v.All = v.Count
		}
	}
	if cursor != "" {
		before, err := x.opt.Store.Before(r.Context(), x.kind.Name, l.query, env, cursor, limit)
		if err != nil {
			return err
		}
		v.Pager.Prev = v.Self
		if before != "" {
			v.Pager.First, v.Pager.Prev = v.Self, v.Self+"&cursor="+url.QueryEscape(before)
		}
	}
	for i := range v.Tabs {
		t := &v.Tabs[i]
		t.Href = x.kind.Path + "?" + t.address()
		if t.ID == v.View.ID && !v.Edited {
			t.Count = v.Count
		} else if i < maxCounted {
			t.Count = x.tabCount(r, b.p, *t)
		}
	}
	x.table(b, l, page.Items, v)
	if err := x.undoLine(r, v); err != nil {
		return err
	}
	if !v.Deleted {
		v.Deeds = x.deeds(b.p, web.User(r), page.Items)
	}
	v.MaySelect = len(v.Deeds) > 0
	return nil
}

// maxCounted is how many tabs say how many records they show.
const maxCounted = 12

// tabCount counts a view's records; one whose query cannot be asked any more (a person is gone) has no count.
func (x *desk) tabCount(r *http.Request, p *i18n.Printer, t viewTab) string {
	q, err := x.kind.ParseQuery(t.values(), record.Aside()...)
	if err != nil {
		return ""
	}
	n, more, err := x.opt.Store.Count(r.Context(), x.kind.Name, q, x.env(r))
	if err != nil {
		return ""
	}
	return countWord(p, n, more)
}

func countWord(p *i18n.Printer, n int64, more bool) string {
	if more {
		return p.Number(n) + "+"
	}
	return p.Number(n)
}

// table makes headings and rows.
func (x *desk) table(b *book, l look, items []*record.Record, v *listView) {
	now := time.Now()
	level := x.levelField()
	var shown []*record.Field
	for _, name := range l.columns {
		if f := x.kind.Field(name); f != level {
			shown = append(shown, f)
		}
	}
	if level != nil {
		v.Heads = append(v.Heads, x.headCell(b.p, l, level, "mark"))
	}
	v.Heads = append(v.Heads, x.headCell(b.p, l, x.kind.Field("title"), ""), x.headCell(b.p, l, x.kind.Field("state"), ""))
	for i, f := range shown {
		v.Heads = append(v.Heads, x.headCell(b.p, l, f, columnClass(f, i)))
	}
	for _, rec := range items {
		line := row{Record: rec, Name: x.titleOf(b.p, rec), State: b.cell(rec, x.kind.Field("state"), now), Late: rec.Overdue(now) && !slices.Contains(l.columns, "due")}
		if level != nil {
			c := b.cell(rec, level, now)
			line.Level = &c
		}
		for i, f := range shown {
			line.Cells = append(line.Cells, rowCell{b.cell(rec, f, now), columnClass(f, i)})
		}
		v.Rows = append(v.Rows, line)
	}
}

// levelField is the kind's severity, which stands before the title as a mark; nil where it has none.
func (x *desk) levelField() *record.Field {
	for i := range x.kind.Fields {
		if f := &x.kind.Fields[i]; f.Type.Word() == "level" && !f.Secret {
			return f
		}
	}
	return nil
}

// columnClass says where a column goes when there is little room: the first two stay as long as they can.
func columnClass(f *record.Field, i int) string {
	class := "clip"
	if f.Type.Word() == "int" {
		class = "num"
	}
	if i < 2 {
		return class + " spare"
	}
	return class + " extra"
}

func (x *desk) headCell(p *i18n.Printer, l look, f *record.Field, class string) headCell {
	h := headCell{Label: label(p, x.kind, f.Name), Class: class}
	if !f.Sort {
		return h
	}
	q := l.query
	current := q.Sort
	if current == "" {
		current = x.kind.Sort
	}
	q.Sort = f.Name
	switch current {
	case f.Name:
		h.Sort, q.Sort = "ascending", "-"+f.Name
	case "-" + f.Name:
		h.Sort = "descending"
	}
	h.Href = x.address(q, l.view.ID)
	return h
}

// orders are what the list can be sorted by.
func (x *desk) orders(p *i18n.Printer, l look) (list []option) {
	add := func(sort, label string) {
		list = append(list, option{Value: sort, Label: label, Chosen: l.query.Sort == sort})
	}
	add("", p.T("record.list.sort.usual"))
	for _, s := range x.kind.Sorts {
		add(s.Name, say(p, x.kind, s.Name, "sort", s.Name))
		add("-"+s.Name, p.T("record.list.sort.down", say(p, x.kind, s.Name, "sort", s.Name)))
	}
	for _, f := range x.kind.All() {
		if f.Sort {
			add(f.Name, label(p, x.kind, f.Name))
			add("-"+f.Name, p.T("record.list.sort.down", label(p, x.kind, f.Name)))
		}
	}
	return list
}

func (x *desk) columnOptions(p *i18n.Printer, l look) (list []option) {
	for _, f := range x.kind.All() {
		if x.showable(f) {
			list = append(list, option{Value: f.Name, Label: label(p, x.kind, f.Name), Chosen: slices.Contains(l.columns, f.Name)})
		}
	}
	return list
}

// chooseColumns keeps which columns the reader wants to see.
func (x *desk) chooseColumns(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	user := web.User(r)
	reading, err := x.opt.Store.Reading(r.Context(), user, x.kind.Name)
	if err != nil {
		return err
	}
	reading.Columns = r.PostForm["column"]
	if err := x.opt.Store.SetReading(r.Context(), user, x.kind.Name, reading); err != nil {
		return err
	}
	next := x.next(r)
	address := next.Query()
	address.Del("columns")
	if tab, ok := x.tabOf(r, address.Get("view")); ok && len(tab.Columns) > 0 {
		address.Set("columns", strings.Join(reading.Columns, ",")) // the view has its own
	}
	next.RawQuery = address.Encode()
	return x.opt.Site.Redirect(w, r, next.String())
}

// next is the list that a form came from.
func (x *desk) next(r *http.Request) *url.URL {
	if u, err := url.Parse(r.PostFormValue("next")); err == nil && u.Path == x.kind.Path && !u.IsAbs() && u.Host == "" {
		return &url.URL{Path: u.Path, RawQuery: u.RawQuery}
	}
	return &url.URL{Path: x.kind.Path}
}

// personName is what a person is called, for texts that no template writes.
func (d *Desk) personName(r *http.Request, id string) string {
	if id == "" || id == "system" || id == "local" || d.opt.People == nil {
		return id
	}
	person, err := d.opt.People.Person(r.Context(), id)
	if err != nil || person.Name == "" {
		return id
	}
	return person.Name
}
