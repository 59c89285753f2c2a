package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/text/width"

	"yagura/internal/detect/load"
	"yagura/sigma"
)

// painter adds colour on a terminal and nothing elsewhere.
type painter struct {
	colour bool
	width  int // columns; 0 is no limit
}

func (p painter) wrap(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p painter) bold(text string) string  { return p.wrap("1", text) }
func (p painter) faint(text string) string { return p.wrap("2", text) }

// level is a severity as a shape, a word and a colour.
func (p painter) level(l sigma.Level) string {
	switch l {
	case sigma.LevelCritical:
		return p.wrap("1;31", "● critical     ")
	case sigma.LevelHigh:
		return p.wrap("33", "▲ high         ")
	case sigma.LevelMedium:
		return p.wrap("93", "■ medium       ")
	case sigma.LevelLow:
		return p.wrap("34", "▽ low          ")
	default:
		return p.wrap("2", "○ informational")
	}
}

// cut shortens text to what fits beside the indent, counting East Asian characters as two columns.
func (p painter) cut(text string, indent int) string {
	if p.width == 0 {
		return text
	}
	room := p.width - indent - 1
	for i, r := range text {
		switch width.LookupRune(r).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			room -= 2
		default:
			room--
		}
		if room < 0 {
			return text[:i] + "…"
		}
	}
	return text
}

// fileBar shows the progress through files on a terminal and nothing elsewhere.
type fileBar struct {
	w    io.Writer
	bar  *progressbar.ProgressBar
	file string
}

func newFileBar(w io.Writer) *fileBar {
	if _, ok := terminal(w); !ok {
		return &fileBar{}
	}
	return &fileBar{w: w}
}

func (s *fileBar) show(p load.Progress) {
	if s.w == nil {
		return
	}
	if s.file != p.File {
		s.clear()
		s.file = p.File
		s.bar = progressbar.NewOptions64(max(p.Total, 1), progressbar.OptionSetWriter(s.w), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription(filepath.Base(p.File)), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(65_000_000))
	}
	// A bar that cannot be drawn is no reason to stop a scan.
	_ = s.bar.Set64(min(p.Read, p.Total))
}

func (s *fileBar) clear() {
	if s.bar != nil {
		_ = s.bar.Clear()
		fmt.Fprint(s.w, "\r")
	}
}
