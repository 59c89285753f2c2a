package desk

import (
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// linksView is a record's links, and its neighbourhood as a drawing.
type linksView struct {
	Groups   []linkGroup
	Types    []option
	Other    string // as it was typed
	MayWrite bool
	Drawing  template.HTML
	Rows     []edgeRow // of the table behind the drawing
	Depths   []web.Tab
	More     bool
}

// linkGroup is the links of one type and direction.
type linkGroup struct {
	Words string
	Links []linkItem
}

type linkItem struct {
	related
	ID string
}

// edgeRow is a link of the drawing in words.
type edgeRow struct {
	From  related
	Words string
	To    related
}

func (x *desk) linksView(r *http.Request, view *detailView, _ *book) (linksView, error) {
	user, p, one := web.User(r), web.T(r), view.Record.Kind.Ref(view.ID)
	v := linksView{Other: typedIn(r).Get("other"), MayWrite: mayWriteNow(user, view.Record)}
	for _, t := range record.LinkTypes() {
		v.Types = append(v.Types, option{Value: t.Name, Label: p.T("record.link." + t.Name), Chosen: typedIn(r).Get("type") == t.Name})
		if !t.Same {
			v.Types = append(v.Types, option{Value: "<" + t.Name, Label: p.T("record.link." + t.Name + ".back"), Chosen: typedIn(r).Get("type") == "<"+t.Name})
		}
	}
	links, err := x.opt.Store.Links(r.Context(), user, one)
	if err != nil {
		return v, err
	}
	for _, l := range links {
		words := p.T(l.Words())
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Words != words {
			v.Groups = append(v.Groups, linkGroup{Words: words})
		}
		group := &v.Groups[len(v.Groups)-1]
		group.Links = append(group.Links, linkItem{x.related(p, l.Other), l.ID})
	}
	if len(links) == 0 {
		return v, nil
	}
	depth, err := strconv.Atoi(r.URL.Query().Get("depth"))
	if err != nil || depth < 1 || depth > record.MaxDepth {
		depth = 2
	}
	for n := 1; n <= record.MaxDepth; n++ {
		v.Depths = append(v.Depths, web.Tab{Label: p.T("record.graph.depth", n), Path: view.Self + "?tab=links&depth=" + strconv.Itoa(n), Current: n == depth})
	}
	g, err := x.opt.Store.Graph(r.Context(), user, one, depth)
	if err != nil {
		return v, err
	}
	v.More = g.More
	nodes := make([]related, len(g.Nodes))
	for i, n := range g.Nodes {
		nodes[i] = x.related(p, n.Record)
	}
	drawing := graphDrawing{Label: p.T("record.graph.label", view.Name, len(g.Nodes)-1)}
	for i, n := range g.Nodes {
		drawing.Nodes = append(drawing.Nodes, graphNode{related: nodes[i], Depth: n.Depth})
	}
	for _, e := range g.Edges {
		words := p.T("record.graph.edge." + e.Type.Name)
		drawing.Edges = append(drawing.Edges, graphEdge{From: e.From, To: e.To, Words: words, Same: e.Type.Same})
		v.Rows = append(v.Rows, edgeRow{nodes[e.From], words, nodes[e.To]})
	}
	v.Drawing = drawing.SVG()
	return v, nil
}

// link links the record to another.
func (x *desk) link(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	other, err := x.refOf(r.PostFormValue("other"))
	if err == nil {
		typ, back := strings.CutPrefix(r.PostFormValue("type"), "<")
		err = x.opt.Store.Link(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")), typ, back, other)
	}
	return x.done(w, r, tabLinks, err)
}

// unlink takes a link away.
func (x *desk) unlink(w http.ResponseWriter, r *http.Request) error {
	return x.done(w, r, tabLinks, x.opt.Store.Unlink(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")), r.PathValue("thing")))
}
