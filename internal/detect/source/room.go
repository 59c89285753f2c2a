package source

import (
	"cmp"
	"context"
	"embed"
	"math"
	"net/url"
	"slices"

	"yagura/internal/detect/source/api"
	"yagura/internal/detect/source/elastic"
	"yagura/internal/detect/source/follow"
	"yagura/internal/detect/source/hec"
	"yagura/internal/detect/source/otlp"
	"yagura/internal/detect/source/self"
	"yagura/internal/detect/source/syslogd"
	"yagura/internal/platform/web"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Permissions of this room.
const (
	MayRead  web.Permission = "source.read"
	MayWrite web.Permission = "source.write" // create and revoke tokens
)

// Listener is an input that has no token: its name stands for who sends.
type Listener struct {
	Source  string // "syslog-tls"
	Input   string // "syslog"
	Address string // where it listens, or what it follows
}

// RoomOptions are what the pages show besides statistics and tokens.
type RoomOptions struct {
	Tokens    *Tokens
	Stats     *Stats
	Listeners []Listener
	// Files tells how far followed files have been read; nil where none are followed.
	Files func() []follow.Progress
	// Certificate is the file that senders of syslog over TLS need to trust; "" without TLS.
	Certificate string
}

// Room is the Sources pages.
type Room struct {
	site *web.Site
	opt  RoomOptions
}

// NewRoom makes the pages, which Module hands to the site.
func NewRoom(site *web.Site, opt RoomOptions) *Room { return &Room{site: site, opt: opt} }

// Module is what the site mounts.
func (x *Room) Module() web.Module {
	// A source's name never begins with a hyphen, so "-" is free for what is no source.
	return web.Module{
		Name:        "source",
		Templates:   templateFiles,
		Permissions: []web.Permission{MayRead, MayWrite},
		Commands:    []web.Command{{Key: "source.connect", Path: "/sources/-/connect"}},
		Help:        "sources",
		Nav:         []web.NavItem{{House: "detect", Key: "source.title", Path: "/sources", Permission: MayRead, Order: 40}},
		Routes: append([]web.Route{
			{Pattern: "GET /sources", Permission: MayRead, Handle: x.list},
			{Pattern: "GET /sources/{name}", Permission: MayRead, Handle: x.detail},
			{Pattern: "GET /sources/-/connect", Permission: MayWrite, Handle: x.connect},
			{Pattern: "POST /sources/-/tokens", Permission: MayWrite, Handle: x.create},
			{Pattern: "POST /sources/-/tokens/{id}/revoke", Permission: MayWrite, Handle: x.revoke},
			{Pattern: "GET /sources/-/certificate", Permission: MayRead, Handle: x.certificate},
		}, x.apiRoutes()...),
	}
}

// unknown is the path of what stands for callers without a known token.
const unknown = "-"

// row is one source with all its inputs together.
type row struct {
	Name   string // "" for callers without a known token
	Inputs []string
	Figures
	Listeners []Listener
	Tokens    []Token // the valid ones first
}

// Path is the address of the source's page.
func (r row) Path() string {
	if r.Name == "" {
		return "/sources/" + unknown
	}
	return "/sources/" + url.PathEscape(r.Name) // an import may name any
}

// Lost is how many events were turned away, dropped or could not be read.
func (r row) Lost() uint64 { return r.Refused + r.Dropped + r.Unread }

// ShownRate is the rate in events a second, to one decimal.
func (r row) ShownRate() float64 { return math.Round(r.Rate*10) / 10 }

// Reason is why, the last time.
func (r row) Reason() string {
	if len(r.Refusals) == 0 {
		return ""
	}
	return r.Refusals[0].Reason
}

// inputs that the catalogues have a word for.
var inputs = []string{elastic.Input, hec.Input, otlp.Input, api.Input, api.InputImport, syslogd.Input, follow.Input, self.Input, "demo"}

// Label is an input for people: a message key, or the name as it is where there is none.
type Label struct{ Key, Name string }

// Labels are the source's inputs.
func (r row) Labels() []Label {
	var list []Label
	for _, name := range r.Inputs {
		if slices.Contains(inputs, name) {
			list = append(list, Label{Key: "source.input." + name})
		} else {
			list = append(list, Label{Name: name})
		}
	}
	return list
}

// rows puts together all that is known of each source: those in trouble first, then by name.
func (x *Room) rows(ctx context.Context) ([]row, error) {
	tokens, err := x.opt.Tokens.List(ctx)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*row)
	get := func(name string) *row {
		r, ok := byName[name]
		if !ok {
			r = &row{Name: name, Figures: Figures{State: Waiting, Hour: make([]int64, minutesKept)}}
			byName[name] = r
		}
		return r
	}
	for _, l := range x.opt.Listeners {
		r := get(l.Source)
		r.Listeners = append(r.Listeners, l)
		r.addInput(l.Input)
	}
	for _, f := range x.opt.Stats.All() {
		get(f.Source).merge(f)
	}
	for _, t := range tokens {
		if t.Valid() {
			get(t.Name)
		}
	}
	for _, t := range tokens {
		if r := byName[t.Name]; r != nil { // else all that is known of it is a token that was revoked
			r.Tokens = append(r.Tokens, t)
		}
	}
	list := make([]row, 0, len(byName))
	for _, r := range byName {
		r.settle()
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b row) int {
		return cmp.Or(cmp.Compare(trouble(a), trouble(b)), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

func trouble(r row) int {
	if r.State == Failing {
		return 0
	}
	return 1
}

func (r *row) addInput(input string) {
	if !slices.Contains(r.Inputs, input) {
		r.Inputs = append(r.Inputs, input)
	}
}

// merge adds the figures of one input.
func (r *row) merge(f Figures) {
	r.addInput(f.Input)
	r.Events += f.Events
	r.Bytes += f.Bytes
	r.Refused += f.Refused
	r.Dropped += f.Dropped
	r.Unread += f.Unread
	r.Rate += f.Rate
	if f.LastSeen.After(r.LastSeen) {
		r.LastSeen, r.Delay, r.Lag = f.LastSeen, f.Delay, f.Lag
	}
	if f.Newest.After(r.Newest) {
		r.Newest = f.Newest
	}
	for i, n := range f.Hour {
		r.Hour[i] += n
	}
	r.Refusals = append(r.Refusals, f.Refusals...)
	r.Senders = append(r.Senders, f.Senders...)
	if severity(f.State) > severity(r.State) {
		r.State = f.State
	}
}

// severity orders states: one input in trouble is the source in trouble, one alive is the source alive.
func severity(s State) int { return slices.Index([]State{Waiting, Quiet, Alive, Failing}, s) }

// settle orders what came from several inputs.
func (r *row) settle() {
	slices.Sort(r.Inputs)
	slices.SortStableFunc(r.Refusals, func(a, b Refusal) int { return b.At.Compare(a.At) })
	slices.SortStableFunc(r.Senders, func(a, b Sender) int { return cmp.Compare(b.Events, a.Events) })
	slices.SortStableFunc(r.Tokens, func(a, b Token) int { return a.Revoked.Compare(b.Revoked) })
}

// Pill is the kind of pill that shows a state.
func (s State) Pill() string {
	switch s {
	case Alive:
		return "good"
	case Failing:
		return "bad"
	case Waiting:
		return "new"
	default:
		return ""
	}
}
