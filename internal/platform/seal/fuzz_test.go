package seal_test

import (
	"strings"
	"testing"

	"yagura/internal/platform/seal"
)

// FuzzOpen: whatever stands in the database, Open gives what was sealed or an error that holds nothing of it.
func FuzzOpen(f *testing.F) {
	keys := seal.Generate()
	genuine, err := keys.Seal("t.c/1", []byte("the plain value"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{genuine, genuine[:30], "s1." + keys.Newest() + ".", "s1.aaaaaaaa.AAAA", "s1..", "", "s2", "\x00", genuine + "\n", strings.ToUpper(genuine)} {
		f.Add("t.c/1", seed)
	}
	f.Add("t.c/2", genuine)
	f.Fuzz(func(t *testing.T, purpose, sealed string) {
		plain, err := keys.Open(purpose, sealed)
		switch {
		case err == nil && (sealed != genuine || purpose != "t.c/1" || string(plain) != "the plain value"):
			t.Errorf("%q for %q opened as %q", sealed, purpose, plain)
		case err != nil && plain != nil:
			t.Errorf("%q gave %q and %v", sealed, plain, err)
		case err != nil && len(sealed) > 40 && strings.Contains(strings.ReplaceAll(err.Error(), purpose, ""), sealed[20:]):
			t.Errorf("the error holds the sealed text: %v", err)
		}
	})
}

func BenchmarkSealAndOpen(b *testing.B) {
	keys := seal.Generate()
	plain := []byte("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP") // the seed of a one-time code
	for b.Loop() {
		text, err := keys.Seal("auth_totp.secret/1", plain)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := keys.Open("auth_totp.secret/1", text); err != nil {
			b.Fatal(err)
		}
	}
}
