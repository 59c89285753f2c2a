package i18n_test

import (
	"testing"
	"testing/fstest"
	"time"

	"yagura/internal/platform/i18n"
	"yagura/locale"
)

func bundle(t *testing.T, en, ja string) *i18n.Bundle {
	t.Helper()
	b, err := i18n.Load(fstest.MapFS{"en.json": {Data: []byte(en)}, "ja.json": {Data: []byte(ja)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessages(t *testing.T) {
	t.Parallel()
	b := bundle(t, `{
		"plain":  "All quiet",
		"filled": "{0} on {1}",
		"order":  "{1}: {0}",
		"plural": "{0, plural, one {# alert} other {# alerts}} on {1}",
		"braces": "'{'0'}' is {0} #"
	}`, `{"plural": "{1} のアラート {0, plural, other {# 件}}", "plain": "異常なし"}`)
	en, ja := b.Printer("en", nil), b.Printer("ja", nil)
	for _, one := range []struct {
		printer *i18n.Printer
		key     string
		args    []any
		want    string
	}{
		{en, "plain", nil, "All quiet"},
		{ja, "plain", nil, "異常なし"},
		{en, "filled", []any{"Login", "pc-1"}, "Login on pc-1"},
		{en, "order", []any{"a", "b"}, "b: a"},
		{en, "plural", []any{1, "pc-1"}, "1 alert on pc-1"},
		{en, "plural", []any{int64(1234), "pc-1"}, "1,234 alerts on pc-1"},
		{en, "plural", []any{0, "pc-1"}, "0 alerts on pc-1"},
		{ja, "plural", []any{1, "pc-1"}, "pc-1 のアラート 1 件"},
		{en, "braces", []any{"{0}"}, "{0} is {0} #"},
		{en, "filled", []any{"only one"}, "only one on {1}"},
		{en, "missing", nil, "⟦missing⟧"},
	} {
		if got := one.printer.T(one.key, one.args...); got != one.want {
			t.Errorf("%s %s %v: %q, want %q", one.printer.Lang(), one.key, one.args, got, one.want)
		}
	}
}

func TestCataloguesThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for _, message := range []string{"{", "}", "{x}", "{12}", "{0, select, a {b}}", "{0, plural, one {x}}", "{0, plural, other {x}", "{0, plural, other"} {
		_, err := i18n.Load(fstest.MapFS{"en.json": {Data: []byte(`{"k": "` + message + `"}`)}, "ja.json": {Data: []byte(`{}`)}})
		if err == nil {
			t.Errorf("%q was read", message)
		}
	}
}

func TestNumbersSizesAndSpans(t *testing.T) {
	t.Parallel()
	b, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	en, ja := b.Printer("en", nil), b.Printer("ja", nil)
	for got, want := range map[string]string{
		en.Number(0):                               "0",
		en.Number(999):                             "999",
		en.Number(-1234567):                        "−1,234,567",
		en.Number(uint64(1) << 63):                 "9,223,372,036,854,775,808",
		en.Number(0.256):                           "0.26",
		en.Number(12345.678):                       "12,346",
		en.Percent(0.256):                          "26 %",
		ja.Percent(0.256):                          "26%",
		en.Bytes(512):                              "512 B",
		en.Bytes(1536):                             "1.5 KiB",
		en.Bytes(5 << 30):                          "5 GiB",
		en.Duration(2*time.Hour + 5*time.Minute):   "2 h 5 min",
		ja.Duration(2*time.Hour + 5*time.Minute):   "2時間5分",
		ja.Duration(90 * time.Second):              "1分30秒",
		en.Duration(50 * time.Hour):                "2 d 2 h",
		en.Duration(1500 * time.Microsecond):       "1 ms",
		en.Duration(250 * time.Microsecond):        "0.25 ms",
		en.Duration(0):                             "0 s",
		en.Duration(-time.Minute):                  "−1 min",
		en.Duration(24*time.Hour + 40*time.Second): "1 d",
		b.Printer("en", tokyo(t)).Exact(moment()):  "2026-11-23 11:55:45.120 JST (UTC+09:00)",
		b.Printer("en", time.UTC).Exact(moment()):  "2026-11-23 02:55:45.120 UTC",
		b.Printer("ja", tokyo(t)).Time(moment()):   "2026-11-23 11:55:45",
		b.Printer("ja", tokyo(t)).Date(moment().Add(14 * time.Hour)): "2026-11-24",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	b, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	now := moment()
	for _, one := range []struct {
		d      time.Duration
		en, ja string
	}{
		{2 * time.Second, "just now", "たった今"},
		{59 * time.Second, "59 s ago", "59秒前"},
		{3*time.Minute + 59*time.Second, "3 min ago", "3分前"},
		{5 * time.Hour, "5 h ago", "5時間前"},
		{6 * 24 * time.Hour, "6 d ago", "6日前"},
		{7 * 24 * time.Hour, "2026-11-16", "2026-11-16"},
		{-3 * time.Minute, "in 3 min", "3分後"},
	} {
		for lang, want := range map[i18n.Lang]string{"en": one.en, "ja": one.ja} {
			if got := b.Printer(lang, nil).Ago(now.Add(-one.d), now); got != want {
				t.Errorf("%s in %s: %q, want %q", one.d, lang, got, want)
			}
		}
	}
}

func TestMatchingTheReadersLanguage(t *testing.T) {
	t.Parallel()
	b := bundle(t, `{}`, `{}`)
	for _, one := range []struct{ choice, accept, want string }{
		{"ja", "en", "ja"},
		{"en", "ja", "en"},
		{"xx", "ja-JP,ja;q=0.9,en;q=0.8", "ja"},
		{"", "en-US,en;q=0.9,ja;q=0.8", "en"},
		{"", "de,fr;q=0.5", "en"},
		{"", "de,ja;q=0.5", "ja"},
		{"", "", "en"},
		{"", ";;;=", "en"},
	} {
		if got := b.Match(one.choice, one.accept); string(got) != one.want {
			t.Errorf("choice %q, Accept-Language %q: %s, want %s", one.choice, one.accept, got, one.want)
		}
	}
}

func moment() time.Time { return time.Date(2026, 11, 23, 2, 55, 45, 120e6, time.UTC) }

func tokyo(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
