package desk

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiImports bring lists in, for programs: sent, tried, and done in portions.
func (x *desk) apiImports() []web.Route {
	root, write := x.apiPath()+"/-/imports", x.mayWrite()
	self := root + "/{upload}"
	one := openapi.Of(uploadJSON{})
	send := repeatable(x.doc("Send a list: CSV or XLSX", openapi.File("text/csv"), one))
	send.Status, send.BodyType = http.StatusCreated, "text/csv"
	send.Description = "The body is the file, whatever its media type says, or a form with it. It is kept for an hour. `fields` is what its columns seem to be, by their headings in any language."
	send.Query = []openapi.Parameter{{Name: "name", Description: "What the file is called. A form says it itself."}}
	send.Bodies = map[string]any{
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": openapi.File("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
		"multipart/form-data": openapi.Object(openapi.Property{Name: "file", Schema: openapi.File("text/csv"), Required: true}),
	}
	fates := openapi.Enum(fateNames()...)
	lines := x.doc("What becomes of each line", nil, openapi.Page(openapi.Of(lineJSON{}).Replacing("fate", fates)))
	lines.Query = append([]openapi.Parameter{{Name: "fate", Description: "Only the lines of one fate.", Schema: fates}}, paging()...)
	check := repeatable(x.doc("Say what would become of each line, and change nothing", openapi.Of(checking{}), one))
	check.Description = "`fields` are the fields of the columns in their order, an empty text for one that is left; without it they are those that were guessed."
	run := repeatable(x.doc("Import for some seconds what the dry run said", nil, one))
	run.Description = "Ask again, with another key, until `state` is done. Nothing is done twice."
	return []web.Route{
		{Pattern: "POST " + root, Permission: write, Handle: x.apiUpload, Doc: send},
		{Pattern: "GET " + root, Permission: write, Handle: x.apiUploads, Doc: x.doc("The lists that you sent and that are kept yet, the latest first; all at once", nil, openapi.Page(one))},
		{Pattern: "GET " + self, Permission: write, Handle: x.apiImport, Doc: x.doc("Read how an import stands", nil, one)},
		{Pattern: "GET " + self + "/lines", Permission: write, Handle: x.apiLines, Doc: lines},
		{Pattern: "POST " + self + "/check", Permission: write, Handle: x.apiCheck, Doc: check},
		{Pattern: "POST " + self + "/run", Permission: write, Handle: x.apiRun, Doc: run},
		{Pattern: "DELETE " + self, Permission: write, Handle: x.apiDrop, Doc: x.doc("Forget a list that was sent; what was imported of it stays", nil, nil)},
	}
}

func fateNames() (names []string) {
	names = append(names, string(record.FateWaiting))
	for _, f := range fateLooks() {
		names = append(names, string(f.fate))
	}
	return names
}

// uploadJSON is a list that was sent as programs see it.
type uploadJSON struct {
	ID       string                `json:"id"`
	At       time.Time             `json:"at"`
	Name     string                `json:"name"`
	State    string                `json:"state"` // sent, checked, done
	Headings []string              `json:"headings"`
	Fields   []string              `json:"fields"` // one a column; empty for one that is left
	Blanks   bool                  `json:"blanks"` // an empty cell empties the field
	Lines    int64                 `json:"lines"`
	Fates    map[record.Fate]int64 `json:"fates"` // how many lines have each
}

func (x *desk) uploadOf(u *record.Upload) uploadJSON {
	return uploadJSON{u.ID, u.At, u.Name, u.State, u.Headings, x.fieldsOf(u), u.Blanks, u.Lines(), u.Fates}
}

func (x *desk) answerUpload(w http.ResponseWriter, status int, u *record.Upload) error {
	return web.JSON(w, status, x.uploadOf(u))
}

func (x *desk) apiUploads(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Uploads(r.Context(), web.User(r), x.kind.Name)
	if err != nil {
		return err
	}
	items := make([]uploadJSON, 0, len(list))
	for _, u := range list {
		items = append(items, x.uploadOf(u))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, ""))
}

func (x *desk) apiUpload(w http.ResponseWriter, r *http.Request) error {
	receive := x.receivedBody
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == "multipart/form-data" {
		receive = x.received
	}
	u, err := receive(w, r)
	if err != nil {
		return err
	}
	w.Header().Set("Location", x.apiPath()+"/-/imports/"+u.ID)
	return x.answerUpload(w, http.StatusCreated, u)
}

// receivedBody takes a list that is the body itself. It lies in a temporary file while it is read: an XLSX is read from its end.
func (x *desk) receivedBody(w http.ResponseWriter, r *http.Request) (u *record.Upload, err error) {
	file, err := os.CreateTemp("", "yagura-import-*")
	if err != nil {
		return nil, fmt.Errorf("keeping the list: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if _, err := io.Copy(file, http.MaxBytesReader(w, r.Body, maxUpload)); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, tooLarge()
		}
		return nil, fault.New(fault.Invalid, "record.fault.form", "the list cannot be read: %w", err)
	}
	return x.keepList(r, r.URL.Query().Get("name"), file)
}

func (x *desk) apiImport(w http.ResponseWriter, r *http.Request) error {
	u, err := x.opt.Store.UploadOf(r.Context(), web.User(r), x.kind.Name, r.PathValue("upload"))
	if err != nil {
		return err
	}
	return x.answerUpload(w, http.StatusOK, u)
}

// lineJSON is a line of a list with what becomes of it.
type lineJSON struct {
	Number   int64           `json:"number"` // in the file
	Fate     record.Fate     `json:"fate"`
	Record   string          `json:"record,omitempty"` // the id of the record that it changes or that was made of it
	Cells    []string        `json:"cells"`
	Changes  []record.Change `json:"changes"`
	Problems []lineProblem   `json:"problems"`
}

// lineProblem is why a line cannot be imported, in the language of who asks.
type lineProblem struct {
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

func (x *desk) lineOf(r *http.Request, l record.Line) lineJSON {
	out := lineJSON{l.Number, l.Fate, l.RecordID, l.Cells, []record.Change{}, []lineProblem{}}
	for _, c := range l.Changes {
		if f := x.kind.Field(c.Field); f == nil || f.Secret {
			c.From, c.To = "", ""
		}
		out.Changes = append(out.Changes, c)
	}
	for _, problem := range l.Problems {
		out.Problems = append(out.Problems, lineProblem{problem.Field, web.T(r).T(problem.Key, problem.Args...)})
	}
	return out
}

func (x *desk) apiLines(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	fate := record.Fate(query.Get("fate"))
	if fate != "" && !slices.Contains(fateNames(), string(fate)) {
		return fault.New(fault.Invalid, "", "there is no fate %q", fate)
	}
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Store.UploadLines(r.Context(), web.User(r), x.kind.Name, r.PathValue("upload"), fate, query.Get("cursor"), limit)
	if err != nil {
		return err
	}
	items := make([]lineJSON, 0, len(page.Items))
	for _, l := range page.Items {
		items = append(items, x.lineOf(r, l))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, page.Next))
}

// checking is what a dry run takes.
type checking struct {
	Fields []string `json:"fields,omitempty"`
	Blanks bool     `json:"blanks,omitempty"`
}

func (x *desk) apiCheck(w http.ResponseWriter, r *http.Request) error {
	var asked checking
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	id := r.PathValue("upload")
	if asked.Fields == nil {
		u, err := x.opt.Store.UploadOf(r.Context(), web.User(r), x.kind.Name, id)
		if err != nil {
			return err
		}
		asked.Fields = x.fieldsOf(u)
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	u, err := x.opt.Store.DryRun(r.Context(), x.env(r), x.kind.Name, id, record.Mapping{Fields: asked.Fields, Blanks: asked.Blanks, Read: x.reading(in)})
	if err != nil {
		return err
	}
	return x.answerUpload(w, http.StatusOK, u)
}

func (x *desk) apiRun(w http.ResponseWriter, r *http.Request) error {
	u, _, err := x.opt.Store.Import(r.Context(), x.env(r), x.kind.Name, r.PathValue("upload"), importFor)
	if err != nil {
		return err
	}
	return x.answerUpload(w, http.StatusOK, u)
}

func (x *desk) apiDrop(w http.ResponseWriter, r *http.Request) error {
	err := x.opt.Store.DropUpload(r.Context(), web.User(r), x.kind.Name, r.PathValue("upload"))
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
