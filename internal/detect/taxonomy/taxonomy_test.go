package taxonomy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/taxonomy"
	"yagura/sigma"
)

func load(t *testing.T) *taxonomy.Taxonomy {
	t.Helper()
	tax, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	return tax
}

func small(t *testing.T, text string) *taxonomy.Taxonomy {
	t.Helper()
	tax, err := taxonomy.LoadFS(fstest.MapFS{"a.yml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return tax
}

const twoProducts = `
product: box
fallback: [box.]
keywords: [message]
fields: {Host: host.name}
sources:
  - service: audit
    events: [{event.dataset: box.audit}]
    fields: {Actor: user.name}
    known: [Extra, "detail.*"]
  - category: login
    events: [{event.dataset: "box.*", event.category: authentication}]
    fields: {Actor: [user.email, user.name]}
---
sources:
  - category: login
    events: [{event.dataset: door}]
    open: true
`

func TestALogSourceWithFewerPartsCoversTheUnion(t *testing.T) {
	t.Parallel()
	tax := small(t, twoProducts)
	audit := sigma.Conjunction{{Field: "event.dataset", Values: []string{"box.audit"}}}
	login := sigma.Conjunction{{Field: "event.category", Values: []string{"authentication"}}, {Field: "event.dataset", Values: []string{"box.*"}}}
	door := sigma.Conjunction{{Field: "event.dataset", Values: []string{"door"}}}
	for _, c := range []struct {
		ls   sigma.Logsource
		want []sigma.Conjunction
	}{
		{sigma.Logsource{Product: "box", Service: "audit"}, []sigma.Conjunction{audit}},
		{sigma.Logsource{Product: "box"}, []sigma.Conjunction{audit, login}},
		{sigma.Logsource{Category: "login"}, []sigma.Conjunction{login, door}},
		{sigma.Logsource{Product: "box", Category: "login", Service: "audit"}, []sigma.Conjunction{append(login, audit...)}},
	} {
		got, ok := tax.Events(c.ls)
		if diff := cmp.Diff(c.want, got); diff != "" || !ok {
			t.Errorf("%v: %v %s", c.ls, ok, diff)
		}
	}
	for _, unknown := range []sigma.Logsource{{Product: "chest"}, {Product: "box", Category: "logout"}, {Product: "box", Category: "login", Service: "x"}} {
		if _, ok := tax.Events(unknown); ok {
			t.Errorf("%v is said to be known", unknown)
		}
	}
}

func TestFieldsComeInOrderOfPreference(t *testing.T) {
	t.Parallel()
	tax := small(t, twoProducts)
	for _, c := range []struct {
		ls    sigma.Logsource
		field string
		want  string
		known bool
	}{
		{sigma.Logsource{Product: "box", Service: "audit"}, "Actor", "user.name", true},
		{sigma.Logsource{Product: "box", Category: "login"}, "Actor", "user.email user.name", true},
		{sigma.Logsource{Product: "box"}, "Actor", "user.name user.email", true},
		{sigma.Logsource{Product: "box", Service: "audit"}, "Host", "host.name", true},
		{sigma.Logsource{Product: "box", Service: "audit"}, "Extra", "box.Extra", true},
		{sigma.Logsource{Product: "box", Service: "audit"}, "detail.a.b", "box.detail.a.b", true},
		{sigma.Logsource{Product: "box", Service: "audit"}, "Odd", "box.Odd Odd", false},
		{sigma.Logsource{Category: "login"}, "anything", "anything", true}, // open
	} {
		names, known := tax.Fields(c.ls, c.field)
		if got := strings.Join(names, " "); got != c.want || known != c.known {
			t.Errorf("%v %s: %q, known %v; want %q, %v", c.ls, c.field, got, known, c.want, c.known)
		}
	}
}

func TestKeywordsAreSearchedEverywhereUnlessTheDataSaysWhere(t *testing.T) {
	t.Parallel()
	tax := small(t, twoProducts)
	if got := tax.Keywords(sigma.Logsource{Product: "box"}); !cmp.Equal(got, []string{"message"}) {
		t.Error(got)
	}
	if got := tax.Keywords(sigma.Logsource{Category: "login"}); got != nil {
		t.Errorf("one of the log sources has no list, so every field counts, not %v", got)
	}
}

func TestWhatIsWrongInTheDataIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sources: [{category: a}]":                                        "no events",
		"sources: [{category: a, event: [{}]}]":                           "field event not found",
		"sources: [{category: a, events: [{x: []}]}]":                     "empty part",
		"sources: [{category: a, events: [{}], fields: {F: ''}}]":         "empty part",
		"sources: [{category: a, events: [{}], known: ['a*b']}]":          "only understood at the end",
		"sources: [{category: a, events: [{x: {y: z}}]}]":                 "a list of values is wanted",
		"channels: [{channel: C, move: {A: x, B: x}}]":                    "both move to x",
		"channels: [{channel: C, events: [{id: 1, move: {A: x, B: x}}]}]": "A and B both move to x",
		"channels: [{channel: C, copy: {A: 'magic:x'}}]":                  "no such way",
		"channels: [{channel: C, events: [{title: T}]}]":                  "no id",
		"channels: [{channel: C}, {channel: [D, C]}]":                     "described twice",
		"channels: [{events: [{id: 1}]}]":                                 "no name",
	} {
		_, err := taxonomy.LoadFS(fstest.MapFS{"bad.yml": {Data: []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "bad.yml") {
			t.Errorf("%s: %v, want %q and the file's name", text, err, want)
		}
	}
}

func TestAMovedFieldIsFoundUnderBothNames(t *testing.T) {
	t.Parallel()
	tax := small(t, `
product: windows
fallback: [winlog.event_data.]
channels: [{channel: Log, move: {Image: process.executable}, events: [{id: 1, data: [Image, Sum]}, {id: 2, data: [Other]}]}]
sources: [{category: start, events: [{winlog.channel: LOG, event.code: "1"}]}]
`)
	ls := sigma.Logsource{Product: "windows", Category: "start"}
	names, known := tax.Fields(ls, "Image")
	if !cmp.Equal(names, []string{"process.executable", "winlog.event_data.Image", "winlog.user_data.Image"}) || !known {
		t.Error(names, known)
	}
	if _, known := tax.Fields(ls, "Sum"); !known {
		t.Error("Sum is a field of event 1")
	}
	if _, known := tax.Fields(ls, "Other"); known {
		t.Error("Other is a field of another event")
	}
}

func TestTheEmbeddedDataLoads(t *testing.T) {
	t.Parallel()
	tax := load(t)
	for _, ls := range []sigma.Logsource{
		{Product: "windows"}, {Product: "windows", Category: "process_creation"}, {Category: "process_creation"},
		{Product: "windows", Service: "security"}, {Category: "antivirus"},
	} {
		if _, ok := tax.Events(ls); !ok {
			t.Errorf("%v is unknown", ls)
		}
	}
}
