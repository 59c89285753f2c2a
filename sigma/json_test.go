package sigma_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"yagura/sigma"
)

// fieldsOf is what an event has.
func fieldsOf(ev sigma.Event) sigma.Fields {
	var fields sigma.Fields
	for i := range ev.NumFields() {
		name, value, null := ev.Field(i)
		fields = append(fields, sigma.Field{Name: strings.Clone(name), Value: strings.Clone(value), Null: null})
	}
	return fields
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var j sigma.JSON
	for _, row := range []struct {
		text string
		want sigma.Fields
	}{
		{`{}`, nil},
		{` {"a" : "x" , "b":1.50e+3, "c":true,"d":false,"e":null} `, sigma.Fields{{Name: "a", Value: "x"}, {Name: "b", Value: "1.50e+3"}, {Name: "c", Value: "true"}, {Name: "d", Value: "false"}, {Name: "e", Null: true}}},
		{`{"Event":{"System":{"EventID":4688,"Channel":"Security"},"x":{}},"after":-0}`, sigma.Fields{{Name: "Event.System.EventID", Value: "4688"}, {Name: "Event.System.Channel", Value: "Security"}, {Name: "after", Value: "-0"}}},
		{`{"tags":["a",["b",null],{"n":{"m":1}},[]],"t":"z"}`, sigma.Fields{{Name: "tags", Value: "a"}, {Name: "tags", Value: "b"}, {Name: "tags", Null: true}, {Name: "tags.n.m", Value: "1"}, {Name: "t", Value: "z"}}},
		{`{"a":{"l":[{"x":1},{"x":2,"y":{"z":3}}],"m":4}}`, sigma.Fields{{Name: "a.l.x", Value: "1"}, {Name: "a.l.x", Value: "2"}, {Name: "a.l.y.z", Value: "3"}, {Name: "a.m", Value: "4"}}},
		{`{"p\u0061th":"C:\\Windows\\\"x\"\/\b\f\n\r\t","k":"\u7530\ud83d\ude00\ud83dx"}`, sigma.Fields{{Name: "path", Value: "C:\\Windows\\\"x\"/\b\f\n\r\t"}, {Name: "k", Value: "田😀\ufffdx"}}},
	} {
		if err := j.Parse([]byte(row.text)); err != nil {
			t.Errorf("%s: %v", row.text, err)
		} else if diff := cmp.Diff(row.want, fieldsOf(&j)); diff != "" {
			t.Errorf("%s: %s", row.text, diff)
		}
	}
}

func TestJSONRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	var j sigma.JSON
	for _, text := range []string{
		"", " ", "[]", `"a"`, "{", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}}`, `{a:1}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":tru}`, `{"a":"x}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}", `{"a":[1,]}`, `{"a":[1}`, `{"a":"\`, `{"a":"\u12`, `{"a" 1}`, `{"a":1 "b":2}`,
		strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200),
		strings.Repeat(`{"`+strings.Repeat("n", 100)+`":`, 60) + "1" + strings.Repeat("}", 60),
		`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}",
		`{"` + strings.Repeat("n", 4000) + `":{` + strings.Repeat(`"a":1,`, 1000) + `"b":2}}`,
	} {
		if err := j.Parse([]byte(text)); err == nil || j.NumFields() > 0 {
			t.Errorf("%.60s: no error, or fields in spite of it", text)
		}
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	m := compileText(t, someRules)
	s, data := m.NewScratch(), []byte(`{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"Image":"C:\\Windows\\System32\\CMD.EXE","CommandLine":"CMD /C WhoAmI /all \"\u7530\"","Port":8080,"a":{"b":[1,2,{"c":"d"}]}}`)
	var j sigma.JSON
	if n := testing.AllocsPerRun(100, func() {
		if err := j.Parse(data); err != nil {
			t.Fatal(err)
		}
		if got := m.Match(&j, s); len(got) != 1 || got[0].Title != "one" {
			t.Fatalf("%d rules match", len(got))
		}
	}); n > 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// tokens flattens JSON by the standard library's tokens, the slow way. ok is false where it is no object.
func tokens(data []byte) (fields sigma.Fields, ok bool) {
	if !json.Valid(data) || bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value func(name string)
	object := func(prefix string) {
		for decoder.More() {
			key, _ := decoder.Token()
			value(prefix + key.(string))
		}
		_, _ = decoder.Token()
	}
	value = func(name string) {
		token, _ := decoder.Token()
		switch token := token.(type) {
		case json.Delim:
			if token == '{' {
				object(name + ".")
				return
			}
			for decoder.More() {
				value(name)
			}
			_, _ = decoder.Token()
		case nil:
			fields = append(fields, sigma.Field{Name: name, Null: true})
		case bool:
			fields = append(fields, sigma.Field{Name: name, Value: map[bool]string{true: "true", false: "false"}[token]})
		case json.Number:
			fields = append(fields, sigma.Field{Name: name, Value: token.String()})
		case string:
			fields = append(fields, sigma.Field{Name: name, Value: token})
		}
	}
	_, _ = decoder.Token()
	object("")
	return fields, true
}

// FuzzJSON: what is read is what the standard library reads, but for what is bounded here.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1}`, `{"a":{"b":[1,"x",null,{"c":true}]},"d":"\u00e9\ud83d\ude00\ud800"}`, `{"":{"":1}}`, `{"a":[[],{}]}`, "{\"a\":\"\x1f\"}", `{"a":"12345678\"90"}`, `{"a":-1.5E-7}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var j sigma.JSON
		err := j.Parse(data)
		want, ok := tokens(data)
		switch {
		case err == nil && !ok:
			t.Fatalf("%q is no JSON object", data)
		case err != nil && ok && !strings.Contains(err.Error(), "too "):
			t.Fatalf("%q: %v", data, err)
		case err == nil && utf8.Valid(data) && !slices.Equal(fieldsOf(&j), want):
			t.Fatalf("%q: %v, want %v", data, fieldsOf(&j), want)
		}
	})
}
