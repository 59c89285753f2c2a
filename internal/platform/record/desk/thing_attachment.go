package desk

import (
	"bufio"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"yagura/internal/platform/blob"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// evidenceView is the files of a record.
type evidenceView struct {
	There    []record.Attachment
	Removed  []record.Attachment
	Most     int64 // bytes of one file
	MayWrite bool
	Note     string
	Place    string
}

func (x *desk) evidence(r *http.Request, view *detailView) (evidenceView, error) {
	user := web.User(r)
	v := evidenceView{Most: x.opt.Store.MaxFile(), MayWrite: mayWriteNow(user, view.Record)}
	list, err := x.opt.Store.Attachments(r.Context(), user, x.kind.Name, view.ID)
	for _, a := range list {
		if a.RemovedAt.IsZero() {
			v.There = append(v.There, a)
		} else {
			v.Removed = append(v.Removed, a)
		}
	}
	return v, err
}

const (
	maxFormPart = 64 << 10 // bytes of a field beside the files
	maxFiles    = 20       // of one form
)

// attach takes files as they come, without keeping them in memory: the note and the place stand before them in the form.
func (x *desk) attach(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxFiles*(x.opt.Store.MaxFile()+maxFormPart))
	form, err := r.MultipartReader()
	if err != nil {
		return fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
	}
	with, files := record.Attaching{}, 0
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
		}
		if part.FormName() != "file" {
			if err := readPart(part, &with); err != nil {
				return err
			}
			continue
		}
		took, err := x.attachPart(r, part, with)
		if err != nil {
			return x.done(w, r, tabEvidence, err)
		}
		if files += took; files > maxFiles {
			return fault.New(fault.TooLarge, "record.fault.form", "more than %d files at once", maxFiles)
		}
	}
	if files == 0 {
		return x.done(w, r, tabEvidence, record.Wrong{"file": fault.New(fault.Invalid, "record.fault.missing", "there is no file")})
	}
	return x.done(w, r, tabEvidence, nil)
}

// readPart reads a field of a form that is no file.
func readPart(part *multipart.Part, with *record.Attaching) error {
	text, err := io.ReadAll(io.LimitReader(part, maxFormPart))
	if err != nil {
		return fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
	}
	switch part.FormName() {
	case "note":
		with.Note = string(text)
	case "place":
		with.Place = string(text)
	}
	return nil
}

// attachPart attaches a file of a form; a field in which none was chosen is an empty one without a name.
func (x *desk) attachPart(r *http.Request, part *multipart.Part, with record.Attaching) (took int, err error) {
	content := bufio.NewReader(part)
	if _, err := content.Peek(1); part.FileName() == "" && errors.Is(err, io.EOF) {
		return 0, nil
	}
	with.Name = part.FileName()
	_, err = x.opt.Store.Attach(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), content, with)
	return 1, err
}

// attachmentView is the page of a file, with its chain of custody.
type attachmentView struct {
	head
	Attachment record.Attachment
	Chain      []record.Custody
	Older      string
	Inline     bool // a browser may show it
	MayWrite   bool
	MayOffer   bool
	MayKeep    bool // after all
	MayKill    bool
	Mine       bool // it is offered to the reader
	Taking     bool // and they have just proved who they are
	To         input
	Error      string
	Here       string
}

func (x *desk) attachment(w http.ResponseWriter, r *http.Request) error {
	return x.showAttachment(w, r, http.StatusOK, nil)
}

func (x *desk) showAttachment(w http.ResponseWriter, r *http.Request, status int, problem error) error {
	user, p := web.User(r), web.T(r)
	rec, err := x.opt.Store.Get(r.Context(), user, x.kind.Name, r.PathValue("id"))
	if err != nil {
		return err
	}
	a, err := x.opt.Store.Attachment(r.Context(), user, x.kind.Name, rec.ID, r.PathValue("thing"))
	if err != nil {
		return err
	}
	page, err := x.opt.Store.Chain(r.Context(), user, x.kind.Name, rec.ID, a.ID, r.URL.Query().Get("cursor"), 100)
	if err != nil {
		return err
	}
	b, err := x.newBook(r.Context(), p)
	if err != nil {
		return err
	}
	here := rec.Address() + "/attachments/" + a.ID
	there, leads := a.RemovedAt.IsZero() && rec.DeletedAt.IsZero(), user.May(x.kind.MayDelete())
	view := attachmentView{
		head: x.head(r, rec, b), Attachment: a, Chain: page.Items, Here: here, Inline: a.Media != "application/octet-stream",
		MayWrite: there && mayWriteNow(user, rec), MayOffer: there && a.Offered == "" && (a.Holder == user.ID || leads),
		MayKeep: there && a.Offered != "" && (a.Holder == user.ID || leads), MayKill: there && mayWriteNow(user, rec) && (a.Author == user.ID || leads),
		Mine: there && a.Offered == user.ID, Taking: strings.HasSuffix(r.Pattern, "/take"), To: personInput(p, "to", r.PostFormValue("to"), true),
	}
	if page.Next != "" {
		view.Older = here + "?cursor=" + page.Next
	}
	if problem != nil {
		view.Error = problemText(r, problem)
	}
	return x.opt.Site.Render(w, r, status, "desk/attachment", view)
}

// handled leads back to the page of a file, or says there what was wrong.
func (x *desk) handled(w http.ResponseWriter, r *http.Request, err error) error {
	switch fault.CodeOf(err) {
	case "":
		return x.opt.Site.Redirect(w, r, x.kind.Address(r.PathValue("id"))+"/attachments/"+r.PathValue("thing"))
	case fault.Invalid, fault.Conflict:
		return x.showAttachment(w, r, http.StatusUnprocessableEntity, err)
	}
	return err
}

// file sends a file or a part of it, and writes into its chain of custody who read it.
func (x *desk) file(w http.ResponseWriter, r *http.Request) error {
	look := record.LookWhole
	switch {
	case r.Method == http.MethodHead:
		look = record.LookOutside
	case r.Header.Get("Range") != "":
		look = record.LookPart
	}
	a, content, err := x.opt.Store.OpenAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), look)
	if err != nil {
		return err
	}
	defer content.Close()
	return blob.Serve(w, r, blob.File{Name: a.Name, SHA256: a.SHA256, Content: content, Inline: r.URL.Query().Get("inline") != ""})
}

// verify compares a file with what was received.
func (x *desk) verify(w http.ResponseWriter, r *http.Request) error {
	a, err := x.opt.Store.VerifyAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"))
	if err != nil {
		return err
	}
	flash := web.Flash{Kind: web.Good, Text: web.T(r).T("record.attachment.verified", a.Name)}
	if a.Damaged != "" {
		flash = web.Flash{Kind: web.Bad, Text: web.T(r).T("record.attachment.damaged", a.Name)}
	}
	return x.opt.Site.Done(w, r, x.kind.Address(a.RecordID)+"/attachments/"+a.ID, flash)
}

// place says where the original lies now.
func (x *desk) place(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	return x.handled(w, r, x.opt.Store.PlaceAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), r.PostFormValue("place"), r.PostFormValue("note")))
}

// offer begins to hand an original over.
func (x *desk) offer(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	to, err := x.personID(r, "to", r.PostFormValue("to"))
	if err == nil {
		err = x.opt.Store.OfferAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), to, r.PostFormValue("note"))
	}
	return x.handled(w, r, err)
}

// take answers an offer.
func (x *desk) take(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	return x.handled(w, r, x.opt.Store.TakeAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), r.PostFormValue("answer"), r.PostFormValue("note")))
}

// removeAttachment takes a file away from its record.
func (x *desk) removeAttachment(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	return x.handled(w, r, x.opt.Store.RemoveAttachment(r.Context(), web.User(r), x.kind.Name, r.PathValue("id"), r.PathValue("thing"), r.PostFormValue("why")))
}
