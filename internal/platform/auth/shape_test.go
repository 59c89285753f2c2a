package auth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"yagura/internal/platform/fault"
)

// TestCookiesAreForTheServerAlone looks at every cookie that a sign-in sets, over HTTPS and on this machine.
func TestCookiesAreForTheServerAlone(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("rin@example.jp", "analyst")
		h.in("rin@example.jp").app()
		h.person("ken@example.jp", "employee")
		for _, secure := range []bool{false, true} {
			h.Secure = func(*http.Request) bool { return secure }
			w, names := httptest.NewRecorder(), make(map[string]bool)
			for name, want := range map[string]Step{"rin@example.jp": FactorDue, "ken@example.jp": Done} {
				if step, err := h.SignIn(w, h.browser("192.0.2.1").request(), name, good); err != nil || step != want {
					t.Fatal(step, err)
				}
			}
			for _, c := range w.Result().Cookies() {
				names[c.Name] = true
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != secure || strings.HasPrefix(c.Name, "__Host-") != secure {
					t.Errorf("over HTTPS %t: %s", secure, c)
				}
			}
			if len(names) != 3 { // the session, the sign-in under way, the mark of the browser
				t.Errorf("over HTTPS %t: the cookies %v", secure, names)
			}
		}
		// Over HTTPS a cookie without the prefix, which a neighbouring host could have set, is nobody's.
		h.Secure = func(*http.Request) bool { return false }
		planted := h.in("ken@example.jp").cookies["yagura_session"]
		h.Secure = func(*http.Request) bool { return true }
		b := h.browser("192.0.2.1")
		b.cookies["yagura_session"] = planted
		_, err := b.user()
		want(t, "a cookie without the prefix", err, fault.Unauthentic)
	})
}

func TestPasswordsAreLongAndOfAnyKind(t *testing.T) {
	t.Parallel()
	for password, code := range map[string]fault.Code{
		"fourteen chars":  fault.Invalid,
		"fifteen letters": "",
		"鍵は天守の三階にある古い箱の中":                  "", // 15 characters
		"  spaces count, too  ":            "",
		"aaaaaaaaaaaaaaaaaaaaaaa":          fault.Invalid,
		"rin@example.jp rin rin@":          fault.Invalid,
		"Yagura password yagura!":          fault.Invalid,
		strings.Repeat("long enough ", 85): "", // 1,020 bytes
		strings.Repeat("long enough ", 86): fault.Invalid,
		"no text \xff\xfe no text no text": fault.Invalid,
	} {
		want(t, password, new(Accounts).Acceptable(password, Person{Email: "rin@example.jp", Name: "Rin Tanaka"}), code)
	}
}

// TestWhatWeMakeIsLongEnough counts what is drawn at random: letters of base32 are five bits each.
func TestWhatWeMakeIsLongEnough(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		p := h.person("rin@example.jp", "analyst")
		b := h.in("rin@example.jp")
		secret, recovery := b.app()
		if _, err := h.SendReset(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
		for what, one := range map[string]struct {
			text string
			bits int
		}{
			"seed": {secret, 160}, "recovery code": {strings.ReplaceAll(recovery[0], "-", ""), 120}, "session": {b.cookies["yagura_session"], 128},
			"link": {h.letter().Token, 160}, "token": {strings.TrimPrefix(newToken(), tokenPrefix)[:26], 128},
		} {
			if bits := 5 * len(one.text); bits < one.bits || strings.Trim(strings.ToUpper(one.text), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
				t.Errorf("the %s has %d bits, want %d: %q", what, bits, one.bits, one.text)
			}
		}
		if got := hash("x", defaultCost); !strings.HasPrefix(got, "$argon2id$v=19$m=65536,t=3,p=") {
			t.Errorf("passwords are kept as %.40s", got)
		}
	})
}
