package account

import (
	"net/http"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/web"
)

// sessionShown is a signed-in browser of the reader's.
type sessionShown struct {
	auth.Session
	Browser, System string // "" where the browser does not say
	Current         bool
}

type sessionsView struct {
	Tabs     []web.Tab
	Sessions []sessionShown
	Others   bool
}

func (x *Account) sessions(w http.ResponseWriter, r *http.Request) error {
	user := web.User(r)
	list, err := x.accounts.Sessions(r.Context(), user.ID)
	if err != nil {
		return err
	}
	v := sessionsView{Tabs: tabs(r, "/account/sessions"), Others: len(list) > 1}
	for _, s := range list {
		one := sessionShown{Session: s, Current: s.ID == user.SessionID}
		one.Browser, one.System = readAgent(s.Agent)
		v.Sessions = append(v.Sessions, one)
	}
	return x.site.Render(w, r, http.StatusOK, "account/sessions", v)
}

func (x *Account) endSession(w http.ResponseWriter, r *http.Request) error {
	user := web.User(r)
	if r.PathValue("id") == user.SessionID {
		return x.signOut(w, r)
	}
	if err := x.accounts.EndSession(as(r), user.ID, r.PathValue("id")); err != nil {
		return err
	}
	return x.site.Done(w, r, "/account/sessions", web.Flash{Kind: web.Good, Text: web.T(r).T("account.session.ended")})
}

func (x *Account) endSessions(w http.ResponseWriter, r *http.Request) error {
	user := web.User(r)
	if err := x.accounts.EndSessions(as(r), user.ID, user.SessionID); err != nil {
		return err
	}
	return x.site.Done(w, r, "/account/sessions", web.Flash{Kind: web.Good, Text: web.T(r).T("account.sessions.ended")})
}

// readAgent says which browser and system a User-Agent names, "" for what it does not say in a way that is known here. Browsers
// name their ancestors, too, so the descendants come first. It is the visitor's own word: a hint for the reader, no evidence.
func readAgent(agent string) (browser, system string) {
	find := func(table [][2]string) string {
		for _, one := range table {
			if strings.Contains(agent, one[0]) {
				return one[1]
			}
		}
		return ""
	}
	browser = find([][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"}, {"curl/", "curl"},
	})
	system = find([][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	return browser, system
}

// device is the name that a new passkey is offered.
func device(r *http.Request) string {
	browser, system := readAgent(r.UserAgent())
	switch {
	case browser == "" || system == "":
		return browser + system
	default:
		return browser + " · " + system
	}
}
