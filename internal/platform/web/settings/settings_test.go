package settings_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web/settings"
	"yagura/internal/platform/web/webtest"
)

// oldPassword knows one password and takes any new one but "short".
type oldPassword struct{ auth.Authenticator }

func (oldPassword) ChangePassword(_ context.Context, _ *http.Request, _ *auth.User, old, new string) error {
	switch {
	case old != "the old one":
		return fault.New(fault.Forbidden, "fault.password.old", "wrong")
	case new == "short":
		return &fault.Error{Code: fault.Invalid, Key: "fault.password.short", Args: []any{15}, Detail: "short"}
	}
	return nil
}

func newSite(t *testing.T) *webtest.Site {
	t.Helper()
	site := webtest.New(t)
	site.Mount(settings.New(site.Site, oldPassword{}, settings.Options{
		Config: func() []settings.ConfigRow {
			return []settings.ConfigRow{
				{Name: "http.listen", Value: "0.0.0.0:8686", Kind: "file", From: "yagura.yml:3"},
				{Name: "data", Value: webtest.Probe, Kind: "flag", From: "--data"},
				{Name: "log.level", Value: "info", Kind: "default"},
				{Name: "a.setting.without.message", Value: "", Help: webtest.Probe, Kind: "environment", From: "YAGURA_A"},
			}
		},
		Sizes: func() []settings.Size {
			return []settings.Size{{Key: "settings.size.store", Bytes: 3 << 30}, {Key: "settings.size.spool", Bytes: 1 << 20}}
		},
		Data:    "/var/lib/yagura",
		Version: "v1.2.3",
		Started: time.Now().Add(-time.Hour),
	}).Module())
	return site
}

func TestPageRenders(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	if err := site.Check(); err != nil {
		t.Fatal(err)
	}
	site.Pages()
	site.Guarded()
}

func TestConfigurationIsForThoseWhoMaySeeIt(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for visitor, sees := range map[webtest.Visitor]bool{webtest.Nobody: false, webtest.Reader: true, webtest.Admin: true} {
		page := site.Do(webtest.Request{As: visitor, Path: "/settings"})
		if page.Code != http.StatusOK || strings.Contains(page.Body.String(), "0.0.0.0:8686") != sees {
			t.Errorf("%s: status %d, sees the configuration: want %t", visitor, page.Code, sees)
		}
	}
}

func TestChangingThePassword(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	form := func(old, fresh, again string) url.Values {
		return url.Values{"old": {old}, "new": {fresh}, "again": {again}}
	}
	for _, one := range []struct {
		name   string
		form   url.Values
		status int
		says   string
	}{
		{"right", form("the old one", "a long new password", "a long new password"), http.StatusSeeOther, ""},
		{"wrong old one", form("guess", "a long new password", "a long new password"), http.StatusUnprocessableEntity, "The present password is wrong."},
		{"two new ones", form("the old one", "a long new password", "another"), http.StatusUnprocessableEntity, "The two new passwords differ."},
		{"too short", form("the old one", "short", "short"), http.StatusUnprocessableEntity, "at least 15 characters"},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			answer := site.Do(webtest.Request{As: webtest.Admin, Path: "/settings/password", Form: one.form, Lang: "en"})
			if answer.Code != one.status || !strings.Contains(answer.Body.String(), one.says) {
				t.Errorf("status %d, want %d with %q in:\n%s", answer.Code, one.status, one.says, answer.Body)
			}
		})
	}
}
