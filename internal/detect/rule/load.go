package rule

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/platform/i18n"
	"yagura/sigma"
)

// LoadOptions says which rules to load and how.
type LoadOptions struct {
	Builtin      bool                   // those that come with the program
	Paths        []string               // files and folders; folders with all below them
	Trees        func() ([]Tree, error) // files of sources of rules, at the moment of the call; nil: none
	Added        string                 // the folder of added rules; it need not be there
	Taxonomy     *taxonomy.Taxonomy
	Placeholders map[string][]string
	NoRouting    bool        // try every rule on every event
	MinLevel     sigma.Level // leave out rules below it
	// States are where rules stand, by key (States.All).
	States map[string]State
}

// Tree is the files of a source of rules.
type Tree struct {
	Name   string // what its files' names begin with
	FS     fs.FS
	Starts string // the state that new rules of it begin in
}

// Load reads and compiles the rules once. What cannot be used is in the set's Problems.
func Load(opt LoadOptions) (*Set, error) {
	if opt.Taxonomy == nil {
		return nil, errors.New("loading rules: no taxonomy")
	}
	set, _ := opt.load(nil)
	return set, nil
}

// parsed is a file with what it holds. The rules' texts are left in the file.
type parsed struct {
	*file
	documents []sigma.Document
	problem   *sigma.Problem // of the file as a whole
}

// load makes a set. Files that are as they were in before are not read again.
func (o *LoadOptions) load(before map[string]*parsed) (*Set, map[string]*parsed) {
	files, problems := o.find()
	now := o.parseAll(files, before)
	b := builder{opt: o, set: &Set{opt: o, Files: len(files), Problems: problems, byKey: make(map[string]*Rule)}}
	for _, p := range problems {
		b.set.unread = append(b.set.unread, p.File)
	}
	for _, f := range files {
		b.add(now[f.name])
	}
	b.compile()
	return b.set.with(o.States), now
}

// parseAll parses on every core.
func (o *LoadOptions) parseAll(files []*file, before map[string]*parsed) map[string]*parsed {
	results := make([]*parsed, len(files))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				results[i] = parse(files[i])
			}
		})
	}
	for i, f := range files {
		if old := before[f.name]; old != nil && f.same(old.file) {
			kept := *old
			f.digest, kept.file = old.digest, f // its text is read from where the file is now
			results[i] = &kept
			continue
		}
		next <- i
	}
	close(next)
	workers.Wait()
	now := make(map[string]*parsed, len(files))
	for i, f := range files {
		now[f.name] = results[i]
	}
	return now
}

func parse(f *file) *parsed {
	p := &parsed{file: f}
	fail := func(reason string) *parsed {
		p.problem = &sigma.Problem{File: f.name, Kind: sigma.ProblemRefused, Reason: reason}
		return p
	}
	data, err := f.read()
	if err != nil {
		return fail("cannot be read: " + reason(err))
	}
	f.digest = sha256.Sum256(data)
	doc, err := sigma.Parse(f.name, data)
	if err != nil {
		if problem, ok := err.(sigma.Problem); ok {
			return fail(problem.Reason)
		}
		return fail(err.Error())
	}
	p.documents = doc.Documents
	for i := range p.documents {
		if r := p.documents[i].Rule; r != nil {
			r.Source = "" // nobody else has seen the rule yet
		}
	}
	return p
}

// builder puts a set together.
type builder struct {
	opt *LoadOptions
	set *Set
}

// add takes what a file holds. Files come in order of origin, so that a rule of a stronger origin finds the weaker one.
func (b *builder) add(p *parsed) {
	if p.problem != nil {
		b.set.Problems = append(b.set.Problems, *p.problem)
	}
	for _, d := range p.documents {
		b.set.Problems = append(b.set.Problems, d.Problems...)
		switch {
		case d.Filter != nil:
			b.set.filters = append(b.set.filters, d.Filter)
		case d.Rule != nil:
			b.addRule(&Rule{
				Rule: d.Rule, Key: alert.RuleKey(d.Rule), Origin: p.origin, Starts: p.starts, Problems: slices.Clone(d.Problems), file: p.file,
			})
		}
	}
}

func (b *builder) addRule(r *Rule) {
	r.words = searchable(r)
	other := b.set.byKey[r.Key]
	if other == nil {
		b.set.byKey[r.Key] = r
		return
	}
	loser, winner := r, other
	if r.Origin != other.Origin {
		loser, winner = other, r
		b.set.byKey[r.Key] = r
	}
	b.set.Problems = append(b.set.Problems, sigma.Problem{
		File: loser.File, Line: loser.Line, RuleID: loser.ID, Title: loser.Title, Logsource: loser.Logsource,
		Kind: Replaced, Reason: "not used: " + winner.File + " has a rule of the same id, which counts",
	})
}

// compile makes the matcher, of rules in every state, and tells each rule what became of it.
func (b *builder) compile() {
	s := b.set
	for _, key := range b.below() {
		delete(s.byKey, key)
	}
	s.Rules = make([]*Rule, 0, len(s.byKey))
	for _, r := range s.byKey {
		s.Rules = append(s.Rules, r)
	}
	slices.SortFunc(s.Rules, compareRules)
	type place struct {
		file, id, title string
	}
	parsed, rules := make([]*sigma.Rule, len(s.Rules)), make(map[place]*Rule, len(s.Rules))
	for i, r := range s.Rules {
		parsed[i], rules[place{r.File, r.ID, r.Title}] = r.Rule, r
	}
	var problems []sigma.Problem
	s.whole, problems = sigma.Compile(parsed, s.filters, b.opt.compileOptions())
	problems = append(problems, b.correlate(parsed)...)
	for _, p := range s.Problems {
		s.found = append(s.found, keyed{Problem: p})
	}
	for _, p := range problems {
		key := ""
		if r := rules[place{p.File, p.RuleID, p.Title}]; r != nil {
			r.Problems, key = append(r.Problems, p), r.Key
		}
		s.found = append(s.found, keyed{p, key})
	}
	for _, r := range s.whole.Rules() {
		s.byKey[alert.RuleKey(r)].runs = true
	}
	slices.SortStableFunc(s.found, func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

func (o *LoadOptions) compileOptions() sigma.Options {
	return sigma.Options{Taxonomy: o.Taxonomy, NoRouting: o.NoRouting, Placeholders: o.Placeholders}
}

func compareRules(a, b *Rule) int {
	return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.Key, b.Key))
}

// searchable is what a search of the findings looks at besides what they say: the texts of a rule, in every language.
func searchable(r *Rule) string {
	texts := append([]string{r.Title, r.ID, r.File, r.Author, r.Logsource.String()}, r.Tags...)
	for _, lang := range i18n.Languages() {
		texts = append(texts, r.translated("title", lang.Lang))
	}
	return strings.ToLower(strings.Join(texts, "\x00"))
}
