package account

import (
	"net/http"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// confirmView is the page that asks for a fresh proof of who is there.
type confirmView struct {
	gate
	Name, Email string
	Ways        ways
	OIDCName    string
}

func (x *Account) confirmView(r *http.Request, next string) (v confirmView, err error) {
	user := web.User(r)
	v = confirmView{gate: newGate(r, next), Name: user.Name, Email: user.Email, OIDCName: x.oidcName(r)}
	v.Here, v.Options = withNext("/signin/confirm", v.Next), "/signin/confirm/options"
	factors, err := x.accounts.Factors(r.Context(), user.ID)
	if err != nil {
		return v, err
	}
	v.Ways = x.waysOf(factors)
	if x.opt.OIDC == nil {
		return v, nil
	}
	p, err := x.accounts.Person(r.Context(), user.ID)
	v.Ways.OIDC = p.External.Subject != "" && p.External.Issuer == x.opt.OIDC.Issuer
	return v, err
}

func (x *Account) confirmPage(w http.ResponseWriter, r *http.Request) error {
	v, err := x.confirmView(r, r.URL.Query().Get("next"))
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/confirm", v)
}

func (x *Account) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	next := web.SafeNext(r.PostForm.Get("next"))
	err := x.accounts.StepUp(w, r, r.PostForm.Get("password"), proofOf(r))
	if err == nil {
		return x.site.Redirect(w, r, next)
	}
	status, ok := refused(err)
	if !ok || !web.WantsPage(r) || fault.Is(err, fault.Unauthentic) {
		return err
	}
	v, bad := x.confirmView(r, next)
	if bad != nil {
		return bad
	}
	switch {
	case v.Ways.Password:
		v.Wrong = map[string]string{"password": say(r, err)}
	case v.Ways.Code() && r.PostForm.Get("challenge") == "":
		v.Wrong = map[string]string{"code": say(r, err)}
	default:
		v.Error = say(r, err)
	}
	return x.site.Render(w, r, status, "account/confirm", v)
}
