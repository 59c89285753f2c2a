package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"yagura/internal/detect/load"
	"yagura/internal/detect/rule"
	"yagura/internal/detect/scan"
	"yagura/internal/detect/taxonomy"
	"yagura/internal/platform/fault"
	"yagura/sigma"
)

type detectCmd struct {
	Rules     []string `name:"rules" placeholder:"DIR" type:"path" help:"Folder or file of Sigma rules; may be repeated. Without one, the rules that come with the program."`
	JSON      bool     `name:"json" help:"Print one JSON object a match instead of a timeline."`
	MinLevel  string   `name:"min-level" default:"informational" enum:"informational,low,medium,high,critical" help:"Leave out rules below this level."`
	NoRouting bool     `name:"no-routing" help:"Match every rule against every event, whatever its log source."`
	Workers   int      `name:"workers" help:"How many events are matched at once (default: one a core)."`
	Files     []string `arg:"" name:"file" type:"path" help:"Log files or folders: .evtx .json .ndjson .jsonl .csv .log, each also .gz or .zst."`
}

// Run scans the files and prints what was found on standard output and a summary on standard error.
func (c *detectCmd) Run(ctx context.Context, io *streams) error {
	if err := exist(c.Rules); err != nil {
		return err
	}
	tax, err := taxonomy.Load()
	if err != nil {
		return err
	}
	minLevel, err := sigma.ParseLevel(c.MinLevel)
	if err != nil {
		return err
	}
	set, err := rule.Load(rule.LoadOptions{
		Paths: c.Rules, Builtin: len(c.Rules) == 0, Taxonomy: tax, NoRouting: c.NoRouting, MinLevel: minLevel,
	})
	if err != nil {
		return err
	}
	if set.Files == 0 || set.Active() == 0 && minLevel == sigma.LevelInformational {
		return fault.New(fault.Invalid, "", "there is no rule to match with: %d files, %d refused (yagura rules lint says why)", set.Files, set.Refused())
	}
	out := bufio.NewWriterSize(io.out, 1<<16)
	bar := newFileBar(io.err)
	options := scan.Options{Matcher: set.Matcher, Correlations: set.Correlations, Taxonomy: tax, Workers: c.Workers, Progress: bar.show}

	timeline := &scan.Timeline{}
	var visitor scan.Visitor = timeline
	if c.JSON {
		visitor = scan.JSONLines{W: out}
	}
	summary, err := scan.Files(ctx, c.Files, options, visitor)
	bar.clear()
	if err != nil && summary.Files == 0 {
		return err
	}
	// Who stops a long scan still gets what was found.
	p := painter{}
	if width, ok := terminal(io.out); ok {
		p = painter{colour: os.Getenv("NO_COLOR") == "", width: width}
	}
	if !c.JSON {
		printTimeline(out, timeline.Rows(), p)
		printTotals(out, summary, p)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	printSummary(io.err, summary, set)
	return cmp.Or(err, unread(summary.Problems))
}

// printProblems names what could not be read.
func printProblems(w io.Writer, problems []load.Problem) {
	for _, p := range problems {
		fmt.Fprintln(w, "problem:", oneLine(p.String()))
	}
	if len(problems) == load.MaxProblems {
		fmt.Fprintf(w, "problem: only the first %d are named\n", load.MaxProblems)
	}
}

// unread is the error of files that were not read, or not to their end: the answer is not about all that was asked for.
func unread(problems []load.Problem) error {
	files := 0
	for _, p := range problems {
		if p.Place == "" {
			files++
		}
	}
	if files == 0 {
		return nil
	}
	return fault.New(fault.Unavailable, "", "%d files could not be read, or not to their end", files)
}

// printSummary is what standard error says, whatever the output: what was read, what was not, and what it came to.
func printSummary(w io.Writer, s *scan.Summary, set *rule.Set) {
	printProblems(w, s.Problems)
	rate := float64(s.Events) / max(s.Elapsed.Seconds(), 1e-9)
	fmt.Fprintf(w, "events read: %d (%d malformed) in %d files\n", s.Events, s.Malformed, s.Files)
	fmt.Fprintf(w, "rules: %d loaded, %d refused (yagura rules lint says why)\n", set.Active(), set.Refused())
	fmt.Fprintf(w, "matches: %d\n", s.Matches)
	fmt.Fprintf(w, "time: %s, %.0f events/s\n", s.Elapsed.Round(time.Millisecond), rate)
}

// printTimeline prints times in UTC, as its Z says. Whatever comes from a log or a rule goes through oneLine.
func printTimeline(w io.Writer, rows []scan.Row, p painter) {
	const layout = time.DateTime + "Z"
	for _, r := range rows {
		count := ""
		if r.Count > 1 {
			count = fmt.Sprintf(" ×%d until %s", r.Count, r.Last.UTC().Format(layout))
		}
		fmt.Fprintf(w, "%s  %s  %s  %s%s\n", r.First.UTC().Format(layout), p.level(r.Rule.Level), oneLine(r.Rule.Title), oneLine(r.Entity), count)
		fmt.Fprintf(w, "    %s\n", p.faint(p.cut(oneLine(r.Message), 4)))
		fmt.Fprintf(w, "    %s\n", p.faint(fmt.Sprintf("%s, record %d", oneLine(r.File), r.Record)))
	}
}

func printTotals(w io.Writer, s *scan.Summary, p painter) {
	if s.Matches == 0 {
		fmt.Fprintln(w, "No rule matched.")
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("By level"))
	for level := sigma.LevelCritical; level >= sigma.LevelInformational; level-- {
		if n := s.ByLevel[level]; n > 0 {
			fmt.Fprintf(w, "  %s %8d\n", p.level(level), n)
		}
	}
	if len(s.ByTactic) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold("By ATT&CK tactic"))
	tactics := make([]string, 0, len(s.ByTactic))
	for t := range s.ByTactic {
		tactics = append(tactics, t)
	}
	slices.SortFunc(tactics, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.ByTactic[b], s.ByTactic[a]), cmp.Compare(a, b))
	})
	for _, t := range tactics {
		fmt.Fprintf(w, "  %-22s %8d\n", oneLine(t), s.ByTactic[t])
	}
}

// oneLine folds white space, control characters and those that turn the direction of writing, so that a log cannot draw on the terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
	}), " ")
}
