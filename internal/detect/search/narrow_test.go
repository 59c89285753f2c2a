package search

import "testing"

func TestNarrow(t *testing.T) {
	t.Parallel()
	const filter = `host.name:="pc-0412"`
	for query, want := range map[string]string{
		"":                             filter,
		" * ":                          filter,
		"powershell":                   "powershell " + filter,
		"a or b":                       "(a or b) " + filter,
		"a | stats count() by (x)":     "a " + filter + " | stats count() by (x)",
		`"a | b" | limit 3`:            `"a | b" ` + filter + " | limit 3",
		"`a | b\\` | limit 3":          "`a | b\\` " + filter + " | limit 3",
		`"a \" | b" | limit 3`:         `"a \" | b" ` + filter + " | limit 3",
		"x:in(y | fields x) | limit 3": "x:in(y | fields x) " + filter + " | limit 3",
		"* | limit 3":                  filter + " | limit 3",
		`"open`:                        `"open ` + filter,
		"a # b | c":                    "a # b | c\n" + filter,
		"a or b # c\n| limit 3":        "(a or b # c\n)\n" + filter + " | limit 3",
	} {
		if got := narrow(query, filter); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := exactly(`a b`, `C:\x "y"`); got != `"a b":="C:\\x \"y\""` {
		t.Error(got)
	}
}

func FuzzCutPipes(f *testing.F) {
	f.Add("`a | b` or (c | d) | limit 3")
	f.Add(`"a \`)
	f.Add("a #")
	f.Fuzz(func(t *testing.T, query string) {
		if head, pipes := cutPipes(query); head+pipes != query || pipes != "" && pipes[0] != '|' {
			t.Errorf("%q was cut into %q and %q", query, head, pipes)
		}
	})
}
