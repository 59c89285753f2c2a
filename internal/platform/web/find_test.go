package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web/webtest"
)

// TestTheSearchBox asks for what the list below the box says, in both languages and as people who may more or less.
func TestTheSearchBox(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, one := range []struct {
		as        webtest.Visitor
		lang      i18n.Lang
		query     string
		has, lack []string
	}{
		{webtest.Admin, i18n.English, "", []string{`href="/home"`, `href="/specimen"`, `href="/specimen/settings"`}, []string{"/dangerous", "/search?q="}},
		{webtest.Admin, i18n.English, "OVERV", []string{`href="/home"`}, []string{`href="/specimen"`}},
		{webtest.Admin, i18n.English, "ホーム", []string{`href="/home"`}, nil},         // by the name in the other language
		{webtest.Admin, i18n.Japanese, "ほーむ", []string{`href="/home"`}, nil},        // the other kana
		{webtest.Admin, i18n.Japanese, "ﾎｰﾑ", []string{`href="/home"`}, nil},        // half width
		{webtest.Admin, i18n.Japanese, "overview", []string{"ホーム"}, nil},            // English by who reads Japanese
		{webtest.Admin, i18n.English, "cancel", []string{`href="/dangerous"`}, nil}, // a command
		{webtest.Reader, i18n.English, "cancel", nil, []string{`href="/dangerous"`}},
		{webtest.Admin, i18n.Japanese, "監査", []string{"監査ログの消去", `href="/search?q=%E7%9B%A3%E6%9F%BB"`, "the secret of 監査"}, []string{"evil.example"}},
		{webtest.Reader, i18n.Japanese, "監査", []string{"監査ログの消去"}, []string{"the secret of"}},
		{webtest.Nobody, i18n.Japanese, "監査", nil, []string{"監査ログの消去", "the secret of", "/search"}},
		{webtest.Admin, i18n.English, "broken", []string{"could not be searched", "/search?q=broken"}, nil},
		{webtest.Admin, i18n.English, "panic", []string{"could not be searched", "/search?q=panic"}, []string{"nobody thought of"}},
	} {
		for target, path := range map[string]string{"options": "/find?q=", "": "/find?q="} {
			answer := site.Do(webtest.Request{As: one.as, Lang: one.lang, Path: path + url.QueryEscape(one.query), HTMX: target})
			_, page, _ := strings.Cut(answer.Body.String(), "<main")
			if target != "" {
				page = answer.Body.String()
			}
			if answer.Code != http.StatusOK {
				t.Errorf("%q as %s: status %d", one.query, one.as, answer.Code)
			}
			for _, text := range one.has {
				if !strings.Contains(page, text) {
					t.Errorf("%q as %s in %s, %q: %s is missing in\n%s", one.query, one.as, one.lang, target, text, page)
				}
			}
			for _, text := range one.lack {
				if strings.Contains(page, text) {
					t.Errorf("%q as %s in %s, %q: %s is there in\n%s", one.query, one.as, one.lang, target, text, page)
				}
			}
		}
	}
}

// TestAQueryForEventsSearchesEventsFirst is for who types LogsQL into the box.
func TestAQueryForEventsSearchesEventsFirst(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for query, first := range map[string]bool{"event.code:=4625": true, "監査": false} {
		list := site.Do(webtest.Request{As: webtest.Admin, Path: "/find?q=" + url.QueryEscape(query), HTMX: "options"}).Body.String()
		if strings.HasPrefix(strings.TrimSpace(list), `<a role="option" aria-selected="false" tabindex="-1" class="found-events"`) != first {
			t.Errorf("%q: events first: want %t\n%s", query, first, list)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, query := range []string{"", "監査", "ﾎｰﾑ", "\x00\xff", webtest.Probe, strings.Repeat("あ", 300), "a:b | c", "%"} {
		f.Add(query)
	}
	handler := newSite(f).Handler()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/find?q="+url.QueryEscape(query), nil)
		r.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Admin)})
		r.Header.Set("Accept", "text/html")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			t.Fatalf("%q: status %d", query, answer.Code)
		}
		for _, problem := range webtest.Problems(answer.Body.String()) {
			if !strings.ContainsAny(query, "{}%⟦<") {
				t.Errorf("%q: %s", query, problem)
			}
		}
	})
}
