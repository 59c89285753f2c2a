package noise

import (
	"net/http"
	"strings"
	"time"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/ref"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// draftView is the page on which an exception is made of an alert.
type draftView struct {
	Alert    *record.Record
	Name     string // of the alert
	Title    string
	Reason   string
	Due      string
	Filter   string
	Fields   []draftField
	Past     *Past
	Error    string
	FourEyes bool
}

// days is how long an exception holds where nobody says otherwise.
const days = 90

const maxDraftForm = 256 << 10

// draftOf reads an alert that the reader may see and makes the draft of an exception, of the fields that the address names.
func (x *Room) draftOf(r *http.Request, chosen []string) (*draftView, *sigma.Rule, error) {
	a, err := x.Desk.Store().Get(r.Context(), web.User(r), alert.Name, r.PathValue("alert"))
	if err != nil {
		return nil, nil, err
	}
	one := x.rule(a.Str("rule"))
	if one == nil || one.ID == "" && one.Name == "" {
		return nil, nil, fault.New(fault.Conflict, "noise.fault.no_rule", "the rule %s is not loaded, or has neither id nor name", a.Str("rule"))
	}
	p := web.T(r)
	view := &draftView{Alert: a, Name: a.Title, FourEyes: x.Policy.FourEyes, Due: endOfDays(p, days)}
	if title := x.About.Title(a.Str("rule"), p.Lang()); title != "" {
		view.Name = title
	}
	seen, err := x.Alerts.Seen(r.Context(), a.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(seen.Samples) > 0 {
		about, _ := x.About.About(a.Str("rule"), p.Lang())
		view.Fields = draftFields(seen.Samples[len(seen.Samples)-1].Event, about.Fields, chosen)
	}
	return view, one, nil
}

// write makes the filter and the title of the fields that are chosen.
func (v *draftView) write(one *sigma.Rule) error {
	var chosen []draftField
	var said []string
	for _, f := range v.Fields {
		if f.Chosen {
			chosen = append(chosen, f)
			said = append(said, shorten(f.Values[0], 60))
		}
	}
	if len(chosen) == 0 {
		return fault.New(fault.Invalid, "noise.fault.nothing_chosen", "no field is chosen")
	}
	v.Title = shorten(v.Name+": "+strings.Join(said, ", "), 250)
	var err error
	v.Filter, err = draft(v.Title, one, chosen)
	return err
}

// shorten cuts a text to so many characters.
func shorten(text string, most int) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}

// look tells what the filter would have kept back.
func (x *Room) look(r *http.Request, v *draftView) error {
	f, err := ParseFilter(v.Filter)
	if err != nil {
		return err
	}
	v.Past, err = x.past(r, f)
	return err
}

// showDraft shows the draft of an exception; field=… chooses the fields it is made of.
func (x *Room) showDraft(w http.ResponseWriter, r *http.Request) error {
	view, one, err := x.draftOf(r, r.URL.Query()["field"])
	if err != nil {
		return err
	}
	if err = view.write(one); err == nil {
		err = x.look(r, view)
	}
	if err != nil {
		view.Error = web.Message(r, err)
	}
	return x.Site.Render(w, r, http.StatusOK, "exception/draft", view)
}

// makeDraft makes the exception as it was typed (do=propose), lets it hold at once (do=activate), or only looks at it again.
func (x *Room) makeDraft(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxDraftForm)
	if err := r.ParseForm(); err != nil {
		return fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
	}
	view, _, err := x.draftOf(r, r.PostForm["field"])
	if err != nil {
		return err
	}
	view.Title, view.Reason, view.Due, view.Filter = r.PostFormValue("title"), r.PostFormValue("reason"), r.PostFormValue("due"), r.PostFormValue("filter")
	var made *record.Record
	if do := r.PostFormValue("do"); do == "propose" || do == "activate" {
		made, err = x.make(r, view, do == "activate")
	} else {
		err = x.look(r, view)
	}
	switch {
	case err == nil && made != nil:
		return x.Site.Done(w, r, made.Address(), web.Flash{Kind: web.Good, Text: web.T(r).T("noise.draft.made." + made.State)})
	case err == nil:
		return x.Site.Render(w, r, http.StatusOK, "exception/draft", view)
	case !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Conflict):
		return err
	}
	view.Error = problemText(r, err)
	if lookErr := x.look(r, view); lookErr != nil {
		view.Past = nil // the error says what is wrong with the filter
	}
	return x.Site.Render(w, r, http.StatusUnprocessableEntity, "exception/draft", view)
}

// make makes the exception, links it with its alert, and lets it hold where that is wanted: all or nothing.
func (x *Room) make(r *http.Request, v *draftView, activate bool) (made *record.Record, err error) {
	by, store := web.User(r), x.Desk.Store()
	kind, err := store.Kind(Exception)
	if err != nil {
		return nil, err
	}
	values, err := kind.Parse(map[string]string{"title": v.Title, "reason": v.Reason, "due": v.Due, "filter": v.Filter}, store.Env(r.Context(), by, web.T(r).Zone()))
	if err != nil {
		return nil, err
	}
	values["owner"] = by.ID
	err = x.Store.opt.DB.Write(r.Context(), func(tx *db.Tx) error {
		if made, err = store.CreateTx(tx, by, Exception, values); err != nil {
			return err
		}
		if by.May(string(alert.MayWrite)) {
			if err := store.LinkTx(tx, by, kind.Ref(made.ID), "relates", false, ref.Ref{Kind: alert.Name, ID: v.Alert.ID}); err != nil {
				return err
			}
		}
		if activate {
			made, err = store.MoveTx(tx, by, Exception, made.ID, record.Moving{Move: "activate"})
		}
		return err
	})
	return made, err
}

// problemText says what is wrong with the form, field by field.
func problemText(r *http.Request, err error) string {
	wrong, ok := asWrong(err)
	if !ok {
		return web.Message(r, err)
	}
	var parts []string
	for _, field := range []string{"title", "reason", "due", "filter", "owner"} {
		if problem := wrong[field]; problem != nil {
			label := "record.field." + field
			if field == "reason" || field == "filter" {
				label = "kind.exception.field." + field
			}
			parts = append(parts, web.T(r).T(label)+": "+web.Message(r, problem))
		}
	}
	return strings.Join(parts, " ")
}

func since(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
