package rule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/normalise"
	"yagura/internal/event"
	"yagura/sigma"
)

// Case is one test that a rule file carries: an event as its source sends it, and whether the rule must match. That of a
// correlation has several events, and says whether the correlation must fire.
type Case struct {
	Name    string
	Match   bool
	Format  intake.Format
	Dataset string // the hint a sender would give
	Data    []byte
	Events  []CaseEvent
	Line    int // in the rule's file
}

// CaseEvent is an event of a correlation's test, or several alike.
type CaseEvent struct {
	After   time.Duration // from the beginning of the test
	Times   int
	Every   time.Duration
	Format  intake.Format
	Dataset string
	Data    []byte // in which {n} stands for the number of the event, from 1
}

// data is that of the event with that number.
func (e *CaseEvent) data(n int) []byte {
	return bytes.ReplaceAll(e.Data, []byte("{n}"), []byte(strconv.Itoa(n)))
}

// Result is how a test went.
type Result struct {
	File, RuleID, Title string
	Line                int
	Case                string
	Want, Got           bool
	Problem             string // why the test could not run; "" where it ran
}

// Passed reports whether the test ran and came out as it should.
func (r Result) Passed() bool { return r.Problem == "" && r.Want == r.Got }

// caseFile is a test as a file has it.
type caseFile struct {
	Name    string        `yaml:"name"`
	Match   *bool         `yaml:"match"`
	Event   yaml.Node     `yaml:"event"`
	Events  []yaml.Node   `yaml:"events"`
	Line    *string       `yaml:"line"`
	Format  intake.Format `yaml:"format"`
	Dataset string        `yaml:"dataset"`
}

// Cases reads the tests of a rule: the list "tests" of {name, match, event | line, format, dataset}. event is the object
// its source sends, or that object's JSON as text; line is a line of text. The tests of a correlation are {name, match, events}, and
// its events are {after, times, every, event | line, format, dataset}.
func Cases(r *sigma.Rule) ([]Case, error) {
	node := r.Custom["tests"]
	if node == nil {
		return nil, nil
	}
	if node.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: tests is a list", node.Line)
	}
	var cases []Case
	for _, item := range node.Content {
		c, err := readCase(item, r.Correlation != nil)
		if err != nil {
			return nil, fmt.Errorf("line %d: test %d: %w", item.Line, len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func readCase(item *yaml.Node, correlation bool) (Case, error) {
	keys := []string{"name", "match", "event", "line", "format", "dataset"}
	if correlation {
		keys = []string{"name", "match", "events"}
	}
	var f caseFile
	if err := decodeMap(item, &f, keys...); err != nil {
		return Case{}, err
	}
	c := Case{Name: f.Name, Format: f.Format, Dataset: f.Dataset, Line: item.Line}
	switch {
	case f.Name == "":
		return Case{}, fmt.Errorf("it has no name")
	case f.Match == nil:
		return Case{}, fmt.Errorf("match: true or false is missing")
	}
	c.Match = *f.Match
	if !correlation {
		return c.withData(f)
	}
	for i := range f.Events {
		e, err := readCaseEvent(&f.Events[i])
		if err != nil {
			return Case{}, fmt.Errorf("event %d: %w", i+1, err)
		}
		c.Events = append(c.Events, e)
	}
	if len(c.Events) == 0 || len(c.Events) > maxCaseEvents {
		return Case{}, fmt.Errorf("events is a list of 1 to %d", maxCaseEvents)
	}
	return c, nil
}

// Limits of a correlation's test.
const (
	maxCaseEvents = 100
	maxCaseTimes  = 10_000
)

func readCaseEvent(item *yaml.Node) (CaseEvent, error) {
	var f struct {
		caseFile `yaml:",inline"`
		After    time.Duration `yaml:"after"`
		Times    int           `yaml:"times"`
		Every    time.Duration `yaml:"every"`
	}
	f.Times = 1
	if err := decodeMap(item, &f, "after", "times", "every", "event", "line", "format", "dataset"); err != nil {
		return CaseEvent{}, err
	}
	if f.Times < 1 || f.Times > maxCaseTimes {
		return CaseEvent{}, fmt.Errorf("times is 1 to %d", maxCaseTimes)
	}
	c, err := Case{Format: f.Format}.withData(f.caseFile)
	return CaseEvent{f.After, f.Times, f.Every, c.Format, f.Dataset, c.Data}, err
}

// decodeMap decodes a map that has no other keys than those.
func decodeMap(item *yaml.Node, into any, keys ...string) error {
	if item.Kind != yaml.MappingNode {
		return fmt.Errorf("it is no map")
	}
	for i := 0; i < len(item.Content); i += 2 {
		if key := item.Content[i].Value; !slices.Contains(keys, key) {
			return fmt.Errorf("unknown key %q", key)
		}
	}
	return item.Decode(into)
}

// withData takes the event or the line.
func (c Case) withData(f caseFile) (Case, error) {
	if f.Event.IsZero() == (f.Line == nil) {
		return Case{}, fmt.Errorf("it has an event or a line, one of both")
	}
	if f.Line != nil {
		c.Data, c.Format = []byte(*f.Line), orFormat(f.Format, intake.Line)
		return c, checkFormat(c.Format)
	}
	c.Format = orFormat(f.Format, intake.JSON)
	if f.Event.Kind == yaml.ScalarNode {
		c.Data = []byte(f.Event.Value)
		return c, checkFormat(c.Format)
	}
	var value any
	if err := f.Event.Decode(&value); err != nil {
		return Case{}, err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return Case{}, fmt.Errorf("the event is no JSON: %w", err)
	}
	c.Data = data
	return c, checkFormat(c.Format)
}

func orFormat(f, otherwise intake.Format) intake.Format {
	if f == "" {
		return otherwise
	}
	return f
}

// Formats lists how an event that is tried can be read.
func Formats() []intake.Format {
	return []intake.Format{intake.JSON, intake.Line, intake.Syslog, intake.HEC, intake.OTLP, intake.Zeek}
}

func checkFormat(f intake.Format) error {
	for _, known := range Formats() {
		if f == known {
			return nil
		}
	}
	return fmt.Errorf("format %q is none of %v", f, Formats())
}

// bench tries events on rules: through the normaliser and log source routing, as the pipeline does.
type bench struct {
	opt        *LoadOptions
	normaliser *normalise.Normaliser
	// Where correlations find the rules they refer to.
	matchers     []*sigma.Matcher
	correlations *sigma.Correlations // nil: none
}

func (o *LoadOptions) bench() *bench { return &bench{opt: o, normaliser: normalise.New(o.Taxonomy)} }

// bench has the rules of the set.
func (s *Set) bench() *bench {
	b := s.opt.bench()
	b.matchers, b.correlations = []*sigma.Matcher{s.whole}, s.wholeCorrelations
	return b
}

// read makes an event of raw data. It is valid until the next call.
func (b *bench) read(format intake.Format, dataset string, data []byte) (*event.Event, error) {
	batch := &intake.Batch{Input: "test", Source: "test", Format: format, Dataset: dataset, Received: time.Now().UTC()}
	ev := new(event.Event)
	return ev, b.normaliser.Normalise(batch, &intake.Item{Data: data}, ev)
}

// compile makes one rule ready by itself, with the filters that apply to it. refused says why it does not run, "" where it
// does.
func (b *bench) compile(r *sigma.Rule, filters []*sigma.Filter) (m *sigma.Matcher, refused string) {
	m, problems := sigma.Compile([]*sigma.Rule{r}, filters, b.opt.compileOptions())
	if len(m.Rules()) > 0 {
		return m, ""
	}
	refused = "the rule does not run"
	for _, p := range problems {
		if !p.Loaded() && p.File == r.File && p.Title == r.Title {
			refused += ": " + p.Reason
		}
	}
	return m, refused
}

// test runs the tests of one rule.
func (b *bench) test(r *sigma.Rule, filters []*sigma.Filter) []Result {
	blank := Result{File: r.File, Line: r.Line, RuleID: r.ID, Title: r.Title}
	cases, err := Cases(r)
	if err != nil {
		blank.Problem = err.Error()
		return []Result{blank}
	}
	if len(cases) == 0 {
		return nil
	}
	if r.Correlation != nil {
		return b.testCorrelation(r, cases)
	}
	matcher, refused := b.compile(r, filters)
	scratch := matcher.NewScratch()
	results := make([]Result, len(cases))
	for i, c := range cases {
		result := blank
		result.Case, result.Line, result.Want, result.Problem = c.Name, c.Line, c.Match, refused
		if refused == "" {
			ev, err := b.read(c.Format, c.Dataset, c.Data)
			if err != nil {
				result.Problem = "the event cannot be read: " + err.Error()
			} else {
				result.Got = len(matcher.Match(ev, scratch)) > 0
			}
		}
		results[i] = result
	}
	return results
}

// Test runs the tests that the rules of the set carry, each rule by itself with the filters that apply to it. Rules
// without tests give no result.
func (s *Set) Test() []Result {
	b := s.bench()
	var results []Result
	for _, r := range s.Rules {
		results = append(results, b.test(r.Rule, s.filters)...)
	}
	return results
}

// Test runs the tests of the rule with that key.
func (l *Library) Test(key string) ([]Result, error) {
	r, err := l.Rule(key)
	if err != nil {
		return nil, err
	}
	return l.Set().bench().test(r.Rule, l.Set().filters), nil
}
