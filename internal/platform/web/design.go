package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"yagura/internal/platform/i18n"
)

// The page of the design language shows every part of pages in both themes, in either language, with the call that makes it.
// Its samples stand in templates/pages/templates/_samples.html: what is shown as their call is what was rendered.

// sampleForm finds the samples in their file: name and call.
var sampleForm = regexp.MustCompile(`(?s)\{\{define "sample-([a-z]+)" -\}\}\n(.*?)\n\{\{- end\}\}`)

// sample is a part as the page shows it.
type sample struct {
	Name, Call  string
	Light, Dark template.HTML
}

// sampleData is what samples are made from. N tells the two panes apart where ids must differ.
type sampleData struct {
	N        int
	Now, Day time.Time
	Tabs     []Tab
	Chips    []Chip
	Levels   []LevelLink
	Pager    Pager
	Options  []Option
	Keep     []Option
	Counts   []int64
	Code     string
}

func (s *Site) designPage(w http.ResponseWriter, r *http.Request) error {
	lang := s.opt.Bundle.Match(r.URL.Query().Get("lang"), string(T(r).Lang()))
	printer := s.opt.Bundle.Printer(lang, T(r).Zone())
	page, err := s.pages.bound("frame/design", printer)
	if err != nil {
		return err
	}
	source, err := frameTemplates.ReadFile("templates/pages/templates/_samples.html")
	if err != nil {
		return err
	}
	view := struct {
		Lang    i18n.Lang
		Tabs    []Tab
		Samples []sample
	}{Lang: lang}
	for _, language := range i18n.Languages() {
		view.Tabs = append(view.Tabs, Tab{Label: language.Name, Path: "/design?lang=" + string(language.Lang), Current: language.Lang == lang})
	}
	for _, found := range sampleForm.FindAllStringSubmatch(string(source), -1) {
		one := sample{Name: found[1], Call: strings.TrimSpace(found[2])}
		for n, pane := range []*template.HTML{&one.Light, &one.Dark} {
			var out bytes.Buffer
			if err := page.ExecuteTemplate(&out, "sample-"+one.Name, s.sampleData(printer, n+1)); err != nil {
				return fmt.Errorf("the sample %s: %w", one.Name, err)
			}
			*pane = template.HTML(out.String()) // made by html/template just now
		}
		view.Samples = append(view.Samples, one)
	}
	return s.Render(w, r, http.StatusOK, "frame/design", view)
}

func (s *Site) sampleData(p *i18n.Printer, n int) sampleData {
	now := s.opt.Now()
	d := sampleData{
		N: n, Now: now.Add(-3 * time.Minute), Day: now,
		Tabs:    []Tab{{Label: p.T("home.title"), Path: "/design", Count: 1234, Current: true}, {Label: p.T("preferences.title"), Path: "/design"}},
		Chips:   []Chip{{Label: p.T("frame.language"), Text: "日本語", Remove: "/design"}},
		Pager:   Pager{Text: "1–50 / 1,234", Prev: "/design", Next: "/design"},
		Options: []Option{{Value: Light, Label: p.T("frame.theme.light")}, {Value: Dark, Label: p.T("frame.theme.dark")}},
		Counts:  []int64{0, 2, 1, 0, 5, 7, 3, 0, 0, 1, 4, 9},
		Code:    "title: Encoded PowerShell\nlevel: high # a comment\ndetection:\n    condition: \"selection\"\n",
	}
	for i, level := range []string{"critical", "high", "medium", "low", "informational"} {
		d.Levels = append(d.Levels, LevelLink{Level: level, Count: int64(i * i * 7), Path: "/design", Chosen: i == 1})
	}
	return d
}
