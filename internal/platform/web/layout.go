package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"yagura/internal/platform/i18n"
)

// frameData is what the layout shows around a page.
type frameData struct {
	Lang       i18n.Lang
	Theme      string
	Density    string
	Rail       string
	Zone       string
	ZoneChosen bool
	Bell       bool // with Unread
	Unread     int
	UserName   string // "" for nobody: the page stands alone, without rail and top bar
	Path       string // with its query, to come back to
	Houses     []house
	Notice     string
	Flash      *Flash
	Query      string // of the search box
	AtHome     bool
	Help       string // the document about the page
	Version    string
	rangePicker
	Data any
}

// rangePicker is the time range in the top bar; Range is nil on a page that has none.
type rangePicker struct {
	Range                *TimeRange
	RangeLabel           string
	RangeStart, RangeEnd string // as datetime-local writes it, in the reader's zone
	RangeFrom, RangeTo   string // as people read it
	RangeAction          string
	RangeKeep            []keptField
	Spans                []spanLink
}

type keptField struct{ Name, Value string }

type spanLink struct {
	Label, Path string
	Current     bool
}

// The pages of the search box, and of events, where a module answers there.
const (
	findPath   = "/find"
	searchPath = "/search"
)

// helpFor is the address of the document about a page.
func (s *Site) helpFor(r *http.Request) string {
	if document := s.helps[r.Pattern]; document != "" {
		return "/help/" + document
	}
	return "/help"
}

func (s *Site) frameData(w http.ResponseWriter, r *http.Request, data any) frameData {
	req := about(r)
	f := frameData{
		Lang: req.prefs.Lang, Theme: req.prefs.Chosen.Theme, Density: req.prefs.Chosen.Density, Rail: req.prefs.Chosen.Rail, Zone: req.prefs.Zone.String(), ZoneChosen: req.prefs.ZoneChosen,
		Path: r.URL.RequestURI(), Houses: s.rail(req.user, r.URL.Path),
		AtHome: r.URL.Path == homePath, Help: s.helpFor(r), Flash: takeFlash(w, r), Version: s.opt.Version, Data: data,
	}
	if r.URL.Path == findPath {
		f.Query = r.URL.Query().Get("q")
	}
	if req.user != nil {
		f.UserName = req.user.Name
		f.Bell, f.Unread = s.bell(r)
	}
	if r.Method != http.MethodGet {
		f.Path = r.URL.Path // the page of a form that was wrong; its address without the form
	}
	if s.opt.Notice != nil {
		f.Notice = s.opt.Notice()
	}
	if ranged, ok := data.(interface{ InRange() TimeRange }); ok {
		f.rangePicker = pickerFor(req, r.URL, ranged.InRange())
	}
	return f
}

// pickerFor builds the picker: each span is the page's address with another range, without the cursor of another list.
func pickerFor(req *request, address *url.URL, current TimeRange) rangePicker {
	kept := address.Query()
	for _, name := range []string{"since", "start", "end", "cursor", "after", "before"} {
		kept.Del(name)
	}
	p := rangePicker{Range: &current, RangeLabel: spanLabel(req.printer, current.Since), RangeAction: address.Path}
	const local = "2006-01-02T15:04:05"
	p.RangeStart = current.Start.In(req.prefs.Zone).Format(local)
	p.RangeEnd = current.End.In(req.prefs.Zone).Format(local)
	p.RangeFrom, p.RangeTo = req.printer.Time(current.Start), req.printer.Time(current.End)
	for name, values := range kept {
		for _, value := range values {
			p.RangeKeep = append(p.RangeKeep, keptField{name, value})
		}
	}
	slices.SortStableFunc(p.RangeKeep, func(a, b keptField) int { return cmp.Compare(a.Name, b.Name) })
	for _, span := range Spans() {
		query := url.Values{"since": {span}}
		for name, values := range kept {
			query[name] = values
		}
		p.Spans = append(p.Spans, spanLink{spanLabel(req.printer, span), address.Path + "?" + query.Encode(), span == current.Since})
	}
	return p
}

// spanLabel says a span: "last 24 h".
func spanLabel(p *i18n.Printer, since string) string {
	span, err := readSpan(since)
	if err != nil {
		return since
	}
	// A range of one day is called 24 hours, as in its address.
	if span == 24*time.Hour {
		return p.T("range.last", p.T("span.hours", 24))
	}
	return p.T("range.last", p.Duration(span))
}

// bell tells whether there is one, and how many notices wait. A page is shown without the number rather than not at all.
func (s *Site) bell(r *http.Request) (shown bool, unread int) {
	if s.unread == nil {
		return false, 0
	}
	unread, err := s.unread(r)
	if err != nil {
		s.opt.Log.WarnContext(r.Context(), "unread notices could not be counted", "error", err)
	}
	return true, unread
}
