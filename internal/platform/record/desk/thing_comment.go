package desk

import (
	"cmp"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/document"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/web"
)

// timelineView is what was said about a record and done to it, the latest first.
type timelineView struct {
	Items    []timelineItem
	Typed    string
	MayWrite bool
	Older    string // address of older comments
}

// timelineItem is a comment, or an entry of the history.
type timelineItem struct {
	At      time.Time
	Entry   *entryView
	About   string // which thing the entry is about
	Comment *record.Comment
	Text    template.HTML
	MayEdit bool
	MayKill bool
	Self    string // of the comment
}

// timelinePage is how many comments, and how much history between them, one page shows.
const timelinePage = 50

func (x *desk) timeline(r *http.Request, view *detailView, b *book) (timelineView, error) {
	user := web.User(r)
	v := timelineView{Typed: typedIn(r).Get("text"), MayWrite: mayWriteNow(user, view.Record)}
	page, err := x.opt.Store.Comments(r.Context(), user, x.kind.Name, view.ID, r.URL.Query().Get("cursor"), timelinePage)
	if err != nil {
		return v, err
	}
	for _, c := range page.Items {
		v.Items = append(v.Items, x.commentItem(r, view, c, v.MayWrite))
	}
	if page.Next != "" {
		v.Older = view.Self + "?tab=timeline&cursor=" + page.Next
	}
	if r.URL.Query().Get("cursor") != "" {
		return v, nil // further back, comments alone: the history tab has the rest
	}
	done, err := x.opt.Store.History(r.Context(), user, x.kind.Name, view.ID, "", timelinePage)
	for _, e := range done.Items {
		if !strings.HasPrefix(e.Action, "comment") {
			entry := x.entry(b, e)
			v.Items = append(v.Items, timelineItem{At: e.At, Entry: &entry, About: about(b, e)})
		}
	}
	slices.SortStableFunc(v.Items, func(a, b timelineItem) int { return b.At.Compare(a.At) })
	return v, err
}

// about names the thing that an entry of a history is about: a file, a task, another record.
func about(b *book, e record.Entry) string {
	for _, c := range e.Changes {
		switch {
		case c.Field == "attach.name", c.Field == "task.title":
			return cmp.Or(c.To, c.From)
		case strings.HasPrefix(c.Field, "link."):
			return b.titleOf(cmp.Or(c.To, c.From))
		}
	}
	return ""
}

func (x *desk) commentItem(r *http.Request, view *detailView, c record.Comment, mayWrite bool) timelineItem {
	user, there := web.User(r), mayWrite && c.DeletedAt.IsZero()
	return timelineItem{
		At: c.At, Comment: &c, Text: x.prose(r, c.Text, "c-"+c.ID+"-", c.Mentions...), Self: view.Self + "/comments/" + c.ID,
		MayEdit: there && c.Author == user.ID, MayKill: there && (c.Author == user.ID || user.May(x.kind.MayDelete())),
	}
}

// prose makes markup of Markdown, with the names of those whom it mentions and the titles of the records that it refers to.
func (d *Desk) prose(r *http.Request, text, anchor string, mentions ...record.Mention) template.HTML {
	hooks := d.hooks(r, mentions)
	hooks.Anchor = anchor
	return document.HTML(text, hooks)
}

// maxReferences is how many other records one text can name by their titles; what more it refers to stays as it was written.
const maxReferences = 100

// hooks tie Markdown to people and records: of those the reader may see, "[[kind/id]]", or the address of a page in its place, reads as the title.
func (d *Desk) hooks(r *http.Request, mentions []record.Mention) document.Hooks {
	known := make(map[ref.Ref]document.Target)
	return document.Hooks{Mention: d.mentioned(r, mentions), Record: func(reference string) (document.Target, bool) {
		one, err := d.refOf(reference)
		if err != nil {
			return document.Target{}, false
		}
		target, looked := known[one]
		if !looked && len(known) < maxReferences {
			if rec, err := d.opt.Store.Get(r.Context(), web.User(r), one.Kind, one.ID); err == nil {
				target = document.Target{Text: d.titleOf(web.T(r), rec), Href: rec.Address()}
			}
			known[one] = target
		}
		return target, target.Href != ""
	}}
}

// mentioned knows the people of the "@word"s that somebody was found for when the text was written.
func (d *Desk) mentioned(r *http.Request, mentions []record.Mention) func(string) (document.Target, bool) {
	return func(name string) (document.Target, bool) {
		for _, m := range mentions {
			local, _, _ := strings.Cut(m.Word, "@")
			if rest, ok := strings.CutPrefix(name, local); ok && (rest == "" || rest[0] >= 0x80) { // Japanese goes on without a space
				return document.Target{Text: "@" + d.opt.Site.NameOf(r, m.Person) + rest}, true
			}
		}
		return document.Target{}, false
	}
}

// comment says something about a record.
func (x *desk) comment(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	_, err := x.opt.Store.Comment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PostFormValue("text"))
	return x.done(w, r, tabTimeline, err)
}

// commentView is the form of a comment that is changed.
type commentView struct {
	head
	Comment string
	Was     int64
	Text    string
	Error   string
}

// commentForm shows a comment to its author, to be changed.
func (x *desk) commentForm(w http.ResponseWriter, r *http.Request) error {
	return x.showComment(w, r, http.StatusOK, nil)
}

func (x *desk) showComment(w http.ResponseWriter, r *http.Request, status int, problem error) error {
	user, id := web.User(r), r.PathValue("thing")
	rec, err := x.opt.Store.Get(r.Context(), user, x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	c, err := x.opt.Store.OneComment(r.Context(), user, x.kind.Name, rec.ID, id)
	if err != nil {
		return err
	}
	if c.Author != user.ID || !c.DeletedAt.IsZero() {
		return fault.New(fault.Forbidden, "record.fault.comment_author", "only its author changes a comment")
	}
	b, err := x.newBook(r.Context(), web.T(r))
	if err != nil {
		return err
	}
	view := commentView{head: x.head(r, rec, b), Comment: id, Was: c.Version, Text: c.Text}
	if problem != nil {
		view.Error, view.Text = problemText(r, problem), r.PostFormValue("text")
	}
	return x.opt.Site.Render(w, r, status, "desk/comment", view)
}

func (x *desk) editComment(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	was, err := version(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	err = x.opt.Store.EditComment(r.Context(), web.User(r), x.kind.Name, id, r.PathValue("thing"), was, r.PostFormValue("text"))
	if fault.Is(err, fault.Invalid) {
		return x.showComment(w, r, http.StatusUnprocessableEntity, err)
	}
	return x.done(w, r, tabTimeline, err)
}

func (x *desk) deleteComment(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	was, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return fault.New(fault.Invalid, "record.fault.form", "the form names no version")
	}
	return x.done(w, r, tabTimeline, x.opt.Store.DeleteComment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), was))
}
