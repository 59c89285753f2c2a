package event_test

import (
	"testing"

	"yagura/internal/event"
)

func TestReadJSONReadsWhatMarshalJSONWrote(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"user.name":"田中","event.code":4625,"ok":true,"gone":null}`, `{"process.args":["a","b",3,null,false]}`, `{"x":"\u0000\"<"}`,
	} {
		ev, err := event.ReadJSON([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		again, err := ev.MarshalJSON()
		if err != nil || normal(t, again) != normal(t, []byte(text)) {
			t.Errorf("%s came back as %s, %v", text, again, err)
		}
	}
	for _, text := range []string{``, `[]`, `"x"`, `{"a":{"b":1}}`, `{"a":[[1]]}`, `{"a":1`, `{"a" 1}`} {
		if ev, err := event.ReadJSON([]byte(text)); err == nil {
			t.Errorf("%s was read as %v", text, ev.Fields())
		}
	}
}

// normal is an event's JSON without its own ways to write a character.
func normal(t testing.TB, text []byte) string {
	t.Helper()
	ev, err := event.ReadJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, f := range ev.Fields() {
		out += f.Name + "\x01" + f.Value + "\x01" + string('0'+rune(f.Kind)) + "\x02"
	}
	return out
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(`{"a":["x",1,true,null],"b":"1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := event.ReadJSON(data)
		if err != nil {
			return
		}
		if _, err := ev.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}
