package rule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// addView is the page for adding a file: empty, or with what a review found.
type addView struct {
	Name, Text string
	Error      string
	Review     *Review
	Fatal      []sigma.Problem // keep the file from being added
	Doubts     []sigma.Problem // do not
	Replace    bool
	State      State // where its rules begin
	States     []web.Option
}

func (x *Room) showAdd(w http.ResponseWriter, r *http.Request) error {
	return x.site.Render(w, r, http.StatusOK, "rule/add", &addView{State: Live, States: stateOptions(web.T(r))})
}

// stateOptions are where the rules of a file can begin.
func stateOptions(p *i18n.Printer) (list []web.Option) {
	for _, state := range []State{Draft, Shadow, Live} {
		list = append(list, web.Option{Value: state, Label: p.T("kind.rule.state." + string(state))})
	}
	return list
}

// add reviews a file, and adds it when it was asked to: nothing is added that was not shown first with what it does.
func (x *Room) add(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxAdded) // a form writes a byte as three at most
	view, err := readAdd(r)
	if err != nil {
		return err
	}
	if r.PostFormValue("do") != "add" {
		view.Review, err = x.library.Review(view.Name, []byte(view.Text))
		return x.answerAdd(w, r, view, err)
	}
	view.Review, err = x.library.Add(r.Context(), view.Name, []byte(view.Text), view.Replace, view.State)
	if err != nil {
		return x.answerAdd(w, r, view, err)
	}
	if err := x.library.Mirror(context.WithoutCancel(r.Context())); err != nil { // its page is the next that is looked at
		return err
	}
	next := "/rules?view=all&origin=added"
	if len(view.Review.Rules) == 1 {
		next = "/rules/" + x.library.keyOf(view.Review, 0)
	}
	return x.site.Done(w, r, next, web.Flash{Kind: web.Good, Text: web.T(r).T("rule.added", view.Review.Name)})
}

// keyOf is the key of a rule that a review added.
func (l *Library) keyOf(r *Review, i int) string {
	added := *r.Rules[i]
	added.File = filepath.Join(l.opt.Added, r.Name)
	return alert.RuleKey(&added)
}

// readAdd reads the form. A file that was uploaded takes the place of the text, which then shows it.
func readAdd(r *http.Request) (*addView, error) {
	bad := func(err error) error {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return fault.New(fault.TooLarge, "rule.fault.too_large", "the form has more than %d bytes, at most %d in the file", 4*maxAdded, maxAdded)
		}
		return fault.New(fault.Invalid, "rule.fault.form", "the form cannot be read: %w", err)
	}
	if err := r.ParseMultipartForm(4 * maxAdded); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, bad(err)
	}
	view := &addView{Name: r.PostFormValue("name"), Text: r.PostFormValue("text"), Replace: r.PostFormValue("replace") != "", State: State(r.PostFormValue("state"))}
	view.States = stateOptions(web.T(r))
	if !slices.Contains([]State{Draft, Shadow, Live}, view.State) {
		view.State = Live
	}
	file, header, err := r.FormFile("file")
	switch {
	case errors.Is(err, http.ErrMissingFile), errors.Is(err, http.ErrNotMultipart):
		return view, nil
	case err != nil:
		return nil, bad(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, bad(err)
	}
	view.Text = string(data)
	if view.Name == "" {
		view.Name = header.Filename
	}
	return view, nil
}

// answerAdd shows the form again with the review, and with what stands against adding the file.
func (x *Room) answerAdd(w http.ResponseWriter, r *http.Request, view *addView, err error) error {
	status := http.StatusOK
	switch fault.CodeOf(err) {
	case "":
	case fault.Invalid, fault.TooLarge, fault.Conflict:
		view.Error, status = web.Message(r, err), http.StatusUnprocessableEntity
		if view.Review == nil { // no text of rules at all: the parser's own words say where
			if problem, ok := errors.AsType[sigma.Problem](err); ok {
				view.Fatal = []sigma.Problem{problem}
				view.Error = web.T(r).T("rule.fault.unsound")
			}
		}
	default:
		return err
	}
	if view.Review != nil {
		view.Name = view.Review.Name
		for _, p := range told(web.T(r), view.Review.Problems) {
			if p.Loaded() {
				view.Doubts = append(view.Doubts, p)
			} else {
				view.Fatal = append(view.Fatal, p)
			}
		}
	}
	return x.site.Render(w, r, status, "rule/add", view)
}

// remove deletes the file of an added rule. Its record stays.
func (x *Room) remove(w http.ResponseWriter, r *http.Request) error {
	old, err := x.library.Rule(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := x.library.Remove(r.Context(), old.Key); err != nil {
		return err
	}
	return x.site.Done(w, r, old.Path(), web.Flash{Kind: web.Good, Text: web.T(r).T("rule.removed")})
}
