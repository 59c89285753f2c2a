package people

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// apiPerson is a person as programs see them.
type apiPerson struct {
	ID         string    `json:"id"`
	Kind       auth.Kind `json:"kind"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Unit       string    `json:"unit"`
	State      string    `json:"state"`
	Roles      []string  `json:"roles"`
	Created    time.Time `json:"created"`
	Changed    time.Time `json:"changed"`
	LastSignIn string    `json:"last_sign_in,omitempty"`
	Version    int64     `json:"version"`
}

func forAPI(p auth.Person) apiPerson {
	a := apiPerson{ID: p.ID, Kind: p.Kind, Email: p.Email, Name: p.Name, Unit: p.Unit, State: string(p.State), Roles: p.RoleNames(), Created: p.Created, Changed: p.Changed, Version: p.Version}
	if a.Roles == nil {
		a.Roles = []string{}
	}
	if !p.LastSignIn.IsZero() {
		a.LastSignIn = p.LastSignIn.Format(time.RFC3339)
	}
	return a
}

func (x *Room) apiList(w http.ResponseWriter, r *http.Request) error {
	f, err := filter(r)
	if err != nil {
		return err
	}
	page, err := x.opt.Accounts.People(r.Context(), f, r.URL.Query().Get("cursor"), 200)
	if err != nil {
		return err
	}
	people := []apiPerson{}
	for _, p := range page.Items {
		people = append(people, forAPI(p))
	}
	answer := map[string]any{"items": people}
	if page.Next != "" {
		answer["next"] = page.Next
	}
	return web.JSON(w, http.StatusOK, answer)
}

func (x *Room) apiGet(w http.ResponseWriter, r *http.Request) error {
	p, err := x.opt.Accounts.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, forAPI(p))
}

// apiUnit is an organisation unit as programs see it.
type apiUnit struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	Code   string `json:"code"`
	Name   string `json:"name"`
	NameEn string `json:"name_en,omitempty"`
}

func (x *Room) apiUnits(w http.ResponseWriter, r *http.Request) error {
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	list := []apiUnit{}
	for _, u := range units {
		list = append(list, apiUnit{u.ID, u.Parent, u.Code, u.Name, u.NameEn})
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": list})
}

// wish is what a program asks for: of a new person all of it, of one who is there what is to change.
type wish struct {
	Kind     auth.Kind `json:"kind"` // of a new one: "person", which goes without saying, or "service"
	Email    *string   `json:"email"`
	Name     *string   `json:"name"`
	Unit     *string   `json:"unit"` // its id, "" for none
	Lang     *string   `json:"lang"`
	Roles    *[]string `json:"roles"` // those given by hand; of a new person "employee" where it does not say
	Disabled *bool     `json:"disabled"`
	Version  int64     `json:"version"` // that the change was made from; 0 is the newest
	Reason   string    `json:"reason"`  // for the second person, where roles take one
}

// readWish reads what a program asks for. What it names and nobody knows is an error: a misspelt change must not pass for one made.
// A browser has to have proved lately who sits there, as its forms do; a token was made with such a proof.
func (x *Room) readWish(w http.ResponseWriter, r *http.Request) (asked wish, err error) {
	if user := web.User(r); user.Session && !auth.Fresh(user, x.opt.Accounts.Config.StepUp, time.Now()) {
		return asked, fault.New(fault.Forbidden, "fault.not_fresh", "a browser's session takes a fresh proof of who asks")
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		return asked, fault.New(fault.Invalid, "", "the body is no JSON object of a person: %v", err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return asked, fault.New(fault.Invalid, "", "the body holds more than one JSON object")
	}
	return asked, nil
}

func given(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// madePerson is a new person, and what is still to be done.
type madePerson struct {
	apiPerson
	Invitation string `json:"invitation,omitempty"`
	Approval   string `json:"approval,omitempty"` // the request for roles that take a second person
}

// apiCreate makes a person and invites them, or a service account. Where no mail goes out, the answer has the invitation's link.
func (x *Room) apiCreate(w http.ResponseWriter, r *http.Request) error {
	asked, err := x.readWish(w, r)
	if err != nil {
		return err
	}
	if asked.Disabled != nil || asked.Version != 0 {
		return fault.New(fault.Invalid, "", "a new person has no version and is not disabled")
	}
	n := auth.NewPerson{Kind: asked.Kind, Email: given(asked.Email), Name: given(asked.Name), Unit: given(asked.Unit), Lang: given(asked.Lang)}
	switch {
	case asked.Roles != nil:
		n.Roles = *asked.Roles
	case n.Kind != auth.Service:
		n.Roles = []string{"employee"}
	}
	p, waiting, err := x.enter(r, n, asked.Reason)
	if err != nil {
		return err
	}
	answer := madePerson{apiPerson: forAPI(p)}
	if waiting != nil {
		answer.Approval = waiting.ID
	}
	if p.Kind == auth.Human {
		token, err := x.opt.Accounts.Invite(r.Context(), p.ID)
		if err != nil {
			return err
		}
		if token != "" {
			answer.Invitation = x.link(r, auth.Invited, token)
		}
	}
	w.Header().Set("Location", "/api/v1/people/"+p.ID)
	return web.JSON(w, http.StatusCreated, answer)
}

// apiChange changes a person, all that is asked for or nothing. Roles that take a second person are asked for alone: the answer is
// 202 then, with where the request waits.
func (x *Room) apiChange(w http.ResponseWriter, r *http.Request) error {
	asked, err := x.readWish(w, r)
	if err != nil {
		return err
	}
	p, err := x.opt.Accounts.Person(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if asked.Kind != "" && asked.Kind != p.Kind {
		return fault.New(fault.Invalid, "", "an account stays of its kind")
	}
	if asked.Version == 0 {
		asked.Version = p.Version // what follows was checked of this one
	}
	if asked.Roles != nil && sameRoles(*asked.Roles, byHand(p)) {
		asked.Roles = nil
	}
	if err := x.mayChange(r, p, asked); err != nil {
		return err
	}
	change := auth.Revision{
		Change: auth.Change{Email: asked.Email, Name: asked.Name, Unit: asked.Unit, Lang: asked.Lang}, Roles: asked.Roles, Disabled: asked.Disabled,
	}
	if asked.Roles != nil && x.opt.Approvals.Needed(actionRoles) {
		if change.Change != (auth.Change{}) || change.Disabled != nil {
			return fault.New(fault.Invalid, "", "roles take a second person's approval here: ask for them alone")
		}
		waiting, err := x.wishRoles(r, p, asked.Version, *asked.Roles, asked.Reason)
		if err != nil {
			return err
		}
		return web.JSON(w, http.StatusAccepted, map[string]string{"approval": waiting.ID})
	}
	if p, err = x.opt.Accounts.Revise(r.Context(), p.ID, asked.Version, change); err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, forAPI(p))
}

// mayChange holds the rules of the pages: of one's own account neither roles nor state, and of those who may do more nothing that lets
// anybody in their place.
func (x *Room) mayChange(r *http.Request, p auth.Person, asked wish) error {
	if asked.Email != nil {
		if err := x.mayMove(r, p, *asked.Email); err != nil {
			return err
		}
	}
	if asked.Roles != nil {
		if err := x.mayGive(r, p.ID, byHand(p), *asked.Roles); err != nil {
			return err
		}
	}
	if asked.Disabled != nil {
		return x.mayTouch(r, p)
	}
	return nil
}
