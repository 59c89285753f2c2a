package settings_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/web/settings"
	"yagura/internal/platform/web/webtest"
)

func newSite(t *testing.T) *webtest.Site {
	t.Helper()
	site := webtest.New(t)
	site.Mount(settings.New(site.Site, settings.Options{
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
		Correlations: func() []settings.Fact {
			return []settings.Fact{{Key: "settings.correlation.groups", Value: 1234}, {Key: "settings.correlation.bytes", Value: 5 << 20, Bytes: true}}
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
