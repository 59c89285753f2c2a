package desk

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// apiAttachments are the files of a record with their custody, for programs. Taking an original over is a person's, as on the page; who is asked
// to and will not, and who asked and keeps it, takes the offer away.
func (x *desk) apiAttachments() []web.Route {
	self := x.apiPath() + "/{id}/attachments"
	one := self + "/{thing}"
	read, write := x.mayRead(), x.mayWrite()
	file := openapi.Of(attachmentJSON{})

	chain := x.doc("The chain of custody of one, the latest first", nil, openapi.Page(openapi.Of(custodyJSON{})))
	chain.Query = paging()
	chain.Description = "Downloads are readings: each that asks for the whole file, and of those that ask for parts one a person, file and ten minutes. A HEAD request is none."
	download := x.doc("Download one", nil, openapi.File("application/octet-stream"))
	download.AnswerType, download.Status = "application/octet-stream", http.StatusOK
	download.Headers = []openapi.Parameter{{Name: "Range", Description: "A part of it: bytes=0-1023. The answer is 206 then."}}
	download.Description = "It stands in the chain of custody. The ETag is its SHA-256."
	return []web.Route{
		{Pattern: "GET " + self, Permission: read, Handle: x.apiFiles, Doc: x.doc("The files of one, removed ones among them; all at once", nil, openapi.Page(file))},
		{Pattern: "POST " + self, Permission: write, Handle: x.apiAttach, Doc: x.docAttach(file)},
		{Pattern: "GET " + one, Permission: read, Handle: x.apiFileInfo, Doc: x.doc("Read what is known of a file", nil, file)},
		{Pattern: "GET " + one + "/file", Permission: read, Handle: x.file, Doc: download},
		{Pattern: "GET " + one + "/custody", Permission: read, Handle: x.apiChain, Doc: chain},
		{Pattern: "POST " + one + "/verify", Permission: read, Handle: x.apiVerify, Doc: repeatable(x.doc("Compare a file with what was received", nil, file))},
		{Pattern: "POST " + one + "/place", Permission: write, Handle: x.apiPlace, Doc: repeatable(x.doc("Say where the original lies now", openapi.Of(placing{}), file))},
		{Pattern: "POST " + one + "/offer", Permission: read, Handle: x.apiOffer, Doc: repeatable(x.doc("Offer the original to somebody, who has to take it over", openapi.Of(offering{}), file))},
		{Pattern: "DELETE " + one + "/offer", Permission: read, Handle: x.apiUnoffer, Doc: x.doc("Decline what is offered to you, or keep what you offered", openapi.Of(noting{}), file)},
		{Pattern: "POST " + one + "/take", Permission: read, Fresh: true, Handle: x.apiTake, Doc: repeatable(x.doc("Take the original over", openapi.Of(noting{}), file))},
		{Pattern: "DELETE " + one, Permission: write, Handle: x.apiRemoveFile, Doc: x.doc("Take a file away from its record, with the reason; it stays listed", openapi.Of(reason{}), nil)},
	}
}

// repeatable says that a POST can be sent again.
func repeatable(op *openapi.Operation) *openapi.Operation {
	op.Headers = append(op.Headers, openapi.IdempotencyKey())
	return op
}

func (x *desk) docAttach(file openapi.Schema) *openapi.Operation {
	op := repeatable(x.doc("Attach a file", openapi.File("application/octet-stream"), file))
	op.Status, op.BodyType = http.StatusCreated, "application/octet-stream"
	op.Description = "The body is the file, of any media type, named in the query; or a form of one file, with `note` and `place` before it. It is read as it comes and bounded by the server's `attachments.max_size`."
	op.Query = []openapi.Parameter{
		{Name: "name", Description: "What the file is called. A form says it itself."},
		{Name: "note", Description: "What it is; a form has it as a field."}, {Name: "place", Description: "Where the original lies; a form has it as a field."},
	}
	op.Bodies = map[string]any{"multipart/form-data": openapi.Object(
		openapi.Property{Name: "note", Schema: openapi.String()}, openapi.Property{Name: "place", Schema: openapi.String()},
		openapi.Property{Name: "file", Schema: openapi.File("application/octet-stream"), Required: true})}
	return op
}

// attachmentJSON is a file of a record as programs see it.
type attachmentJSON struct {
	ID      string       `json:"id"`
	At      time.Time    `json:"at"`
	Author  string       `json:"author"`
	Name    string       `json:"name"`
	Size    int64        `json:"size"`
	SHA256  string       `json:"sha256"`
	Media   string       `json:"media"` // by its first bytes
	Note    string       `json:"note"`
	Place   string       `json:"place"`
	Holder  string       `json:"holder"`            // who answers for the original
	Offered string       `json:"offered,omitempty"` // who is to take it over
	Checked *time.Time   `json:"checked,omitempty"`
	Damaged string       `json:"damaged,omitempty"` // the hash of other bytes than those received, or - where there are none
	Removed *deletedJSON `json:"removed,omitempty"`
	Erased  *time.Time   `json:"erased,omitempty"`
}

func fileOf(a record.Attachment) attachmentJSON {
	out := attachmentJSON{a.ID, a.At, a.Author, a.Name, a.Size, a.SHA256, a.Media, a.Note, a.Place, a.Holder, a.Offered, moment(a.CheckedAt), a.Damaged, nil, moment(a.ErasedAt)}
	if !a.RemovedAt.IsZero() {
		out.Removed = &deletedJSON{a.RemovedAt, a.RemovedBy, a.RemovedWhy}
	}
	return out
}

func (x *desk) apiFiles(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Store.Attachments(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	items := make([]attachmentJSON, 0, len(list))
	for _, a := range list {
		items = append(items, fileOf(a))
	}
	return web.JSON(w, http.StatusOK, pageOf(items, ""))
}

func (x *desk) apiFileInfo(w http.ResponseWriter, r *http.Request) error {
	a, err := x.opt.Store.Attachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, fileOf(a))
}

// apiAttach takes one file as it comes: the body itself, or the file of a form.
func (x *desk) apiAttach(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	with := record.Attaching{Name: query.Get("name"), Note: query.Get("note"), Place: query.Get("place")}
	content := io.Reader(r.Body)
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == "multipart/form-data" {
		r.Body = http.MaxBytesReader(w, r.Body, x.opt.Store.MaxFile()+4*maxFormPart)
		if content, err = formFile(r, &with); err != nil {
			return err
		}
	}
	if with.Name == "" {
		return record.Wrong{"name": fault.New(fault.Invalid, "record.fault.missing", "the file has no name")}
	}
	a, err := x.opt.Store.Attach(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), content, with)
	if err != nil {
		return err
	}
	w.Header().Set("Location", x.apiPath()+"/"+a.RecordID+"/attachments/"+a.ID)
	return web.JSON(w, http.StatusCreated, fileOf(a))
}

// formFile finds the one file of a form, and reads what stands before it.
func formFile(r *http.Request, with *record.Attaching) (io.Reader, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, record.Wrong{"file": fault.New(fault.Invalid, "record.fault.missing", "there is no file")}
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
		}
		if part.FormName() == "file" {
			with.Name = part.FileName()
			return &onlyFile{form, part}, nil
		}
		if err := readPart(part, with); err != nil {
			return nil, err
		}
	}
}

// onlyFile is a form's file, whose end is an error where the form goes on: what stands behind it would be lost without a word.
type onlyFile struct {
	form *multipart.Reader
	part *multipart.Part
}

func (f *onlyFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if errors.Is(err, io.EOF) {
		if _, more := f.form.NextPart(); !errors.Is(more, io.EOF) {
			err = fault.New(fault.Invalid, "record.fault.form", "a form has one file, and its fields before it")
		}
	}
	return n, err
}

// custodyJSON is a link of a chain of custody as programs see it.
type custodyJSON struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	From   string    `json:"from"` // a person's id, a place or a hash, as the action has it
	To     string    `json:"to"`
	Note   string    `json:"note"`
}

func (x *desk) apiChain(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Store.Chain(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	items := make([]custodyJSON, 0, len(page.Items))
	for _, c := range page.Items {
		items = append(items, custodyJSON{c.ID, c.At, c.Actor, c.Action, c.From, c.To, c.Note})
	}
	return web.JSON(w, http.StatusOK, pageOf(items, page.Next))
}

func (x *desk) apiVerify(w http.ResponseWriter, r *http.Request) error {
	a, err := x.opt.Store.VerifyAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, fileOf(a))
}

// The bodies of what is done with a file.
type (
	placing struct {
		Place string `json:"place"`
		Note  string `json:"note,omitempty"`
	}
	offering struct {
		To   string `json:"to"` // a person: an id or a mail address
		Note string `json:"note,omitempty"`
	}
	noting struct {
		Note string `json:"note,omitempty"`
	}
	reason struct {
		Why string `json:"why"`
	}
)

func (x *desk) apiPlace(w http.ResponseWriter, r *http.Request) error {
	var asked placing
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if err := x.opt.Store.PlaceAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), asked.Place, asked.Note); err != nil {
		return err
	}
	return x.apiFileInfo(w, r)
}

func (x *desk) apiOffer(w http.ResponseWriter, r *http.Request) error {
	var asked offering
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	to, err := x.personID(r, "to", asked.To)
	if err == nil {
		err = x.opt.Store.OfferAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), to, asked.Note)
	}
	if err != nil {
		return err
	}
	return x.apiFileInfo(w, r)
}

func (x *desk) apiTake(w http.ResponseWriter, r *http.Request) error {
	return x.apiAnswerOffer(w, r, record.Taken)
}

// apiUnoffer takes an offer away: the store decides whether who asks is one of the two whom it concerns.
func (x *desk) apiUnoffer(w http.ResponseWriter, r *http.Request) error {
	a, err := x.opt.Store.Attachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"))
	if err != nil {
		return err
	}
	if a.Offered == web.User(r).ID {
		return x.apiAnswerOffer(w, r, record.Declined)
	}
	return x.apiAnswerOffer(w, r, record.Kept)
}

func (x *desk) apiAnswerOffer(w http.ResponseWriter, r *http.Request, answer string) error {
	var asked noting
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if err := x.opt.Store.TakeAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), answer, asked.Note); err != nil {
		return err
	}
	return x.apiFileInfo(w, r)
}

func (x *desk) apiRemoveFile(w http.ResponseWriter, r *http.Request) error {
	var asked reason
	if err := readJSON(w, r, &asked); err != nil {
		return err
	}
	if err := x.opt.Store.RemoveAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), asked.Why); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
