package charset_test

import (
	"testing"

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
