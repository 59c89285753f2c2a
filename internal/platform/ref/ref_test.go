package ref

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ref{
		"alert/0192":   {"alert", "0192"},
		"rule/a-b.c":   {"rule", "a-b.c"},
		"data_set/a b": {"data_set", "a b"},
	} {
		got, err := Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "alert", "alert/", "/1", "Alert/1", "a b/1", "1a/1", "alert/a/b", "alert/a\nb", "alert/a\x00"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("alert/0192")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := Parse(text); err == nil && r.String() != text {
			t.Errorf("%q came back as %q", text, r)
		}
	})
}
