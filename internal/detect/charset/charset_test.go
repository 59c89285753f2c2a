package charset_test

import (
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"

	"yagura/internal/detect/charset"
)

func TestShiftJIS(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"山田: ログイン", "ﾛｸﾞｲﾝ 失敗", "<134>RT: 表示 ソ"} {
		bytes, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := charset.ShiftJIS(bytes); !ok || string(got) != text {
			t.Errorf("%q: %q %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "plain", "日本語", // UTF-8 already
		"Zugriff verweigert f\xfcr M\xfcller", "\xe9l\xe8ve", "caf\xe9", // Latin-1
		"\x83", "\x83\x83\xff", "\xff\xfe\xfd", "\x82\xa0\x00", // broken, or no text
	} {
		if got, ok := charset.ShiftJIS([]byte(text)); ok {
			t.Errorf("%q is taken for Shift_JIS: %q", text, got)
		}
	}
}

// FuzzShiftJIS: whatever comes, what is taken for Japanese is text, and none that was text already.
func FuzzShiftJIS(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x8eR\x93c: \x83\x8d\x83O", "\x83\x83\xff", "Zugriff f\xfcr", "日本語", "\x82\xa0\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		decoded, ok := charset.ShiftJIS(text)
		if ok && (utf8.Valid(text) || !utf8.Valid(decoded) || len(decoded) == 0) {
			t.Errorf("%q becomes %q", text, decoded)
		}
	})
}
