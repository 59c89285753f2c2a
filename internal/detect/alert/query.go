package alert

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

// wish is what a list's address asks for. The page and the API read the same query:
//
//	state=new|in_progress|closed|open|all  severity=high (repeated)  verdict=  rule=  entity=  unit=  tactic=  technique=  q=
//	since=24h | start=…&end=…              sort=last_seen|first_seen|severity|count  cursor=  limit=
type wish struct {
	state  string
	filter Filter
	sort   Sort
	cursor string
	limit  int
	span   *web.TimeRange // nil for all time
}

// readWish reads the query; state is the fallback for one that names none.
func readWish(r *http.Request, state string) (wish, error) {
	q := r.URL.Query()
	w := wish{
		state: state, sort: Sort(q.Get("sort")), cursor: q.Get("cursor"), limit: 50,
		filter: Filter{
			Rule: strings.ToLower(q.Get("rule")), Entity: q.Get("entity"), Unit: q.Get("unit"), Tactic: q.Get("tactic"), Technique: q.Get("technique"),
			Verdict: Verdict(q.Get("verdict")), Text: strings.TrimSpace(q.Get("q")),
		},
	}
	if given := q.Get("state"); given != "" {
		w.state = given
	}
	switch w.state {
	case "all":
	case "open":
		w.filter.States = []State{New, InProgress}
	case string(New), string(InProgress), string(Closed):
		w.filter.States = []State{State(w.state)}
	default:
		return w, fault.New(fault.Invalid, "alert.fault.state", "state %q is none of new, in_progress, closed, open, all", w.state)
	}
	if w.filter.Verdict != "" && !known(w.filter.Verdict) {
		return w, fault.New(fault.Invalid, "alert.fault.verdict", "verdict %q is not known", w.filter.Verdict)
	}
	for _, name := range q["severity"] {
		level, err := sigma.ParseLevel(name)
		if err != nil {
			return w, fault.New(fault.Invalid, "alert.fault.severity", "%w", err)
		}
		w.filter.Severities = append(w.filter.Severities, level)
	}
	if q.Get("since") != "" || q.Get("start") != "" || q.Get("end") != "" {
		span, err := web.ReadTimeRange(r, "24h")
		if err != nil {
			return w, err
		}
		w.span, w.filter.From, w.filter.To = &span, span.Start, span.End
		if span.Since != "" {
			w.filter.To = time.Time{}
		}
	}
	if text := q.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > MaxPage {
			return w, fault.New(fault.Invalid, "alert.fault.limit", "limit %q is no number from 1 to %d", text, MaxPage)
		}
		w.limit = limit
	}
	return w, nil
}

// address is the list's address with some of its query changed; an empty value leaves the name out. Paging starts over.
func address(r *http.Request, changes ...string) string {
	q := r.URL.Query()
	for _, name := range []string{"cursor", "seen"} {
		q.Del(name)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		q.Del(changes[i])
		if changes[i+1] != "" {
			q.Set(changes[i], changes[i+1])
		}
	}
	return withQuery("/alerts", q)
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// chips are the conditions in force, besides the tab and the severities, which show themselves.
func (w *wish) chips(r *http.Request, ruleTitle string) []web.Chip {
	p := web.T(r)
	var chips []web.Chip
	add := func(name, text string) {
		if text != "" {
			chips = append(chips, web.Chip{Label: p.T("alert.filter." + name), Text: text, Remove: address(r, name, "")})
		}
	}
	add("q", w.filter.Text)
	add("entity", w.filter.Entity)
	add("rule", ruleTitle)
	add("tactic", tacticLabel(p, w.filter.Tactic))
	add("technique", w.filter.Technique)
	if w.filter.Verdict != "" {
		add("verdict", p.T("alert.verdict."+string(w.filter.Verdict)))
	}
	if w.span != nil {
		text := p.Time(w.span.Start) + " – " + p.Time(w.span.End)
		if w.span.Since != "" {
			text = p.T("alert.filter.since", p.Duration(w.span.End.Sub(w.span.Start)))
		}
		chips = append(chips, web.Chip{Label: p.T("alert.filter.time"), Text: text, Remove: address(r, "since", "", "start", "", "end", "")})
	}
	return chips
}

// tacticLabel is an ATT&CK tactic in the reader's language, or its short name where we have no word for it.
func tacticLabel(p *i18n.Printer, tactic string) string {
	if key := "attack.tactic." + tactic; tactic != "" && p.Has(key) {
		return p.T(key)
	}
	return tactic
}
