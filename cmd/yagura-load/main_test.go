package main

import (
	"encoding/base64"
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, row := range []struct {
		times []time.Duration
		p     int
		want  time.Duration
	}{
		{nil, 95, 0}, {hundred[:1], 50, 1}, {hundred, 50, 50}, {hundred, 95, 95}, {hundred, 99, 99}, {hundred, 100, 100}, {hundred[:20], 95, 19}, {hundred[:3], 1, 1},
	} {
		if got := percentile(row.times, row.p); got != row.want {
			t.Errorf("the %d. of %d is %d, want %d", row.p, len(row.times), got, row.want)
		}
	}
}

func TestARunThatMissesIsNotGood(t *testing.T) {
	t.Parallel()
	fine := func() *report {
		r := newReport()
		r.counting, r.span, r.expected = true, time.Second, []string{"alerts"}
		for range 100 {
			r.add("alerts", 10*time.Millisecond, nil)
			r.add(baseline, time.Second, nil) // which is no page
		}
		return r
	}
	if !fine().print(100 * time.Millisecond) {
		t.Error("a good run is not good")
	}
	for name, spoil := range map[string]func(*report){
		"an error":              func(r *report) { r.add("alerts", 0, errors.New("answered 500")) },
		"slow pages":            func(r *report) { r.times["alerts"][3], r.times["rules"] = 0, []time.Duration{time.Second} },
		"a page nobody opened":  func(r *report) { r.expected = append(r.expected, "people") },
		"a page only of errors": func(r *report) { r.add("people", 0, errors.New("answered 500")) },
	} {
		r := fine()
		spoil(r)
		if r.print(100 * time.Millisecond) {
			t.Errorf("with %s it is good", name)
		}
	}
}

func TestLinksOfPages(t *testing.T) {
	t.Parallel()
	body := `<a href="/alerts/0199a1b2-0000-7000-8000-000000000001">a</a> <a href="/alerts?state=closed">x</a>
		<a href="/alerts/0199a1b2-0000-7000-8000-000000000001">again</a> <a href="/rules/-/lint">x</a><a href="/rules/win-log-cleared">r</a>
		<div hx-get="/search/fields?q=a&amp;since=1h" hx-trigger="load"></div> <input type="hidden" name="version" value="7">`
	if got := links(alertLinks(), body); len(got) != 1 || got[0] != "/alerts/0199a1b2-0000-7000-8000-000000000001" {
		t.Error(got)
	}
	if got := links(ruleLinks(), body); len(got) != 1 || got[0] != "/rules/win-log-cleared" {
		t.Error(got)
	}
	if got := links(fragments(), body); len(got) != 1 || got[0] != "/search/fields?q=a&amp;since=1h" {
		t.Error(got)
	}
	if got := links(versions(), body); len(got) != 1 || got[0] != "7" {
		t.Error(got)
	}
}

func TestADecisionThatCameSecondIsToldFromOneThatWasMade(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{"bad\nSomebody was faster.": true, "good\nIt is closed.": false} {
		answer := &http.Response{Header: http.Header{"Set-Cookie": {"yagura_flash=" + base64.RawURLEncoding.EncodeToString([]byte(line)) + "; Path=/"}}}
		if refused(answer) != want {
			t.Errorf("%q is taken for refused: %v", line, !want)
		}
	}
}
