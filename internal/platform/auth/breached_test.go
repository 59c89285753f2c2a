package auth

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func hashes(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum(fmt.Append(nil, "password ", i)), i*i))
	}
	slices.Sort(lines)
	return lines
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKnownPasswordsAreFoundInTheFile(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n", "\r\n"} {
		for _, n := range []int{1, 2, 3, 1000} {
			for _, last := range []string{"", end} {
				lists, err := OpenLists(file(t, strings.Join(hashes(n), end)+last), file(t, "Iloveyou\r\n\r\nパスワード\n"))
				if err != nil {
					t.Fatal(err)
				}
				defer lists.Close()
				for i := range n {
					if found, err := lists.Has(fmt.Sprint("password ", i)); !found || err != nil {
						t.Fatalf("%d of %d: %t %v", i, n, found, err)
					}
				}
				for _, other := range []string{"", "password -1", "password 1000", "x"} {
					if found, err := lists.Has(other); found || err != nil {
						t.Errorf("%q in %d: %t %v", other, n, found, err)
					}
				}
				for _, plain := range []string{"iLOVEyou", "ﾊﾟｽﾜｰﾄﾞ"} {
					if found, err := lists.Has(plain); !found || err != nil {
						t.Errorf("%q: %t %v", plain, found, err)
					}
				}
			}
		}
	}
}

func TestAListOutOfOrderIsRefused(t *testing.T) {
	t.Parallel()
	lines := hashes(1000)
	slices.Reverse(lines)
	if _, err := OpenLists(file(t, strings.Join(lines, "\n"))); err == nil {
		t.Error("it was taken")
	}
	if _, err := OpenLists(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was taken")
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(strings.Join(hashes(5), "\n"), "password 3")
	f.Add("\n\n\n", "x")
	f.Add(strings.Repeat("A", 500), "x")
	f.Fuzz(func(t *testing.T, text, password string) {
		if len(text) > 1<<16 {
			return
		}
		lists, err := OpenLists(file(t, text))
		if err != nil {
			return
		}
		defer lists.Close()
		_, _ = lists.Has(password)
	})
}

func BenchmarkKnownPassword(b *testing.B) {
	lists, err := OpenLists(file(b, strings.Join(hashes(1_000_000), "\n")))
	if err != nil {
		b.Fatal(err)
	}
	defer lists.Close()
	for b.Loop() {
		if found, _ := lists.Has("not in the list"); found {
			b.Fatal("found")
		}
	}
}
