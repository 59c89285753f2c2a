package account

import (
	"net/http"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// signInView is the sign-in page.
type signInView struct {
	gate
	Name    string
	Passkey bool
	OIDC    string // what the company's sign-on is called, "" for none
	Setup   bool   // nobody can sign in before the first administrator is made
}

func (x *Account) signInView(r *http.Request, next string) signInView {
	v := signInView{gate: newGate(r, next), Passkey: x.passkeysOn(), OIDC: x.oidcName(r)}
	v.Here = withNext("/signin", v.Next) // also after a form or a provider's answer, whose addresses are for once
	return v
}

func (x *Account) signInPage(w http.ResponseWriter, r *http.Request) error {
	v := x.signInView(r, r.URL.Query().Get("next"))
	if web.User(r) != nil {
		return x.site.Redirect(w, r, v.Next)
	}
	var err error
	if v.Setup, err = x.accounts.SetupDue(r.Context()); err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/signin", v)
}

func (x *Account) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	v := x.signInView(r, r.PostForm.Get("next"))
	v.Name = r.PostForm.Get("name")
	step, err := x.accounts.SignIn(w, r, v.Name, r.PostForm.Get("password"))
	if err != nil {
		return x.signInAgain(w, r, v, err)
	}
	return x.proceed(w, r, step, v.Next)
}

// signInPasskey signs in whoever's passkey answered, without a name.
func (x *Account) signInPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	v := x.signInView(r, r.PostForm.Get("next"))
	if err := x.accounts.SignInPasskey(w, r, r.PostForm.Get("challenge"), []byte(r.PostForm.Get("answer"))); err != nil {
		return x.signInAgain(w, r, v, err)
	}
	return x.site.Redirect(w, r, v.Next)
}

// signInAgain shows the sign-in page with what went wrong; programs get the error itself.
func (x *Account) signInAgain(w http.ResponseWriter, r *http.Request, v signInView, err error) error {
	status, ok := refused(err)
	if !ok || !web.WantsPage(r) {
		return err
	}
	v.Error = say(r, err)
	return x.site.Render(w, r, status, "account/signin", v)
}

// proceed goes on after the first stage.
func (x *Account) proceed(w http.ResponseWriter, r *http.Request, step auth.Step, next string) error {
	if step == auth.FactorDue {
		return x.site.Redirect(w, r, withNext("/signin/factor", next))
	}
	return x.site.Redirect(w, r, next)
}

// challengeAnybody challenges a passkey of whoever is there. A sign-in that somebody else left half done in this browser must not
// narrow it to their passkeys, so the request goes on without its cookies.
func (x *Account) challengeAnybody(w http.ResponseWriter, r *http.Request) error {
	bare := r.Clone(r.Context())
	bare.Header.Del("Cookie")
	c, err := x.accounts.BeginPasskey(w, bare, "")
	return answerChallenge(w, r, c, err)
}

// challengeKnown challenges a passkey of who is signed in, or of the sign-in under way.
func (x *Account) challengeKnown(w http.ResponseWriter, r *http.Request) error {
	c, err := x.accounts.BeginPasskey(w, r, "")
	return answerChallenge(w, r, c, err)
}

func (x *Account) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := x.accounts.SignOut(w, r); err != nil {
		return err
	}
	// Pages are never stored, but what else the browser holds of us goes, too (W3C Clear Site Data; over HTTPS only).
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return x.site.Redirect(w, r, "/signin")
}

// factorView is the page of a sign-in's second factor.
type factorView struct {
	gate
	Email string
	Ways  ways
}

// ways are the proofs that somebody can give.
type ways struct {
	App, Passkey, Recovery, Password, OIDC bool
}

// waysOf lists the second factors, and without one the password.
func (x *Account) waysOf(f auth.Factors) ways {
	if !f.Second() {
		return ways{Password: f.Password}
	}
	return ways{App: f.TOTP, Passkey: f.Passkeys > 0 && x.passkeysOn(), Recovery: f.Recovery > 0}
}

// Code reports whether there is something to type.
func (w ways) Code() bool { return w.App || w.Recovery }

func (x *Account) factorPage(w http.ResponseWriter, r *http.Request) error {
	return x.renderFactor(w, r, http.StatusOK, r.URL.Query().Get("next"), nil)
}

func (x *Account) renderFactor(w http.ResponseWriter, r *http.Request, status int, next string, wrong error) error {
	g := newGate(r, next)
	p, err := x.accounts.Pending(r)
	if fault.Is(err, fault.Unauthentic) {
		if wrong == nil {
			return x.site.Redirect(w, r, withNext("/signin", g.Next))
		}
		v := x.signInView(r, next)
		v.Error = say(r, err) // too many wrong ones, or too late: from the beginning
		return x.site.Render(w, r, status, "account/signin", v)
	}
	if err != nil {
		return err
	}
	v := factorView{gate: g, Email: p.Email, Ways: x.waysOf(p.Factors)}
	v.Options = "/signin/factor/options"
	if wrong != nil {
		v.Wrong = map[string]string{"code": say(r, wrong)}
		if r.PostForm.Get("challenge") != "" || !v.Ways.Code() {
			v.Wrong, v.Error = nil, say(r, wrong)
		}
	}
	return x.site.Render(w, r, status, "account/factor", v)
}

func (x *Account) factor(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	next := web.SafeNext(r.PostForm.Get("next"))
	err := x.accounts.SecondFactor(w, r, proofOf(r))
	if err == nil {
		return x.site.Redirect(w, r, next)
	}
	status, ok := refused(err)
	if !ok || !web.WantsPage(r) {
		return err
	}
	return x.renderFactor(w, r, status, next, err)
}
