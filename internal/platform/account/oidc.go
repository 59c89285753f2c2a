package account

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/oidc"
	"yagura/internal/platform/web"
)

const (
	flowCookie = "yagura_oidc"
	flowLife   = 10 * time.Minute
	// maxNext bounds the way back that the flow carries: browsers drop cookies of more than 4 KiB (RFC 6265, 6.1).
	maxNext = 1500
	// flowPurpose is what the flow in a browser is sealed for.
	flowPurpose = "cookie.oidc/flow"
)

// oidcName says what the company's sign-on is called, "" where there is none.
func (x *Account) oidcName(r *http.Request) string {
	if x.opt.OIDC == nil {
		return ""
	}
	return cmp.Or(x.opt.OIDC.Name, web.T(r).T("signin.oidc.name"))
}

// startOIDC sends the browser to the provider. It is a link, because a form may not lead to another site (form-action); what it
// begins belongs to this browser alone.
func (x *Account) startOIDC(w http.ResponseWriter, r *http.Request) error {
	return x.beginOIDC(w, r, false)
}

// confirmOIDC asks the provider for a fresh proof.
func (x *Account) confirmOIDC(w http.ResponseWriter, r *http.Request) error {
	return x.beginOIDC(w, r, true)
}

func (x *Account) beginOIDC(w http.ResponseWriter, r *http.Request, fresh bool) error {
	if x.opt.OIDC == nil {
		return fault.New(fault.NotFound, "fault.no_page", "single sign-on is not configured")
	}
	next := web.SafeNext(r.URL.Query().Get("next"))
	if len(next) > maxNext {
		next = "/"
	}
	address, flow, err := x.opt.OIDC.Provider.Begin(r.Context(), next, fresh)
	if err != nil {
		return x.oidcFailed(w, r, next, err)
	}
	plain, err := json.Marshal(flow)
	if err != nil {
		return err
	}
	sealed, err := x.opt.Seal.Seal(flowPurpose, plain)
	if err != nil {
		return err
	}
	x.setCookie(w, r, flowCookie, sealed, flowLife)
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// finishOIDC takes the provider's answer. The flow in the cookie is used up, whatever comes of it.
func (x *Account) finishOIDC(w http.ResponseWriter, r *http.Request) error {
	if x.opt.OIDC == nil {
		return fault.New(fault.NotFound, "fault.no_page", "single sign-on is not configured")
	}
	flow := x.flow(r)
	x.setCookie(w, r, flowCookie, "", 0)
	next := web.SafeNext(flow.Next)
	who, err := x.opt.OIDC.Provider.Finish(r.Context(), flow, r.URL.Query())
	if err == nil && flow.Fresh {
		err = x.samePerson(r, who)
	}
	if err != nil {
		return x.oidcFailed(w, r, next, errors.Join(err, x.tellRefusal(r, err)))
	}
	identity := auth.Identity{Issuer: who.Issuer, Subject: who.Subject, Name: who.Name, MFA: who.MFA, AuthTime: who.AuthTime}
	if who.EmailVerified {
		identity.Email = who.Email
	}
	if x.opt.OIDC.Roles != nil {
		identity.Roles, identity.SyncRoles = x.opt.OIDC.Roles(who.Groups), true
	}
	step, err := x.accounts.SignInExternal(w, r, identity, x.opt.OIDC.Policy)
	if err != nil {
		return x.oidcFailed(w, r, next, err)
	}
	return x.proceed(w, r, step, next)
}

// flow opens what this browser kept of the sign-in it began. What is none of ours is an empty flow, which proves nothing.
func (x *Account) flow(r *http.Request) (flow oidc.Flow) {
	sealed := x.cookie(r, flowCookie)
	if sealed == "" {
		return flow
	}
	plain, err := x.opt.Seal.Open(flowPurpose, sealed)
	if err != nil || json.Unmarshal(plain, &flow) != nil {
		return oidc.Flow{}
	}
	return flow
}

// samePerson refuses a fresh proof of somebody else than who is signed in.
func (x *Account) samePerson(r *http.Request, who oidc.Identity) error {
	user := web.User(r)
	p, err := x.accounts.PersonBySubject(r.Context(), who.Issuer, who.Subject)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err != nil || user == nil || p.ID != user.ID {
		return fault.New(fault.Unauthentic, "fault.oidc.other", "the provider proved another person than who is signed in")
	}
	return nil
}

// tellRefusal makes a security event of what the provider's answer did not prove. A provider that is down is none.
func (x *Account) tellRefusal(r *http.Request, err error) error {
	if !fault.Is(err, fault.Unauthentic) {
		return nil
	}
	person := ""
	if user := web.User(r); user != nil {
		person = user.ID
	}
	return x.accounts.ExternalRefused(r, person, strings.TrimPrefix(keyOf(err), "fault.oidc."))
}

// oidcFailed shows the sign-in page, or for who is signed in the page that asks for a fresh proof, with what went wrong.
func (x *Account) oidcFailed(w http.ResponseWriter, r *http.Request, next string, err error) error {
	x.opt.Log.WarnContext(r.Context(), "single sign-on failed", "request", web.RequestID(r), "error", err)
	status, ok := refused(err)
	if fault.Is(err, fault.Unavailable) {
		status, ok = http.StatusServiceUnavailable, true
	}
	if !ok || !web.WantsPage(r) {
		return err
	}
	if user := web.User(r); user != nil && user.Session {
		v, bad := x.confirmView(r, next)
		if bad != nil {
			return bad
		}
		v.Error = say(r, err)
		return x.site.Render(w, r, status, "account/confirm", v)
	}
	v := x.signInView(r, next)
	v.Error = say(r, err)
	return x.site.Render(w, r, status, "account/signin", v)
}
