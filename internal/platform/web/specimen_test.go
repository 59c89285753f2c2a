package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
	"yagura/internal/platform/web/webtest"
)

// specimen is a room that uses every part of a page once, with hostile text in all of them.
type specimen struct{ site *web.Site }

type specimenRow struct {
	ID, Level, Title, Host, User, Kind, State string
	Count                                     int
	Trend                                     []int64
	Last                                      time.Time
}

type specimenList struct {
	web.TimeRange
	Tabs  []web.Tab
	Chips []web.Chip
	Hits  web.Histogram
	Rows  []specimenRow
	Pager web.Pager
}

type specimenDetail struct {
	specimenRow
	Source, Domain string
	Span           time.Duration
	Options        []web.Option
}

func (x specimen) module() web.Module {
	return web.Module{
		Name: "specimen",
		// Permissions of rooms that have words in the catalogues.
		Permissions: []web.Permission{"event.read", "search.write"},
		Templates:   os.DirFS("testdata/specimen"),
		Static:      os.DirFS("testdata/specimen"),
		Finders:     []web.Finder{web.FinderFunc(x.find)},
		Commands:    []web.Command{{Key: "frame.cancel", Path: "/dangerous"}},
		Cards:       []web.Card{web.CardFunc(x.card)},
		Help:        "search",
		Nav: []web.NavItem{
			{House: "detect", Key: "chart.time", Path: "/specimen", Permission: "event.read", Order: 10},
			{House: "detect", Key: "value.search", Path: "/search", Permission: "event.read", Order: 20},
			{House: "settings", Key: "house.settings", Path: "/specimen/settings", Permission: "search.write"},
		},
		Routes: []web.Route{
			{Pattern: "GET /specimen", Permission: "event.read", Handle: x.list},
			{Pattern: "GET /specimen/{id}", Permission: "event.read", Handle: x.detail},
			{Pattern: "GET /search", Permission: "event.read", Handle: x.list},
			{Pattern: "GET /specimen/settings", Permission: "search.write", Handle: x.list},
			{Pattern: "GET /public", Permission: web.Public, Handle: x.list},
			{Pattern: "POST /specimen", Permission: "search.write", Handle: x.change},
			{Pattern: "GET /enrolling", Permission: web.Enrolling, Handle: x.list},
			{Pattern: "GET /dangerous", Permission: "search.write", Fresh: true, Handle: x.list},
			{Pattern: "POST /dangerous", Permission: "search.write", Fresh: true, Handle: x.change},
			{Pattern: "GET /panics/{why}", Permission: web.Public, Handle: func(http.ResponseWriter, *http.Request) error { panic("on purpose") }},
			{Pattern: "GET /fails/{code}", Permission: web.Public, Handle: x.fails},
		},
	}
}

func (x specimen) rows() []specimenRow {
	levels := []string{"critical", "high", "medium", "low", "informational"}
	titles := []string{"PowerShell による暗号化コマンドの実行", "Mass download from cloud storage by one user", "監査ログの消去", "USB ストレージの接続", "多要素認証の無効化", webtest.Probe}
	kinds, states := []string{"new", "active", "good", "", "bad"}, []string{"新規", "対応中", "完了", "保留", "エラー"}
	var rows []specimenRow
	for i := range 24 {
		rows = append(rows, specimenRow{
			ID: fmt.Sprint(i), Level: levels[i%5], Title: titles[i%6], Host: fmt.Sprintf("pc-%04d", 412+i), User: []string{"tanaka.h", "suzuki", webtest.Probe}[i%3],
			Kind: kinds[i%5], State: states[i%5], Count: 1 + i*i*37, Trend: []int64{0, 2, 1, 0, int64(i), 7, 3, 0, 0, 1, 4, 9}, Last: time.Now().Add(-time.Duration(i*i*i) * time.Minute),
		})
	}
	return rows
}

// find finds rows; one of them stands on a page that readers may not open, and some are everybody's who may sign in.
func (x specimen) find(_ context.Context, user *auth.User, query string, limit int) ([]web.Found, error) {
	switch query {
	case "broken":
		return nil, errors.New("the records cannot be reached")
	case "panic":
		panic("what nobody thought of")
	}
	var list []web.Found
	for _, row := range x.rows() {
		if strings.Contains(row.Title, query) && len(list) < limit {
			list = append(list, web.Found{Kind: "kind.alert", Title: row.Title, Note: row.Host, Level: row.Level, State: "kind.alert.state.new", Tone: row.Kind, Path: "/specimen/" + row.ID})
		}
	}
	return append(list, web.Found{Kind: "kind.rule", Title: "the secret of " + query, Path: "/specimen/settings"}, web.Found{Kind: "kind.rule", Title: "elsewhere", Path: "https://evil.example/"}), nil
}

func (x specimen) card(_ context.Context, user *auth.User) (*web.Waiting, error) {
	if !user.May("event.read") {
		return nil, nil
	}
	w := &web.Waiting{Key: "kind.alert", Count: 1234, Path: "/specimen"}
	for _, row := range x.rows()[3:8] {
		w.Items = append(w.Items, web.Found{Title: row.Title, Note: row.Host, Level: row.Level, State: "kind.alert.state.new", Tone: row.Kind, Path: "/specimen/" + row.ID})
	}
	return w, nil
}

func (x specimen) list(w http.ResponseWriter, r *http.Request) error {
	span, err := web.ReadTimeRange(r, "24h")
	if err != nil {
		return err
	}
	counts, high := make([]int64, 96), make([]int64, 96)
	for i := range counts {
		counts[i], high[i] = int64(400+(i*i*7919)%900), int64((i*i*31)%97)
	}
	return x.site.Render(w, r, http.StatusOK, "specimen/list", specimenList{
		TimeRange: span,
		Tabs:      []web.Tab{{Label: "すべて", Path: "/specimen", Count: 1234, Current: true}, {Label: "未対応", Path: "/specimen?state=new", Count: 12}, {Label: "自分", Path: "/specimen?mine=1"}},
		Chips:     []web.Chip{{Label: "重大度", Text: "高", Remove: "/specimen"}, {Label: "ホスト", Text: webtest.Probe, Remove: "/specimen"}},
		Hits:      web.Histogram{Start: span.Start, Step: 15 * time.Minute, Series: []web.Series{{Label: "すべて", Counts: counts}, {Label: "高", Level: "high", Counts: high}}, Brush: "/specimen"},
		Rows:      x.rows(),
		Pager:     web.Pager{Text: "1–24 / 1,234", Next: "/specimen?after=24"},
	})
}

func (x specimen) detail(w http.ResponseWriter, r *http.Request) error {
	for _, row := range x.rows() {
		if row.ID == r.PathValue("id") {
			return x.site.Render(w, r, http.StatusOK, "specimen/detail", specimenDetail{
				specimenRow: row, Domain: "https://login.example.net/a?b=" + webtest.Probe, Span: 2*time.Hour + 5*time.Minute,
				Source:  "title: Encoded PowerShell\nid: 1f2e\nstatus: test # not yet\nlogsource:\n    category: process_creation\ndetection:\n    selection:\n        - Image|endswith: '\\powershell.exe'\n        - CommandLine: \"" + webtest.Probe + "\"\n    # all of it\n    condition: selection\nlevel: high\n",
				Options: []web.Option{{Value: "true_positive", Label: "正検知"}, {Value: "false_positive", Label: "誤検知"}},
			})
		}
	}
	return fault.New(fault.NotFound, "", "no row %s", r.PathValue("id"))
}

func (x specimen) change(w http.ResponseWriter, r *http.Request) error {
	return x.site.Done(w, r, "/specimen", web.Flash{Kind: web.Good, Text: "変更しました。"})
}

func (x specimen) fails(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("code") == "wrapped" {
		return fault.New(fault.Invalid, "fault.zone", "reading: %w", errors.New("line 3: unexpected token"))
	}
	return fault.New(fault.Code(r.PathValue("code")), "", "it failed: %s", webtest.Probe)
}
