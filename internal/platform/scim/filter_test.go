package scim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/filter.txt")
	if err != nil {
		t.Fatal(err)
	}
	k, resource, rows := users(), object(nil), 0
	for line := range strings.Lines(string(script)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		rows++
		switch word {
		case "", "#":
			rows--
		case "resource":
			raw, err := parseObject([]byte(rest))
			if err != nil {
				t.Fatal(err)
			}
			if resource, err = k.read(raw); err != nil {
				t.Fatal(err)
			}
		case "form":
			from, to, _ := strings.Cut(rest, " ==> ")
			if n, err := parseFilter(from); err != nil || n.String() != to {
				t.Errorf("%s: %v, %v", rest, n, err)
			}
		case "bad":
			n, err := parseFilter(rest)
			if err == nil {
				err = k.check(n)
			}
			if p, ok := problemOf(err); !ok || p.kind != "invalidFilter" {
				t.Errorf("%s: %v", line, err)
			}
		case "yes", "no":
			n, err := parseFilter(rest)
			if err == nil {
				err = k.check(n)
			}
			if err != nil {
				t.Errorf("%s: %v", line, err)
			} else if k.matches(resource, n) != (word == "yes") {
				t.Errorf("it is not so: %s", line)
			}
		default:
			t.Errorf("no line of this file: %s", line)
		}
	}
	if rows < 60 {
		t.Errorf("only %d rows were read", rows)
	}
}

func TestFiltersAreBounded(t *testing.T) {
	t.Parallel()
	for what, filter := range map[string]string{
		"brackets":  strings.Repeat("(", 1000) + "a pr" + strings.Repeat(")", 1000),
		"negations": strings.Repeat("not (", 500) + "a pr" + strings.Repeat(")", 500),
		"length":    strings.Repeat("a pr or ", 600) + "a pr",
		"no text":   "userName eq \"\xff\"",
	} {
		if _, err := parseFilter(filter); err == nil {
			t.Errorf("%s: it was read", what)
		}
	}
	if n, err := parseFilter(strings.Repeat("a pr or ", 500) + "a pr"); err != nil || users().matches(object{}, n) {
		t.Errorf("a long chain: %v", err)
	}
}

func FuzzFilter(f *testing.F) {
	script, err := os.ReadFile("testdata/filter.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(script)) {
		_, filter, _ := strings.Cut(strings.TrimSpace(line), " ")
		f.Add(strings.TrimSpace(filter))
	}
	k := users()
	resource := object{"userName": "rin@example.jp", "active": true, "emails": []any{object{"value": "rin@example.jp", "type": "work"}},
		"meta": object{"created": "2026-11-23T09:00:00Z"}}
	f.Fuzz(func(t *testing.T, filter string) {
		n, err := parseFilter(filter)
		if err != nil {
			return
		}
		if k.check(n) == nil {
			k.matches(resource, n)
		}
		form := n.String()
		again, err := parseFilter(form)
		if err != nil && (len(form) > maxFilter || strings.Contains(err.Error(), "nested")) {
			return // the brackets of its one form may be too many
		}
		if err != nil || again.String() != form {
			t.Errorf("%q is read as %q, which is read as %v (%v)", filter, form, again, err)
		}
	})
}

func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{"Operations":[{"op":"Replace","path":"active","value":"False"}]}`,
		`{"Operations":[{"op":"Add","path":"emails[type eq \"work\"].value","value":"rin@example.jp"}]}`,
		`{"Operations":[{"op":"replace","value":{"name.familyName":"x","emails":null,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"x"}}}]}`,
		`{"Operations":[{"op":"remove","path":"emails[primary eq true]"},{"op":"remove","path":"name.givenName"},{"op":"add","path":"name","value":{"givenName":"y"}}]}`,
		`{"operations":[{"OP":"REMOVE","PATH":"emails","VALUE":[{"value":"rin@example.jp"}]}]}`,
		`{"Operations":[{"op":"add","path":"members","value":[{"$ref":null,"value":"1"},"2",[]]}]}`,
	} {
		f.Add([]byte(seed))
	}
	start := `{"userName":"rin@example.jp","name":{"givenName":"凛"},"emails":[{"value":"rin@example.jp","type":"work","primary":true}],"active":true}`
	f.Fuzz(func(t *testing.T, text []byte) {
		body, err := parseObject(text)
		if err != nil {
			return
		}
		operations, err := readPatch(body)
		if err != nil {
			return
		}
		for _, k := range []*kind{users(), groups()} {
			resource, err := parseObject([]byte(start))
			if err != nil {
				t.Fatal(err)
			}
			before, _ := json.Marshal(resource)
			patched, err := k.patch(resource, operations)
			if after, _ := json.Marshal(resource); string(after) != string(before) {
				t.Fatalf("the resource itself was changed: %s", after)
			}
			if err != nil {
				continue
			}
			if again, err := k.read(patched); err != nil {
				t.Errorf("%s makes what cannot be read: %v %v", text, again, err)
			}
		}
	})
}
