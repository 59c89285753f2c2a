package room

import (
	"net/http"
	"strconv"
	"time"

	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

// shown is a notice with its words.
type shown struct {
	notify.Entry
	Text, TopicName string
}

func (x *Room) show(r *http.Request, list []notify.Entry) ([]shown, error) {
	texts, err := x.n.Texts(r.Context(), web.T(r), list)
	if err != nil {
		return nil, err
	}
	rows := make([]shown, len(list))
	for i, e := range list {
		rows[i] = shown{e, texts[i], x.n.TopicName(web.T(r), e.Topic)}
	}
	return rows, nil
}

func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	query, now := r.URL.Query(), time.Now()
	all := query.Get("all") != ""
	page, err := x.n.List(r.Context(), web.User(r).ID, notify.Filter{Unread: !all, Topic: query.Get("topic"), Cursor: query.Get("after"), Limit: pageSize})
	if err != nil {
		return err
	}
	rows, err := x.show(r, page.Items)
	if err != nil {
		return err
	}
	unread, err := x.Unread(r) // after the list, which puts right what changed
	if err != nil {
		return err
	}
	t := web.T(r)
	view := struct {
		Tabs   []web.Tab
		Topics []web.Option
		Topic  string
		Rows   []shown
		Pager  web.Pager
		All    bool
		Unread int
		Until  int64 // what the reader has before them
		Admin  bool
	}{
		Tabs: []web.Tab{
			{Label: t.T("notify.unread.tab"), Path: "/notifications", Count: unread, Current: !all},
			{Label: t.T("notify.all.tab"), Path: "/notifications?all=1", Current: all},
		},
		Topics: []web.Option{{Value: "", Label: t.T("notify.topics.all")}}, Topic: query.Get("topic"),
		Rows: rows, Pager: next(r, page.Next), All: all, Unread: unread, Until: now.UnixMicro(), Admin: web.User(r).May(string(MayRead)),
	}
	for _, topic := range x.n.Topics() {
		view.Topics = append(view.Topics, web.Option{Value: topic.Name, Label: x.n.TopicName(t, topic.Name)})
	}
	return x.site.Render(w, r, http.StatusOK, "notify/list", view)
}

// count answers the bell.
func (x *Room) count(w http.ResponseWriter, r *http.Request) error {
	unread, err := x.Unread(r)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "notify/count", unread)
}

// open marks a notice read and leads to what it is about.
func (x *Room) open(w http.ResponseWriter, r *http.Request) error {
	path, err := x.n.Read(r.Context(), web.User(r).ID, r.PathValue("id"))
	if err != nil {
		return err
	}
	if path == "" {
		path = "/notifications?all=1"
	}
	return x.site.Redirect(w, r, path)
}

// read marks one notice read, or all that the reader had before them.
func (x *Room) read(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	person := web.User(r).ID
	if id := values.Get("id"); id != "" {
		if _, err := x.n.Read(r.Context(), person, id); err != nil {
			return err
		}
		return x.site.Redirect(w, r, "/notifications")
	}
	until, err := strconv.ParseInt(values.Get("until"), 10, 64)
	if err != nil {
		until = time.Now().UnixMicro()
	}
	if err := x.n.ReadAll(r.Context(), person, time.UnixMicro(until)); err != nil {
		return err
	}
	return x.site.Done(w, r, "/notifications", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.all_read")})
}
