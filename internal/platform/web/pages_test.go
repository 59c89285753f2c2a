package web_test

import (
	"testing"

	"yagura/internal/platform/web/webtest"
)

func newSite(t testing.TB) *webtest.Site {
	t.Helper()
	site := webtest.New(t)
	site.Mount(specimen{site.Site}.module())
	return site
}

func TestEveryPageRendersInBothLanguages(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	if err := site.Check(); err != nil {
		t.Fatal(err)
	}
	site.Pages("/specimen", "/specimen/5", "/", "/find?q=%E7%9B%A3", "/design?lang=ja", "/design?lang=en", "/find?q=broken", "/find?q=nothing+at+all")
}

func TestEveryRouteIsGuarded(t *testing.T) {
	t.Parallel()
	newSite(t).Guarded()
}
