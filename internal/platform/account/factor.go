package account

import (
	"cmp"
	"encoding/json"
	"html/template"
	"net/http"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

const factorsPath = "/account/second-factor"

type factorsView struct {
	Tabs      []web.Tab
	Next      string
	Enrol     bool // nothing else opens before one is registered
	Factors   auth.Factors
	Passkeys  []auth.Passkey
	PasskeyOn bool
	Needed    bool // the last one cannot be removed
}

// Last reports whether only one is left of what a role needs.
func (v factorsView) Last() bool {
	n := v.Factors.Passkeys
	if v.Factors.TOTP {
		n++
	}
	return v.Needed && n < 2
}

func (x *Account) factors(w http.ResponseWriter, r *http.Request) error {
	user := web.User(r)
	v := factorsView{Next: onward(r.URL.Query().Get("next")), Enrol: user.Enrol, PasskeyOn: x.passkeysOn(), Needed: x.accounts.Roles.NeedsMFA(user.Roles)}
	if !v.Enrol {
		v.Tabs = tabs(r, factorsPath)
	}
	var err error
	if v.Factors, err = x.accounts.Factors(r.Context(), user.ID); err != nil {
		return err
	}
	if v.Passkeys, err = x.accounts.Passkeys(r.Context(), user.ID); err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/factors", v)
}

// appView shows the secret that an authenticator app is to learn. Enrolment carries it, sealed, to the form's next showing: a
// mistyped code must not cost the scan.
type appView struct {
	Next      string
	Enrolment string
	Secret    string
	QR        template.HTML
	Replaces  bool
	Wrong     map[string]string
}

// enrolmentPurpose binds a sealed enrolment to its person.
func enrolmentPurpose(person string) string { return "form.enrolment/" + person }

func (x *Account) appPage(w http.ResponseWriter, r *http.Request) error {
	e, err := x.accounts.EnrolTOTP(r)
	if err != nil {
		return err
	}
	return x.renderApp(w, r, http.StatusOK, e, onward(r.URL.Query().Get("next")), nil)
}

func (x *Account) renderApp(w http.ResponseWriter, r *http.Request, status int, e auth.Enrolment, next string, wrong map[string]string) error {
	factors, err := x.accounts.Factors(r.Context(), web.User(r).ID)
	if err != nil {
		return err
	}
	v := appView{Next: next, Secret: spaced(e.Secret), Replaces: factors.TOTP, Wrong: wrong}
	if v.QR, err = drawQR(e.URI, web.T(r).T("account.app.qr")); err != nil {
		return err
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if v.Enrolment, err = x.opt.Seal.Seal(enrolmentPurpose(web.User(r).ID), plain); err != nil {
		return err
	}
	return x.site.Render(w, r, status, "account/app", v)
}

func (x *Account) confirmApp(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	next := onward(r.PostForm.Get("next"))
	var e auth.Enrolment
	plain, err := x.opt.Seal.Open(enrolmentPurpose(web.User(r).ID), r.PostForm.Get("enrolment"))
	if err != nil || json.Unmarshal(plain, &e) != nil {
		return fault.New(fault.Invalid, "fault.signin.over", "the form holds no enrolment of this person")
	}
	codes, err := x.accounts.ConfirmTOTP(w, r, e.ID, r.PostForm.Get("code"))
	switch {
	case err == nil:
		return x.registered(w, r, codes, next, "account.app.done")
	case keyOf(err) == "fault.factor.wrong":
		return x.renderApp(w, r, http.StatusUnprocessableEntity, e, next, map[string]string{"code": web.T(r).T("account.app.wrong")})
	case keyOf(err) == "fault.signin.over": // too late, or too many wrong ones: a new secret
		return x.site.Done(w, r, withNext(factorsPath+"/app", next), web.Flash{Kind: web.Bad, Text: say(r, err)})
	}
	return err
}

// codesView shows recovery codes, this once.
type codesView struct {
	Next  string
	Codes []string
	Done  string // what was registered, "" where the codes alone are new
	Email string
}

// registered goes on after a new factor: by way of the recovery codes, where there are any to show.
func (x *Account) registered(w http.ResponseWriter, r *http.Request, codes []string, next, done string) error {
	next = cmp.Or(next, factorsPath)
	text := web.T(r).T(done)
	if len(codes) == 0 {
		return x.site.Done(w, r, next, web.Flash{Kind: web.Good, Text: text})
	}
	return x.site.Render(w, r, http.StatusOK, "account/codes", codesView{Next: next, Codes: codes, Done: text, Email: web.User(r).Email})
}

func (x *Account) newRecovery(w http.ResponseWriter, r *http.Request) error {
	factors, err := x.accounts.Factors(r.Context(), web.User(r).ID)
	if err != nil {
		return err
	}
	if !factors.Second() {
		return fault.New(fault.Conflict, "fault.account.no_factor", "recovery codes stand for a second factor, and there is none")
	}
	codes, err := x.accounts.Recovery(r)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/codes", codesView{Next: factorsPath, Codes: codes, Email: web.User(r).Email})
}

func (x *Account) removeApp(w http.ResponseWriter, r *http.Request) error {
	if err := x.accounts.RemoveTOTP(r); err != nil {
		return err
	}
	return x.site.Done(w, r, factorsPath, web.Flash{Kind: web.Good, Text: web.T(r).T("account.app.removed")})
}

// passkeyView is the form of a new passkey.
type passkeyView struct {
	Next  string
	Name  string
	On    bool
	Error string
	Wrong map[string]string
}

func (x *Account) passkeyPage(w http.ResponseWriter, r *http.Request) error {
	v := passkeyView{Next: onward(r.URL.Query().Get("next")), On: x.passkeysOn(), Name: device(r)}
	return x.site.Render(w, r, http.StatusOK, "account/passkey", v)
}

// challengeNew challenges a new passkey.
func (x *Account) challengeNew(w http.ResponseWriter, r *http.Request) error {
	c, err := x.accounts.BeginPasskeyRegistration(r)
	return answerChallenge(w, r, c, err)
}

func (x *Account) registerPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	v := passkeyView{Next: onward(r.PostForm.Get("next")), On: x.passkeysOn(), Name: r.PostForm.Get("name")}
	codes, err := x.accounts.RegisterPasskey(w, r, r.PostForm.Get("challenge"), v.Name, []byte(r.PostForm.Get("answer")))
	if err == nil {
		return x.registered(w, r, codes, v.Next, "account.passkey.done")
	}
	status, ok := refused(err)
	switch {
	case !ok || keyOf(err) == "fault.not_fresh":
		return err
	case keyOf(err) == "fault.person.name":
		v.Wrong = map[string]string{"name": say(r, err)}
	default:
		v.Error = say(r, err)
	}
	return x.site.Render(w, r, status, "account/passkey", v)
}

type onePasskeyView struct {
	Passkey auth.Passkey
	Name    string // as typed
	Last    bool
	Wrong   map[string]string
}

func (x *Account) onePasskey(w http.ResponseWriter, r *http.Request) error {
	return x.renderPasskey(w, r, http.StatusOK, nil)
}

// renderPasskey shows one of the reader's passkeys; another person's is not there.
func (x *Account) renderPasskey(w http.ResponseWriter, r *http.Request, status int, wrong map[string]string) error {
	user := web.User(r)
	list, err := x.accounts.Passkeys(r.Context(), user.ID)
	if err != nil {
		return err
	}
	factors, err := x.accounts.Factors(r.Context(), user.ID)
	if err != nil {
		return err
	}
	for _, k := range list {
		if k.ID != r.PathValue("id") {
			continue
		}
		v := onePasskeyView{Passkey: k, Name: k.Name, Wrong: wrong}
		v.Last = factorsView{Factors: factors, Needed: x.accounts.Roles.NeedsMFA(user.Roles)}.Last()
		if wrong != nil {
			v.Name = r.PostForm.Get("name")
		}
		return x.site.Render(w, r, status, "account/one_passkey", v)
	}
	return fault.New(fault.NotFound, "fault.passkey.none", "no such passkey")
}

func (x *Account) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	err := x.accounts.RenamePasskey(r, r.PathValue("id"), r.PostForm.Get("name"))
	switch {
	case err == nil:
		return x.site.Done(w, r, factorsPath, web.Flash{Kind: web.Good, Text: web.T(r).T("account.passkey.renamed")})
	case keyOf(err) == "fault.person.name":
		return x.renderPasskey(w, r, http.StatusUnprocessableEntity, map[string]string{"name": say(r, err)})
	}
	return err
}

func (x *Account) removePasskey(w http.ResponseWriter, r *http.Request) error {
	if err := x.accounts.RemovePasskey(r, r.PathValue("id")); err != nil {
		return err
	}
	return x.site.Done(w, r, factorsPath, web.Flash{Kind: web.Good, Text: web.T(r).T("account.passkey.removed")})
}
