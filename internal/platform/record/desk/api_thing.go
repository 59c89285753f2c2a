package desk

import (
	"net/http"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/sheet"
	"yagura/internal/platform/web"
)

// apiThings are what hangs on a record, for programs: what was said about it and what it is linked to; and the export of the list.
func (x *desk) apiThings() []web.Route {
	root, self := x.apiPath(), x.apiPath()+"/{id}"
	read, write := x.mayRead(), x.mayWrite()
	said := openapi.Object(openapi.Property{Name: "text", Schema: openapi.String().With("Markdown; @name mentions."), Required: true})
	comments := x.doc("What was said about one, the latest first", nil, openapi.Page(openapi.Of(commentJSON{})))
	comments.Query = paging()
	add := x.doc("Say something about one", said, openapi.Of(commentJSON{}))
	add.Status, add.Headers = http.StatusCreated, []openapi.Parameter{openapi.IdempotencyKey()}
	link := x.doc("Link one to another record", openapi.Of(linkAsked{}), nil)
	link.Headers = []openapi.Parameter{openapi.IdempotencyKey()}
	link.Description = "`other` is the reference of a record (kind/id), as the links of one have it, or the address of its page. `back` says the link from the other side."
	export := x.doc("Export the list", nil, openapi.File("text/csv").With("A line a record, the headings first, in your language; UTF-8 with a byte order mark."))
	export.AnswerType, export.Status = "text/csv", http.StatusOK
	export.Answers = map[string]any{sheet.XLSX.ContentType(): openapi.File(sheet.XLSX.ContentType()), sheet.JSON.ContentType(): openapi.Array(exportSchema(x.kind))}
	export.Description = "Filters are those of the list. A stream that fails on its way is cut off. Times and names are written for people, but for JSON, which has ids and RFC 3339."
	export.Query = append([]openapi.Parameter{{Name: "format", Description: "Left out is csv.", Schema: openapi.Enum("csv", "xlsx", "json")}}, x.docList().Query[2:]...)
	return []web.Route{
		{Pattern: "GET " + root + "/export", Permission: read, Handle: x.export, Doc: export},
		{Pattern: "GET " + self + "/comments", Permission: read, Handle: x.apiComments, Doc: comments},
		{Pattern: "POST " + self + "/comments", Permission: write, Handle: x.apiComment, Doc: add},
		{Pattern: "PATCH " + self + "/comments/{thing}", Permission: write, Handle: x.apiEditComment, Doc: changing(x.doc("Change a comment of your own", said, openapi.Of(commentJSON{})))},
		{Pattern: "DELETE " + self + "/comments/{thing}", Permission: write, Handle: x.apiDeleteComment, Doc: changing(x.doc("Delete a comment; that there was one stays", nil, nil))},
		{Pattern: "GET " + self + "/links", Permission: read, Handle: x.apiLinks, Doc: x.doc("What one is linked to, of what you may see", nil, openapi.Page(openapi.Of(linkJSON{})))},
		{Pattern: "POST " + self + "/links", Permission: write, Handle: x.apiLink, Doc: link},
		{Pattern: "DELETE " + self + "/links/{thing}", Permission: write, Handle: x.apiUnlink, Doc: x.doc("Take a link away", nil, nil)},
	}
}

// commentJSON is a comment as programs see it.
type commentJSON struct {
	ID       string           `json:"id"`
	At       time.Time        `json:"at"`
	Author   string           `json:"author"`
	Text     string           `json:"text"` // empty where it was deleted
	Mentions []record.Mention `json:"mentions"`
	Edited   *time.Time       `json:"edited,omitempty"`
	Deleted  *time.Time       `json:"deleted,omitempty"`
	Version  int64            `json:"version"`
}

func commentOf(c record.Comment) commentJSON {
	return commentJSON{c.ID, c.At, c.Author, c.Text, append([]record.Mention{}, c.Mentions...), moment(c.EditedAt), moment(c.DeletedAt), c.Version}
}

// moment leaves out what was never.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func (x *desk) apiComments(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Store.Comments(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	items := make([]commentJSON, 0, len(page.Items))
	for _, c := range page.Items {
		items = append(items, commentOf(c))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, page.Next))
}

// saying is what a comment is made of.
type saying struct {
	Text string `json:"text"`
}

func (x *desk) apiComment(w http.ResponseWriter, r *http.Request) error {
	var said saying
	if err := readJSON(w, r, &said); err != nil {
		return err
	}
	c, err := x.opt.Store.Comment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), said.Text)
	if err != nil {
		return err
	}
	return answerComment(w, http.StatusCreated, c)
}

func answerComment(w http.ResponseWriter, status int, c record.Comment) error {
	w.Header().Set("ETag", etag(c.Version))
	return web.JSON(w, status, commentOf(c))
}

// versionOf is the version that a change of a comment names, 0 for none. Where the comment is of another it is told: 412. One that changes
// between this look and the change is a conflict: 409.
func (x *desk) versionOf(w http.ResponseWriter, r *http.Request) (int64, error) {
	version, err := matched(r)
	if err != nil || version == 0 {
		return 0, err
	}
	c, err := x.opt.Store.OneComment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"))
	if err == nil && c.Version != version {
		w.Header().Set("ETag", etag(c.Version))
		err = fault.New(fault.Outdated, "record.fault.comment_changed", "the comment is of version %d", c.Version)
	}
	return version, err
}

func (x *desk) apiEditComment(w http.ResponseWriter, r *http.Request) error {
	var said saying
	if err := readJSON(w, r, &said); err != nil {
		return err
	}
	version, err := x.versionOf(w, r)
	if err != nil {
		return err
	}
	id, thing := r.PathValue("id"), r.PathValue("thing")
	if err := x.opt.Store.EditComment(r.Context(), web.User(r), x.kind.Name, id, thing, version, said.Text); err != nil {
		return err
	}
	c, err := x.opt.Store.OneComment(r.Context(), web.User(r), x.kind.Name, id, thing)
	if err != nil {
		return err
	}
	return answerComment(w, http.StatusOK, c)
}

func (x *desk) apiDeleteComment(w http.ResponseWriter, r *http.Request) error {
	version, err := x.versionOf(w, r)
	if err != nil {
		return err
	}
	if err := x.opt.Store.DeleteComment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), version); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// linkJSON is a link as its record's programs see it.
type linkJSON struct {
	ID     string    `json:"id"`
	Type   string    `json:"type"`
	Back   bool      `json:"back"`  // the record is what the other one does it to
	Other  string    `json:"other"` // its reference
	Title  string    `json:"title"`
	At     time.Time `json:"at"`
	Author string    `json:"author"`
}

func (x *desk) apiLinks(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Links(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")))
	if err != nil {
		return err
	}
	items := make([]linkJSON, 0, len(list))
	for _, l := range list {
		items = append(items, linkJSON{l.ID, l.Type.Name, l.Back, l.Other.Kind.Ref(l.Other.ID).String(), x.titleOf(web.T(r), l.Other), l.At, l.Author})
	}
	return web.JSON(w, http.StatusOK, pageOf(items, ""))
}

// linkAsked is a link that is asked for.
type linkAsked struct {
	Type  string `json:"type"`
	Back  bool   `json:"back,omitempty"`
	Other string `json:"other"`
}

func (x *desk) apiLink(w http.ResponseWriter, r *http.Request) error {
	var asked linkAsked
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	other, err := x.refOf(asked.Other)
	if err == nil {
		err = x.opt.Store.Link(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")), asked.Type, asked.Back, other)
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (x *desk) apiUnlink(w http.ResponseWriter, r *http.Request) error {
	err := x.opt.Store.Unlink(r.Context(), web.User(r), x.kind.Ref(r.PathValue("id")), r.PathValue("thing"))
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
