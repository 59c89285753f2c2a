package web

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"yagura/internal/platform/i18n"
	"yagura/locale"
)

func FuzzSafeNext(f *testing.F) {
	for _, seed := range []string{"/", "/alerts?x=1", "//evil.example", `/\evil.example`, "/\t/evil.example", "https:/evil.example", "/..//evil.example", "/%5cevil.example"} {
		f.Add(seed)
	}
	base, _ := url.Parse("http://yagura.example:8686/signin")
	f.Fuzz(func(t *testing.T, next string) {
		got := SafeNext(next)
		// Browsers drop tabs and line breaks and read a backslash as a slash (WHATWG URL, 4.4) before they resolve.
		seen := strings.NewReplacer("\t", "", "\r", "", "\n", "", `\`, "/").Replace(strings.Trim(got, " \x00"))
		u, err := base.Parse(seen)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme {
			t.Errorf("%q leads to %q (%v)", next, got, err)
		}
	})
}

var tags = regexp.MustCompile(`</?(span|div|table|tr|td|code)( (class|id|data-line|tabindex|role)="[^"<>]*")*>`)

func FuzzCode(f *testing.F) {
	for _, seed := range []string{"title: x # y\n", "- a: '<b>'\n", "  - - 'x': \"&\"", "a:b", ": #", "key: \x00\xff", "#<script>", "a: 'b' # c"} {
		f.Add(seed)
	}
	bundle, err := i18n.Load(locale.Files)
	if err != nil {
		f.Fatal(err)
	}
	c := components{printer: bundle.Printer(i18n.English, nil)}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []string{"yaml", ""} {
			text := strings.NewReplacer("\r", "", "\x00", "").Replace(text) // what HTML cannot hold as it is
			shown := string(c.code(kind, text))
			plain := tags.ReplaceAllString(shown, "")
			if strings.ContainsAny(plain, `<>"'`) {
				t.Fatalf("%q comes out as markup: %s", text, shown)
			}
			if got, want := html.UnescapeString(plain), strings.ReplaceAll(text, "\n", ""); got != want {
				t.Fatalf("%q is shown as %q", want, got)
			}
		}
	})
}

func FuzzDefang(f *testing.F) {
	for _, seed := range []string{"https://a.example/x", "a@b.example", "10.0.0.1", "hTTps://x", "http://http://a.b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if lower := strings.ToLower(Defang(text)); strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
			t.Errorf("%q is shown as %q", text, lower)
		}
	})
}

func FuzzReadSpan(f *testing.F) {
	for _, seed := range []string{"15m", "24h", "7d", "0h", "-1d", "99999999999y", "1", "h", "１h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if span, err := readSpan(text); err == nil && (span <= 0 || span > maxSince) {
			t.Errorf("%q is %s", text, span)
		}
	})
}
