package rulesource

import (
	"bytes"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"yagura/sigma"
)

// figures are what an update changes, counted.
type figures struct {
	rules, refused          int // of the pack as a whole
	added, changed, removed int // files
}

// review counts what a pack holds and what it changes.
func review(before, after Pack) (f figures) {
	for _, file := range after {
		rules, refused := contents(file)
		f.rules, f.refused = f.rules+len(rules), f.refused+refused
	}
	for _, d := range compare(before, after) {
		switch d.Kind {
		case "added":
			f.added++
		case "removed":
			f.removed++
		default:
			f.changed++
		}
	}
	return f
}

// contents reads the rules of a file, and how many of its documents cannot be used.
func contents(f File) (rules []*sigma.Rule, refused int) {
	parsed, err := sigma.Parse(f.Name, f.Data)
	if err != nil {
		return nil, 1
	}
	for _, p := range parsed.Problems() {
		if !p.Loaded() {
			refused++
		}
	}
	return parsed.Rules(), refused
}

// shrunk reports whether a pack has less than half the rules of the one in force: more often a mistake of the source than its will.
func shrunk(before, after figures) bool { return before.rules > 0 && after.rules*2 < before.rules }

// Difference is a file that an update changes.
type Difference struct {
	Kind   string // added, changed, moved, removed
	Name   string
	Before string // where it was, for one that moved
	Rules  []Changed
	Lines  []Line // what changed in its text; none for one that only moved
	Cut    bool   // there are more lines
}

// Changed is a rule of such a file.
type Changed struct {
	Key, Title    string
	Level, Before string // levels; Before is "" where the rule is new
	Author        string
	Local         bool // a rule of our own under the same id counts, before and after
}

// Line is a line of a difference.
type Line struct {
	Sign string // "+", "-", " " or "@" for where it is
	Text string
}

// maxLines is how many lines of one file's difference are shown.
const maxLines = 400

// delta is a pair of files, of which one may be missing.
type delta struct {
	Kind          string
	before, after *File
}

func (d *delta) name() string {
	if d.after != nil {
		return d.after.Name
	}
	return d.before.Name
}

// compare finds the files that differ, by name. A file that was only moved, with its rules, is one difference and not two.
func compare(before, after Pack) (list []delta) {
	var gone []*File
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && before[i].Name < after[j].Name:
			gone = append(gone, &before[i])
			i++
		case i == len(before) || after[j].Name < before[i].Name:
			list = append(list, delta{"added", nil, &after[j]})
			j++
		default:
			if !bytes.Equal(before[i].Data, after[j].Data) {
				list = append(list, delta{"changed", &before[i], &after[j]})
			}
			i, j = i+1, j+1
		}
	}
	list = moved(list, gone)
	slices.SortFunc(list, func(a, b delta) int { return strings.Compare(a.name(), b.name()) })
	return list
}

// moved joins files that went with files that came, where their rules have the same ids.
func moved(list []delta, gone []*File) []delta {
	came := make(map[string]int)
	for i, d := range list {
		if id := firstID(d.after); d.Kind == "added" && id != "" {
			came[id] = i
		}
	}
	for _, f := range gone {
		i, ok := came[firstID(f)]
		if ok && list[i].Kind == "added" {
			list[i].Kind, list[i].before = "moved", f
			continue
		}
		list = append(list, delta{"removed", f, nil})
	}
	return list
}

func firstID(f *File) string {
	rules, _ := contents(*f)
	if len(rules) == 0 {
		return ""
	}
	return strings.ToLower(rules[0].ID)
}

// describe is what is shown of a difference. key names a rule as the library does; local tells which rules of our own count instead.
func (d *delta) describe(key func(*sigma.Rule) string, local func(key string) bool) Difference {
	out := Difference{Kind: d.Kind, Name: d.name()}
	levels := make(map[string]string)
	text := func(f *File) string {
		if f == nil {
			return ""
		}
		return strings.ToValidUTF8(string(f.Data), "\uFFFD")
	}
	if d.before != nil {
		rules, _ := contents(*d.before)
		for _, r := range rules {
			levels[key(r)] = r.Level.String()
			if d.after == nil {
				out.Rules = append(out.Rules, Changed{key(r), r.Title, "", r.Level.String(), r.Author, local(key(r))})
			}
		}
		if d.Kind == "moved" {
			out.Before = d.before.Name
		}
	}
	if d.after != nil {
		rules, _ := contents(*d.after)
		for _, r := range rules {
			out.Rules = append(out.Rules, Changed{key(r), r.Title, r.Level.String(), levels[key(r)], r.Author, local(key(r))})
		}
	}
	out.Lines, out.Cut = lines(text(d.before), text(d.after))
	return out
}

// lines is the difference of two texts, line by line, with a little of what stands around.
func lines(before, after string) (list []Line, cut bool) {
	unified, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 3)
	if err != nil {
		return nil, false
	}
	for i, hunk := range unified.Hunks {
		if i > 0 {
			list = append(list, Line{"@", ""})
		}
		for _, l := range hunk.Lines {
			if len(list) >= maxLines {
				return list, true
			}
			sign := map[udiff.OpKind]string{udiff.Delete: "-", udiff.Insert: "+", udiff.Equal: " "}[l.Kind]
			list = append(list, Line{sign, strings.TrimRight(l.Content, "\r\n")})
		}
	}
	return list, false
}
