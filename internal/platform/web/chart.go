package web

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// Histogram is events over time: bars that can be brushed to narrow the time range, with a table behind them.
type Histogram struct {
	Start time.Time
	Step  time.Duration
	// Series are drawn on top of each other, the first at the bottom. Counts have one number a step.
	Series []Series
	// Brush is where brushing goes: start and end (RFC 3339) are added to its query. "" does not brush.
	Brush string
}

// Series is one colour of a histogram.
type Series struct {
	Label  string // in the reader's language
	Level  string // critical … informational colours it; "" is the brand's indigo
	Counts []int64
}

// Total is the sum of the series' counts.
func (s Series) Total() (n int64) {
	for _, count := range s.Counts {
		n += count
	}
	return n
}

// histogram draws in the browser (static/chart.js with uPlot); the table is for readers without script and for
// screen readers.
func (c components) histogram(h Histogram) (template.HTML, error) {
	type series struct {
		Label  string  `json:"label"`
		Level  string  `json:"level"`
		Counts []int64 `json:"counts"`
	}
	drawn := struct {
		Start  int64    `json:"start"`
		Step   float64  `json:"step"`
		Zone   string   `json:"zone"`
		Lang   string   `json:"lang"`
		Brush  string   `json:"brush"`
		Series []series `json:"series"`
	}{h.Start.Unix(), h.Step.Seconds(), c.printer.Zone().String(), string(c.printer.Lang()), h.Brush, nil}
	steps, total := 0, int64(0)
	for _, s := range h.Series {
		drawn.Series = append(drawn.Series, series(s))
		steps, total = max(steps, len(s.Counts)), total+s.Total()
	}
	data, err := json.Marshal(drawn)
	if err != nil {
		return "", fmt.Errorf("histogram: %w", err)
	}
	var b strings.Builder
	b.WriteString(string(markup(`<figure class="histogram"><div class="plot" data-histogram="%s" role="img" aria-label="%s"></div>`,
		string(data), c.printer.T("chart.summary", total, c.printer.Exact(h.Start), c.printer.Exact(h.Start.Add(time.Duration(steps)*h.Step))))))
	b.WriteString(string(markup(`<details class="chart-table"><summary>%s</summary><table><thead><tr><th scope="col">%s</th>`,
		c.printer.T("chart.table"), c.printer.T("chart.time"))))
	for _, s := range h.Series {
		b.WriteString(string(markup(`<th scope="col" class="num">%s</th>`, s.Label)))
	}
	b.WriteString(`</tr></thead><tbody>`)
	for i := range steps {
		b.WriteString(string(markup(`<tr><td>%s</td>`, c.printer.Time(h.Start.Add(time.Duration(i)*h.Step)))))
		for _, s := range h.Series {
			count := int64(0)
			if i < len(s.Counts) {
				count = s.Counts[i]
			}
			b.WriteString(string(markup(`<td class="num">%s</td>`, c.printer.Number(count))))
		}
		b.WriteString(`</tr>`)
	}
	b.WriteString(`</tbody></table></details></figure>`)
	return template.HTML(b.String()), nil
}

// sparkline is a small zero-based bar chart of whole numbers, 96 by 20, with its last value and its greatest in words.
func (c components) sparkline(values []int64) template.HTML {
	if len(values) == 0 {
		return `<span class="none">–</span>`
	}
	const width, height = 96.0, 20.0
	top := int64(1)
	for _, v := range values {
		top = max(top, v)
	}
	step, gap := width/float64(len(values)), 1.0
	if step < 3 {
		gap = 0.25 // many bars stand close, or they would be hairs
	}
	var bars strings.Builder
	for i, v := range values {
		if v <= 0 {
			continue
		}
		tall := math.Max(1, float64(v)/float64(top)*(height-1))
		fmt.Fprintf(&bars, `<rect x="%s" y="%s" width="%s" height="%s"/>`,
			short(float64(i)*step), short(height-tall), short(math.Max(step-gap, 0.5)), short(tall))
	}
	words := c.printer.T("chart.spark", values[len(values)-1], top)
	return markup(`<svg class="spark" viewBox="0 0 96 20" width="96" height="20" role="img" aria-label="%s"><title>%s</title>%s<path class="axis" d="M0 19.75H96"/></svg>`,
		words, words, template.HTML(bars.String()))
}

// bar is a share of a whole, 64 by 6; the number stands beside it in the page.
func (c components) bar(part, whole any) (template.HTML, error) {
	p, ok := toFloat(part)
	w, ok2 := toFloat(whole)
	if !ok || !ok2 {
		return "", fmt.Errorf("bar wants numbers, not %T and %T", part, whole)
	}
	share := 0.0
	if w > 0 {
		share = math.Min(math.Max(p/w, 0), 1)
	}
	return markup(`<svg class="bar" viewBox="0 0 64 6" width="64" height="6" role="img" aria-label="%s" preserveAspectRatio="none"><rect class="bar-ground" width="64" height="6" rx="1"/><rect class="bar-fill" width="%s" height="6" rx="1"/></svg>`,
		c.printer.Percent(share), short(share*64)), nil
}

// short writes a coordinate.
func short(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }
