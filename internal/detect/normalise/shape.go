package normalise

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/valyala/fastjson"
	"go.yaml.in/yaml/v3"

	"yagura/internal/event"
)

//go:embed shapes/*.yml
var shapeFiles embed.FS

// shape is how one service writes its events in JSON: how to tell, and what its fields mean in ECS. The native fields
// stay as they are beside the ECS ones, because rules for these services use their own names.
//
//	dataset: okta.system            # event.dataset; event.module is what stands before the first dot
//	when:                           # any of these lines; in one all terms hold, the first names a top-level key
//	  - eventType actor.alternateId # a path: it is there; path=text, path=text*, path=*text; !path: it is not
//	hints: [OktaIM2:log]            # what senders call it, where the looks do not tell: a HEC sourcetype, an index
//	time: [published]               # the first that can be read; then the names that every service uses
//	fields:                         # ECS name: the first source that has a value
//	  user.name: actor.alternateId  # a path, or a list of sources:
//	  event.outcome: [outcome:outcome.result, failure:errorCode, http:status, =success]
//	  # outcome: read a word or boolean as success or failure; failure: there at all; http: a status code
//	login: [eventType=user.session.start]   # terms over the finished event: its category is authentication
//	category: iam                   # what it is otherwise
//	message: [displayMessage]       # a readable sentence, where the event has one
//	text: [requestParameters]       # objects that keep their JSON text under their own name too: rules search it
//	line: SyslogMessage             # a path whose text is a log line to be read on
type shape struct {
	Dataset  string           `yaml:"dataset"`
	When     []string         `yaml:"when"`
	Hints    []string         `yaml:"hints"`
	Time     words            `yaml:"time"`
	Fields   map[string]words `yaml:"fields"`
	Login    words            `yaml:"login"`
	Category string           `yaml:"category"`
	Message  words            `yaml:"message"`
	Text     words            `yaml:"text"`
	Line     string           `yaml:"line"`

	rank   int
	copies []fieldCopy
	logins []term
}

// words is a YAML list of text, or one text for a list of one.
type words []string

func (w *words) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*w = words{node.Value}
		return nil
	}
	return node.Decode((*[]string)(w))
}

// term is one condition of a When line.
type term struct {
	path  string
	keys  []string
	op    byte // 0 there, '!' not there, '=' equal, '<' begins with, '>' ends with
	value string
}

// fieldCopy fills one ECS field.
type fieldCopy struct {
	target  string
	sources []fieldSource
}

type fieldSource struct {
	how  string // "" copy, "=" literal, "outcome", "failure", "http"
	path string
}

// shapes finds the shape of a document by its top-level keys.
type shapes struct {
	byKey    map[string][]candidate
	byHint   map[string]*shape
	fallback *shape // for what no shape fits: names that many products share
}

type candidate struct {
	shape *shape
	terms []term
}

// loadShapes reads the embedded files. An error is a mistake in them.
func loadShapes() (*shapes, error) {
	entries, err := shapeFiles.ReadDir("shapes")
	if err != nil {
		return nil, err
	}
	all := &shapes{byKey: map[string][]candidate{}, byHint: map[string]*shape{}}
	rank := 0
	for _, e := range entries {
		f, err := shapeFiles.Open("shapes/" + e.Name())
		if err != nil {
			return nil, err
		}
		err = all.read(f, &rank)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, fmt.Errorf("shapes/%s: %w", e.Name(), err)
		}
	}
	if all.fallback == nil {
		return nil, errors.New("shapes: none without a dataset, which is the one for all the rest")
	}
	return all, nil
}

func (a *shapes) read(r io.Reader, rank *int) error {
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	var list []*shape
	if err := dec.Decode(&list); err != nil {
		return err
	}
	for _, s := range list {
		s.rank = *rank
		*rank++
		if err := a.add(s); err != nil {
			return fmt.Errorf("%s: %w", s.Dataset, err)
		}
	}
	return nil
}

func (a *shapes) add(s *shape) error {
	for target, list := range s.Fields {
		c := fieldCopy{target: target}
		for _, text := range list {
			c.sources = append(c.sources, newFieldSource(text))
		}
		s.copies = append(s.copies, c)
	}
	sortCopies(s.copies)
	for _, text := range s.Login {
		s.logins = append(s.logins, newTerm(text))
	}
	if s.Dataset == "" {
		a.fallback = s
		return nil
	}
	if len(s.When)+len(s.Hints) == 0 {
		return errors.New("nothing says when it is one")
	}
	for _, line := range s.When {
		var terms []term
		for text := range strings.FieldsSeq(line) {
			terms = append(terms, newTerm(text))
		}
		if len(terms) == 0 || terms[0].op == '!' {
			return fmt.Errorf("line %q must begin with a key that is there", line)
		}
		key := terms[0].keys[0]
		a.byKey[key] = append(a.byKey[key], candidate{shape: s, terms: terms})
	}
	for _, hint := range append(s.Hints, s.Dataset) {
		a.byHint[strings.ToLower(hint)] = s
	}
	return nil
}

func newTerm(text string) term {
	t := term{path: text}
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		t.path, t.op = rest, '!'
	} else if path, value, ok := strings.Cut(text, "="); ok {
		t.path, t.op, t.value = path, '=', value
		if v, ok := strings.CutSuffix(value, "*"); ok {
			t.op, t.value = '<', v
		} else if v, ok := strings.CutPrefix(value, "*"); ok {
			t.op, t.value = '>', v
		}
	}
	t.keys = strings.Split(t.path, ".")
	return t
}

func newFieldSource(text string) fieldSource {
	if rest, ok := strings.CutPrefix(text, "="); ok {
		return fieldSource{how: "=", path: rest}
	}
	for _, how := range [...]string{"outcome", "failure", "http"} {
		if rest, ok := strings.CutPrefix(text, how+":"); ok {
			return fieldSource{how: how, path: rest}
		}
	}
	return fieldSource{path: text}
}

// sortCopies orders by target, so that an event's fields come in the same order every time.
func sortCopies(list []fieldCopy) {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j].target < list[j-1].target; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// find returns the shape of a document: the first in the files' order of which a line holds; nil for none.
func (a *shapes) find(v *fastjson.Value) *shape {
	var best *shape
	o, err := v.Object()
	if err != nil || o.Len() > maxFields { // no service's document is that wide, and each look-up walks along all members
		return nil
	}
	o.Visit(func(key []byte, _ *fastjson.Value) {
		for _, c := range a.byKey[string(key)] {
			if (best == nil || c.shape.rank < best.rank) && c.holds(v) {
				best = c.shape
			}
		}
	})
	return best
}

func (c *candidate) holds(v *fastjson.Value) bool {
	for i := range c.terms {
		if !c.terms[i].holds(v) {
			return false
		}
	}
	return true
}

func (t *term) holds(v *fastjson.Value) bool {
	found := v.Get(t.keys...)
	if found == nil && len(t.keys) > 1 {
		found = v.Get(t.path) // some shippers flatten
	}
	if t.op == 0 || t.op == '!' {
		there := found != nil && found.Type() != fastjson.TypeNull
		return there == (t.op == 0)
	}
	if found == nil {
		return false
	}
	if found.Type() == fastjson.TypeString {
		b, _ := found.StringBytes()
		return t.matches(alias(b))
	}
	return t.matches(found.String())
}

func (t *term) matches(s string) bool {
	switch t.op {
	case '<':
		return strings.HasPrefix(s, t.value)
	case '>':
		return strings.HasSuffix(s, t.value)
	default:
		return s == t.value
	}
}

// apply fills the ECS fields of a document whose own fields ev has already.
func (s *shape) apply(ev *event.Event) {
	for i := range s.copies {
		c := &s.copies[i]
		if ev.Has(c.target) {
			continue
		}
		for _, source := range c.sources {
			if value := source.value(c.target, ev); value != "" {
				addTyped(ev, c.target, value)
				break
			}
		}
	}
	category := s.Category
	for i := range s.logins {
		t := &s.logins[i]
		if value, ok := ev.Lookup(t.path); ok && (t.op == 0 || t.matches(value)) {
			category = "authentication"
			break
		}
	}
	if category != "" && !ev.Has(event.EventCategory) {
		ev.Add(event.EventCategory, category)
	}
	if category == "authentication" && !ev.Has(event.EventOutcome) && strings.Contains(strings.ToLower(ev.Get(event.EventAction)), "fail") {
		ev.Add(event.EventOutcome, "failure") // user_login_failed, ssl-login-fail
	}
}

// addTyped adds a value as a number where the ECS field is one.
func addTyped(ev *event.Event, name, value string) {
	if len(value) < 19 && isDigits(value) && isNumeric(name) {
		ev.AddKind(name, value, event.Number)
		return
	}
	ev.Add(name, value)
}

func isNumeric(name string) bool {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "port", "pid", "bytes", "packets", "status_code", "priority", "severity":
		return true
	case "code":
		return strings.HasPrefix(name, "log.syslog.")
	}
	return false
}

// value reads one source for target; "" where it has none. An address must be one, an e-mail address have an @.
func (f *fieldSource) value(target string, ev *event.Event) string {
	if f.how == "=" {
		return f.path
	}
	v, ok := ev.Lookup(f.path)
	if !ok || v == "" || v == "-" {
		return ""
	}
	switch f.how {
	case "outcome":
		return outcome(v)
	case "failure":
		return "failure"
	case "http":
		if len(v) == 3 && isDigits(v) {
			if v[0] >= '4' {
				return "failure"
			}
			return "success"
		}
		return ""
	}
	switch {
	case strings.HasSuffix(target, ".ip"):
		ip, _ := address(v)
		return ip
	case strings.HasSuffix(target, ".email"):
		if !strings.Contains(v, "@") {
			return ""
		}
	case strings.HasSuffix(target, ".port"):
		if !isPort(v) {
			return ""
		}
	case target == event.UserAgent && !strings.Contains(v, " "):
		return strings.ReplaceAll(v, "+", " ") // IIS writes spaces so
	}
	return v
}

// outcome reads the words that services use for success and failure; "" for others.
func outcome(s string) string {
	if len(s) > 24 {
		return ""
	}
	switch strings.ToLower(s) {
	case "success", "succeeded", "successful", "ok", "allow", "allowed", "accept", "accepted", "pass", "passed", "true", "yes", "granted",
		"completed", "credentials_ok", "mfa_ok", "0", "permit", "permitted", "approved", "succeed":
		return "success"
	case "failure", "failed", "fail", "deny", "denied", "error", "block", "blocked", "reject", "rejected", "false", "no", "drop", "dropped",
		"credentials_failed", "mfa_failed", "unauthorized", "forbidden", "fraud", "invalid":
		return "failure"
	}
	return ""
}
