package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// page is a kind of page that people open.
type page struct {
	name   string
	weight int
	roles  []string // who opens it; nil: everybody
	path   string   // "" where it is a link of what was seen
}

// pages are the ordinary pages and how often each is opened.
func pages() []page {
	readers := []string{"auditor", "admin"}
	return []page{
		{name: "alerts", weight: 24, path: openAlerts},
		{name: "alert", weight: 26},
		{name: "alerts, closed", weight: 4, path: "/alerts?state=closed"},
		{name: "rules", weight: 7, path: "/rules"},
		{name: "rule", weight: 7},
		{name: "search, 1 h", weight: 8, path: "/search?since=1h"},
		{name: "search, a word", weight: 3, path: "/search?q=powershell&since=24h"},
		{name: "sources", weight: 5, path: "/sources"},
		{name: "account", weight: 4, path: "/account"},
		{name: "sessions", weight: 2, path: "/account/sessions"},
		{name: "people", weight: 6, path: "/people", roles: readers},
		{name: "roles", weight: 5, path: "/roles", roles: readers},
		{name: "ledger", weight: 6, path: "/ledger", roles: readers},
		{name: "approvals", weight: 3, path: "/approvals"},
	}
}

const (
	openAlerts = "/alerts?state=open"
	// decision is the write: with its leaf in the ledger.
	decision = "decide (write)"
	// decideEvery: one in so many alerts that are opened is decided about, by those who may.
	decideEvery          = 8
	thinkMin, thinkRange = time.Second, 4 * time.Second
	mostBody             = 8 << 20
)

// Links and fields of pages, as a browser would find them. (Compiled once; nothing changes them.)
func alertLinks() *regexp.Regexp {
	return regexp.MustCompile(`href="(/alerts/[0-9a-f]{8}-[0-9a-f-]{27})`)
}
func ruleLinks() *regexp.Regexp { return regexp.MustCompile(`href="(/rules/[^"/?#-][^"/?#]*)"`) }
func versions() *regexp.Regexp  { return regexp.MustCompile(`name="version" value="(\d+)"`) }
func fragments() *regexp.Regexp {
	return regexp.MustCompile(`hx-get="([^"]+)" hx-trigger="load"`)
}

// visitor is one person at a browser.
type visitor struct {
	session
	url    string
	client *http.Client
	random *rand.Rand
	report *report

	pages                  []page
	alert, rule            []string // links seen
	alerts, rules          *regexp.Regexp
	version, partsOfSearch *regexp.Regexp
}

func newVisitor(i int, s session, base string, client *http.Client, r *report, there []page) *visitor {
	v := &visitor{session: s, url: base, client: client, random: rand.New(rand.NewPCG(1, uint64(i))), report: r,
		alerts: alertLinks(), rules: ruleLinks(), version: versions(), partsOfSearch: fragments()}
	for _, p := range there {
		if p.roles == nil || slices.Contains(p.roles, s.role) {
			v.pages = append(v.pages, p)
		}
	}
	return v
}

// work opens pages until ctx ends. The first comes at once for nobody: people do not arrive in step.
func (v *visitor) work(ctx context.Context) {
	for {
		think := thinkMin + time.Duration(v.random.Int64N(int64(thinkRange)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(think):
		}
		v.open(ctx, v.choose())
	}
}

func (v *visitor) choose() page {
	total := 0
	for _, p := range v.pages {
		total += p.weight
	}
	at := v.random.IntN(total)
	for _, p := range v.pages {
		if at -= p.weight; at < 0 {
			return p
		}
	}
	return v.pages[0]
}

// open opens a page and does what its browser does next.
func (v *visitor) open(ctx context.Context, p page) {
	path := p.path
	switch p.name {
	case "alert":
		path = v.pick(v.alert, openAlerts)
	case "rule":
		path = v.pick(v.rule, "/rules")
	}
	switch path { // no link was seen yet: the list comes first
	case openAlerts:
		p.name = "alerts"
	case "/rules":
		p.name = "rules"
	}
	body := v.get(ctx, p.name, path)
	if body == "" {
		return
	}
	switch {
	case p.name == "alerts":
		v.alert = links(v.alerts, body)
	case p.name == "rules":
		v.rule = links(v.rules, body)
	case p.name == "alert" && (v.role == "analyst" || v.role == "responder") && v.random.IntN(decideEvery) == 0:
		v.decide(ctx, path, body)
	case strings.HasPrefix(p.name, "search"):
		v.parts(ctx, body)
	}
}

func (v *visitor) pick(seen []string, otherwise string) string {
	if len(seen) == 0 {
		return otherwise
	}
	return seen[v.random.IntN(len(seen))]
}

func links(pattern *regexp.Regexp, body string) (list []string) {
	for _, found := range pattern.FindAllStringSubmatch(body, -1) {
		if !slices.Contains(list, found[1]) {
			list = append(list, found[1])
		}
	}
	return list
}

// parts loads what a page of search loads by itself, at the same time as a browser does.
func (v *visitor) parts(ctx context.Context, body string) {
	var wait sync.WaitGroup
	for _, path := range links(v.partsOfSearch, body) {
		path = strings.ReplaceAll(path, "&amp;", "&")
		name, _, _ := strings.Cut(path, "?")
		wait.Go(func() { v.get(ctx, "  "+strings.TrimPrefix(name, "/"), path) })
	}
	wait.Wait()
}

// decide takes an alert up, or puts it back, as its page's form does.
func (v *visitor) decide(ctx context.Context, path, body string) {
	version := v.version.FindStringSubmatch(body)
	if version == nil {
		return
	}
	move := "/move/put_back"
	if strings.Contains(body, path+"/move/take") {
		move = "/move/take"
	}
	form := url.Values{"version": {version[1]}, "why": {"seen"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url+path+move, strings.NewReader(form.Encode()))
	if err != nil {
		v.report.add(decision, 0, err)
		return
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", v.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	v.do(ctx, decision, r)
}

func (v *visitor) get(ctx context.Context, name, path string) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+path, nil)
	if err != nil {
		v.report.add(name, 0, err)
		return ""
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(ctx, name, r)
}

// do sends a request and waits for the whole answer. What the end of the run cuts off is not counted.
func (v *visitor) do(ctx context.Context, name string, r *http.Request) string {
	r.AddCookie(v.cookie)
	started := time.Now()
	answer, err := v.client.Do(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(answer.Body, mostBody))
		_ = answer.Body.Close() // it is read
	}
	took := time.Since(started)
	if ctx.Err() != nil {
		return ""
	}
	switch {
	case err != nil:
	case r.Method == http.MethodPost && answer.StatusCode == http.StatusSeeOther:
		if refused(answer) {
			v.report.conflict() // somebody else decided first: what optimistic locking is for
		}
	case answer.StatusCode == http.StatusOK:
	default:
		err = fmt.Errorf("answered %s", answer.Status)
	}
	v.report.add(name, took, err)
	if err != nil {
		return ""
	}
	return string(body)
}

// refused reports whether a form led on to a page that will say why nothing was done: the line that the next page shows is a bad one.
func refused(answer *http.Response) bool {
	for _, c := range answer.Cookies() {
		text, err := base64.RawURLEncoding.DecodeString(c.Value)
		if c.Name == "yagura_flash" && err == nil && strings.HasPrefix(string(text), "bad\n") {
			return true
		}
	}
	return false
}
