package account

import (
	"net/http"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

const (
	ticketCookie = "yagura_ticket"
	// ticketLife is how long somebody may fill in the form that a link opened; the link itself opens it again.
	ticketLife = 30 * time.Minute
)

// keepTicket puts a link's ticket into a cookie and leads to the page without it: addresses are remembered, shared and logged.
// It reports whether there was one. The page's own policy for Referer holds from then on; "no-referrer" there would take the
// Origin from the form, and with it the proof that no other site sent it.
func (x *Account) keepTicket(w http.ResponseWriter, r *http.Request, page string) (kept bool, err error) {
	ticket := r.URL.Query().Get("ticket")
	if ticket == "" {
		return false, nil
	}
	if len(ticket) > 200 {
		return true, fault.New(fault.NotFound, "fault.ticket", "a ticket of %d characters", len(ticket))
	}
	x.setCookie(w, r, ticketCookie, ticket, ticketLife)
	w.Header().Set("Referrer-Policy", "no-referrer")
	return true, x.site.Redirect(w, r, page)
}

// ticket returns what this browser's link opens.
func (x *Account) ticket(w http.ResponseWriter, r *http.Request, kind auth.TicketKind) (token string, t auth.Ticket, err error) {
	token = x.cookie(r, ticketCookie)
	t, err = x.accounts.Ticket(r.Context(), token)
	if err == nil && t.Kind != kind {
		err = fault.New(fault.NotFound, "fault.ticket", "the link is for %s", t.Kind)
	}
	if fault.Is(err, fault.NotFound) && token != "" {
		x.setCookie(w, r, ticketCookie, "", 0)
	}
	return token, t, err
}

// ticketView is a page that sets a password.
type ticketView struct {
	gate
	Name, Email string
	Ways        ways // the second factor that a reset asks for
}

// readPassword reads a new password that was typed twice; wrong says what is wrong with the second one.
func readPassword(r *http.Request) (password string, wrong map[string]string) {
	password = r.PostForm.Get("new")
	if password != r.PostForm.Get("again") {
		return "", map[string]string{"again": web.T(r).T("account.password.differ")}
	}
	return password, nil
}

// place puts an error beside the field it belongs to.
func place(r *http.Request, err error) map[string]string {
	field := "new"
	switch keyOf(err) {
	case "fault.person.email", "fault.person.taken":
		field = "email"
	case "fault.person.name":
		field = "name"
	case "fault.factor.wrong", "fault.signin.wait":
		field = "code"
	}
	return map[string]string{field: say(r, err)}
}

func (x *Account) setupPage(w http.ResponseWriter, r *http.Request) error {
	if kept, err := x.keepTicket(w, r, "/setup"); kept {
		return err
	}
	if _, _, err := x.ticket(w, r, auth.SetupTicket); err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/setup", ticketView{gate: newGate(r, "")})
}

// setup makes the first administrator and leads straight to their second factor.
func (x *Account) setup(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	token, _, err := x.ticket(w, r, auth.SetupTicket)
	if err != nil {
		return err
	}
	v := ticketView{gate: newGate(r, ""), Name: r.PostForm.Get("name"), Email: r.PostForm.Get("email")}
	password, wrong := readPassword(r)
	if wrong == nil {
		err = x.accounts.Setup(w, r, token, auth.NewPerson{Name: v.Name, Email: v.Email, Lang: string(web.T(r).Lang())}, password)
		if err == nil {
			x.setCookie(w, r, ticketCookie, "", 0)
			return x.site.Redirect(w, r, "/account/second-factor")
		}
		wrong = place(r, err)
	}
	return x.ticketAgain(w, r, "account/setup", v, wrong, err)
}

// ticketAgain shows a form of a link again with what is wrong.
func (x *Account) ticketAgain(w http.ResponseWriter, r *http.Request, page string, v ticketView, wrong map[string]string, err error) error {
	status, ok := http.StatusUnprocessableEntity, true
	if err != nil {
		status, ok = refused(err)
	}
	if !ok || err != nil && !web.WantsPage(r) {
		return err
	}
	v.Wrong = wrong
	if text := wrong["code"]; text != "" && (!v.Ways.Code() || r.PostForm.Get("challenge") != "") {
		v.Wrong, v.Error = nil, text
	}
	return x.site.Render(w, r, status, page, v)
}

func (x *Account) invitationPage(w http.ResponseWriter, r *http.Request) error {
	if kept, err := x.keepTicket(w, r, "/invitation"); kept {
		return err
	}
	_, t, err := x.ticket(w, r, auth.InviteTicket)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/invitation", ticketView{gate: newGate(r, ""), Name: t.Name, Email: t.Email})
}

func (x *Account) acceptInvitation(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	token, t, err := x.ticket(w, r, auth.InviteTicket)
	if err != nil {
		return err
	}
	v := ticketView{gate: newGate(r, ""), Name: t.Name, Email: t.Email}
	password, wrong := readPassword(r)
	if wrong == nil {
		if _, err = x.accounts.Redeem(w, r, token, password, auth.Proof{}); err == nil {
			x.setCookie(w, r, ticketCookie, "", 0)
			return x.site.Redirect(w, r, "/") // by way of the second factor, where their role takes one
		}
		wrong = place(r, err)
	}
	return x.ticketAgain(w, r, "account/invitation", v, wrong, err)
}

// resetView is the page that asks for a link to another password.
type resetView struct {
	gate
	Email string
	Mail  bool // this server can send one
	Sent  bool
}

func (x *Account) resetView(r *http.Request) resetView {
	return resetView{gate: newGate(r, ""), Mail: x.accounts.Mailer != nil && x.accounts.Mailer.Enabled()}
}

func (x *Account) resetPage(w http.ResponseWriter, r *http.Request) error {
	if kept, err := x.keepTicket(w, r, "/reset/password"); kept {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/reset", x.resetView(r))
}

// askReset answers the same whoever has the address, and whether anybody does.
func (x *Account) askReset(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	v := x.resetView(r)
	v.Email = r.PostForm.Get("email")
	status := http.StatusOK
	if _, err := auth.NormalEmail(v.Email); err != nil {
		status, v.Wrong = http.StatusUnprocessableEntity, map[string]string{"email": say(r, err)}
	} else if err := x.accounts.RequestReset(w, r, v.Email); err != nil {
		var ok bool
		if status, ok = refused(err); !ok || !web.WantsPage(r) {
			return err
		}
		v.Wrong = map[string]string{"email": say(r, err)}
	} else {
		v.Sent = true
	}
	return x.site.Render(w, r, status, "account/reset", v)
}

func (x *Account) resetPasswordView(r *http.Request, t auth.Ticket) ticketView {
	v := ticketView{gate: newGate(r, ""), Name: t.Name, Email: t.Email, Ways: x.waysOf(t.Factors)}
	v.Ways.Password, v.Options = false, "/reset/options"
	return v
}

func (x *Account) resetPasswordPage(w http.ResponseWriter, r *http.Request) error {
	_, t, err := x.ticket(w, r, auth.ResetTicket)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "account/reset_password", x.resetPasswordView(r, t))
}

func (x *Account) resetPassword(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	token, t, err := x.ticket(w, r, auth.ResetTicket)
	if err != nil {
		return err
	}
	v := x.resetPasswordView(r, t)
	password, wrong := readPassword(r)
	if wrong == nil {
		if _, err = x.accounts.Redeem(w, r, token, password, proofOf(r)); err == nil {
			x.setCookie(w, r, ticketCookie, "", 0)
			return x.site.Done(w, r, "/signin", web.Flash{Kind: web.Good, Text: web.T(r).T("reset.done")})
		}
		wrong = place(r, err)
	}
	return x.ticketAgain(w, r, "account/reset_password", v, wrong, err)
}

// challengeTicket challenges a passkey of the person of this browser's reset link.
func (x *Account) challengeTicket(w http.ResponseWriter, r *http.Request) error {
	token, _, err := x.ticket(w, r, auth.ResetTicket)
	if err != nil {
		return answerChallenge(w, r, auth.Challenge{}, err)
	}
	c, err := x.accounts.BeginPasskey(w, r, token)
	return answerChallenge(w, r, c, err)
}
