package account

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"
)

func TestBrowsersByTheirName(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                                "Chrome Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":                  "Edge Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15":                          "Safari macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1":        "Safari iPhone",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.46 Mobile/15E148 Safari/604.1": "Chrome iPhone",
		"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0":                                                                         "Firefox Linux",
		"Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36":     "Samsung Internet Android",
		"curl/8.5.0": "curl ",
		"":           " ",
		"\x00\xff":   " ",
	} {
		browser, system := readAgent(agent)
		if got := browser + " " + system; got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

func FuzzReadAgent(f *testing.F) {
	for _, seed := range []string{"Mozilla/5.0 (Windows NT 10.0) Firefox/144.0", "Edg", "\xff\x00", "<b>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		browser, system := readAgent(agent)
		// What is shown is one of our words: a visitor cannot write into another's list.
		if len(browser) > 20 || len(system) > 20 || !utf8.ValidString(browser+system) || strings.ContainsAny(browser+system, `<>"'&`) {
			t.Errorf("%q is %q on %q", agent, browser, system)
		}
	})
}

// TestQRCodesAreDrawnWhole paints the path into a grid and compares it with the code.
func TestQRCodesAreDrawnWhole(t *testing.T) {
	t.Parallel()
	const text = "otpauth://totp/Yagura:tanaka@example.co.jp?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=Yagura"
	svg, err := drawQR(text, `"label" <b>`)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(svg), `aria-label="&#34;label&#34; &lt;b&gt;"`) {
		t.Errorf("the label: %.200s", svg)
	}
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	painted := make(map[[2]int]bool)
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(string(svg), -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		n, _ := strconv.Atoi(run[3])
		for i := range n {
			painted[[2]int{x + i - quiet, y - quiet}] = true
		}
	}
	for y := range code.Size {
		for x := range code.Size {
			if painted[[2]int{x, y}] != code.Black(x, y) {
				t.Fatalf("the module at %d, %d", x, y)
			}
		}
	}
	if _, err := drawQR(strings.Repeat("x", 5000), ""); err == nil {
		t.Error("what is too long for a code is drawn")
	}
	if got := spaced("ABCDEFGHIJ"); got != "ABCD EFGH IJ" {
		t.Errorf("%q", got)
	}
}
