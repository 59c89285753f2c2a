package notify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"yagura/internal/platform/notify"
)

// FuzzText: an argument is one line of bounded length that survives JSON, and what is defanged names no address that could be clicked.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"plain", "a\r\nBcc: x@evil.com", "https://evil.com/a?b#c", "HTTP://EVIL.COM", "www.evil.co.jp", "\u202egnp.exe", "\xff\x00", strings.Repeat("長", 400), "javascript:alert(1)", "powershell.exe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		arg := notify.Text(text)
		if strings.ContainsAny(arg.Text, "\r\n\x00\u2028\u2029\u202e") || utf8.RuneCountInString(arg.Text) > 300 {
			t.Errorf("%q becomes %q", text, arg.Text)
		}
		data, err := json.Marshal(arg)
		var again notify.Arg
		if err != nil || json.Unmarshal(data, &again) != nil || again.Text != arg.Text {
			t.Errorf("%q came back as %q", arg.Text, again.Text)
		}
		if safe := strings.ToLower(notify.Defang(arg.Text)); strings.Contains(safe, "http://") || strings.Contains(safe, "https://") {
			t.Errorf("%q is still an address: %q", arg.Text, safe)
		}
	})
}
