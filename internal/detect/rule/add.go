package rule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

// maxAdded is the largest file that can be added. SigmaHQ's largest rule has 20 KiB.
const maxAdded = 1 << 20

// Review is what a file would do to the library, before it is added.
type Review struct {
	Name     string          // the file name it would get
	Rules    []*sigma.Rule   // that loaded
	Filters  []*sigma.Filter // likewise
	Problems []sigma.Problem // what is refused or doubtful
	Tests    []Result
	// Replaced are the rules of the set with the ids of rules in the file, which count no more once it is added.
	Replaced []*Rule
	Exists   bool // a file of that name was added before
}

// Sound reports whether the file can be added: it holds a rule or a filter, nothing in it is refused, its tests pass. What
// is only reported does not stand against it.
func (r *Review) Sound() bool {
	for _, p := range r.Problems {
		if !p.Loaded() {
			return false
		}
	}
	for _, t := range r.Tests {
		if !t.Passed() {
			return false
		}
	}
	return len(r.Rules)+len(r.Filters) > 0
}

// Review looks at a file as Add would. set is what it would be added to; nil is nothing. The error, a fault.Invalid or
// fault.TooLarge, is for a file that is none of rules at all.
func (o *LoadOptions) Review(set *Set, name string, data []byte) (*Review, error) {
	if len(data) > maxAdded {
		return nil, fault.New(fault.TooLarge, "rule.fault.too_large", "the file has %d bytes, more than %d", len(data), maxAdded)
	}
	parsed, err := sigma.Parse(fileName(name), data)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "%w", err)
	}
	r := &Review{Name: fileName(name), Rules: parsed.Rules(), Filters: parsed.Filters(), Problems: parsed.Problems()}
	if name == "" && len(r.Rules) > 0 {
		r.Name = fileName(r.Rules[0].Title)
	}
	m, problems := sigma.Compile(r.Rules, nil, o.compileOptions())
	r.Problems = append(r.Problems, problems...)
	b := o.bench()
	r.Problems = append(r.Problems, b.beside(set, r.Rules, m)...)
	for _, rule := range r.Rules {
		r.Tests = append(r.Tests, b.test(rule, nil)...)
		if set == nil {
			continue
		}
		if old, ok := set.Rule(alert.RuleKey(rule)); ok && old.File != filepath.Join(o.Added, r.Name) {
			r.Replaced = append(r.Replaced, old)
		}
	}
	if o.Added != "" {
		_, err := os.Stat(filepath.Join(o.Added, r.Name))
		r.Exists = !errors.Is(err, fs.ErrNotExist)
	}
	return r, nil
}

// Add reviews a file and, where it is sound, copies it to the folder of added rules; a file of the same name is replaced
// only when replace is set. Errors: as Review, fault.Invalid where the review is not sound, fault.Conflict where there is
// such a file.
func (o *LoadOptions) Add(set *Set, name string, data []byte, replace bool) (*Review, error) {
	if o.Added == "" {
		return nil, fault.New(fault.Unavailable, "rule.fault.no_folder", "there is no folder for added rules")
	}
	r, err := o.Review(set, name, data)
	switch {
	case err != nil:
		return nil, err
	case !r.Sound():
		return r, fault.New(fault.Invalid, "rule.fault.unsound", "the file holds no rule that can be used as it is")
	case r.Exists && !replace:
		return r, fault.New(fault.Conflict, "rule.fault.exists", "a file %q was added before", r.Name)
	}
	if err := os.MkdirAll(o.Added, 0o700); err != nil {
		return r, fmt.Errorf("adding a rule: %w", err)
	}
	return r, writeFile(filepath.Join(o.Added, r.Name), data)
}

// writeFile writes a file whole or not at all, also for a watcher that reads it at once.
func writeFile(path string, data []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".adding-*")
	if err != nil {
		return fmt.Errorf("adding a rule: %w", err)
	}
	defer func() {
		if err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name())
			err = fmt.Errorf("adding a rule: %w", err)
		}
	}()
	if _, err = temp.Write(data); err != nil {
		return err
	}
	if err = temp.Sync(); err != nil {
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// fileName makes a name of one path element out of what a browser or a title gave: letters, digits, dots, dashes and
// underscores, ending in .yml.
func fileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".yml"), ".yaml")
	var b strings.Builder
	for _, r := range name {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_', r == '.':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		if b.Len() > 120 {
			break
		}
	}
	clean := strings.Trim(b.String(), "._")
	if clean == "" {
		clean = "rule"
	}
	return clean + ".yml"
}

// Review looks at a file as Add would.
func (l *Library) Review(name string, data []byte) (*Review, error) {
	return l.opt.Review(l.Set(), name, data)
}

// Add copies a file to the folder of added rules and returns once its rules are in use, those that nobody decided about in that state. Errors as
// LoadOptions.Add.
func (l *Library) Add(ctx context.Context, name string, data []byte, replace bool, begin State) (*Review, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.opt.Add(l.Set(), name, data, replace)
	if err != nil {
		return r, err
	}
	for i := range r.Rules {
		l.begin[l.keyOf(r, i)] = begin
	}
	return r, l.reload(context.WithoutCancel(ctx)) // the file is there, whoever has gone
}

// Remove deletes the file of an added rule, with all rules in it. A rule of another origin is a fault.Forbidden: its
// file is somebody else's, and the rule can be retired.
func (l *Library) Remove(ctx context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.Rule(key)
	if err != nil {
		return err
	}
	if r.Origin != Added {
		return fault.New(fault.Forbidden, "rule.fault.not_added", "the rule was not added here; it can be retired")
	}
	if err := os.Remove(r.file.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a rule: %w", err)
	}
	return l.reload(context.WithoutCancel(ctx)) // the file is gone, whoever has gone with it
}
