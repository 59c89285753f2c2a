package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/i18n"
)

// Found is something that the search box leads to.
type Found struct {
	Kind  string // message key of what it is: "find.person"
	Title string // what it is called; text from outside is welcome
	Note  string // what tells it from others of that title: an address, a host
	Level string // severity, "" for what has none
	// State is the message key of the state it is in, "" for none; Tone is the kind of pill that says so.
	State string
	Tone  string
	Path  string // its page
}

// Finder finds records by what they are called. A module gives one for each kind of record it keeps.
type Finder interface {
	// Find returns at most limit records whose names have to do with the query, best first. It leaves out what the user may not
	// see; the site leaves out what stands on pages that the user may not open. Speaker(ctx) says in which language.
	Find(ctx context.Context, user *auth.User, query string, limit int) ([]Found, error)
}

// FinderFunc is a function as a Finder.
type FinderFunc func(ctx context.Context, user *auth.User, query string, limit int) ([]Found, error)

// Find calls the function.
func (f FinderFunc) Find(ctx context.Context, user *auth.User, query string, limit int) ([]Found, error) {
	return f(ctx, user, query, limit)
}

// Command is a page that does something, for the search box: "Invite a person". What stands in the rail is there anyway.
type Command struct {
	Key  string // message key of what it does
	Path string // a page that GET shows; who may not open it is not offered it
}

const (
	maxFindQuery = 200 // characters
	foundPerKind = 5   // records in the search box
	foundOnPage  = 50  // records on the page of results
	findTime     = 2 * time.Second
)

// findView is the page of results, and the list below the search box.
type findView struct {
	Query    string
	Places   []place
	Records  []foundGroup
	Events   string // address of the same search in the events, "" where the reader may not search them
	First    bool   // the query is written as one for events
	Lacking  bool   // some records could not be searched
	Searched bool
}

// Nothing reports whether no page and no record was found.
func (v findView) Nothing() bool { return len(v.Places)+len(v.Records) == 0 }

// place is a page or a command.
type place struct {
	Label, House, Path string
	rank               int
}

// foundGroup is what was found of one kind.
type foundGroup struct {
	Kind  string
	Items []Found
}

// findPage answers the search box: the list below it (the block "options") while somebody types, else a page.
func (s *Site) findPage(w http.ResponseWriter, r *http.Request) error {
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	if runes := []rune(query); len(runes) > maxFindQuery {
		query = string(runes[:maxFindQuery])
	}
	limit := foundOnPage
	if wantedBlock(r) == "options" {
		limit = foundPerKind
	}
	return s.Render(w, r, http.StatusOK, "frame/find", s.find(r, query, limit))
}

func (s *Site) find(r *http.Request, query string, limit int) findView {
	user := User(r)
	v := findView{Query: query, Places: s.places(r, query), Searched: query != ""}
	if query == "" {
		return v
	}
	v.Records, v.Lacking = s.records(r.Context(), user, query, limit)
	if s.mayOpenPath(user, searchPath) {
		v.Events = searchPath + "?" + url.Values{"q": {query}}.Encode()
		v.First = strings.ContainsAny(query, ":|")
	}
	return v
}

// records asks every finder at once. What takes too long or fails is missing, and the reader is told.
func (s *Site) records(ctx context.Context, user *auth.User, query string, limit int) (groups []foundGroup, lacking bool) {
	var finders []Finder
	for _, m := range s.modules {
		finders = append(finders, m.Finders...)
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	found, failed := make([][]Found, len(finders)), make([]error, len(finders))
	var wait sync.WaitGroup
	for i, finder := range finders {
		wait.Go(func() {
			failed[i] = sheltered(func() (err error) {
				found[i], err = finder.Find(ctx, user, query, limit)
				return err
			})
		})
	}
	wait.Wait()
	at := make(map[string]int)
	for i, err := range failed {
		if err != nil {
			s.opt.Log.Warn("the search box lacks records", "error", err)
			lacking = true
		}
		for _, f := range found[i] {
			if !s.mayOpenPath(user, f.Path) {
				continue
			}
			n, ok := at[f.Kind]
			if !ok {
				n = len(groups)
				at[f.Kind] = n
				groups = append(groups, foundGroup{Kind: f.Kind})
			}
			if len(groups[n].Items) < limit {
				groups[n].Items = append(groups[n].Items, f)
			}
		}
	}
	return groups, lacking
}

// places lists the pages and commands that the reader may open and the query is about, in whichever language it is written;
// all of the rail's for an empty query.
func (s *Site) places(r *http.Request, query string) []place {
	user, reader := User(r), T(r)
	words := strings.Fields(fold(query))
	var list []place
	add := func(house, key, path string) {
		if !s.mayOpenPath(user, path) || slices.ContainsFunc(list, func(p place) bool { return p.Path == path }) {
			return
		}
		rank := s.rank(words, reader, house, key)
		if rank < 0 {
			return
		}
		p := place{Label: reader.T(key), Path: path, rank: rank}
		if house != "" {
			p.House = reader.T(house)
		}
		list = append(list, p)
	}
	add("", homeKey, homePath)
	for _, h := range s.rail(user, "") {
		for _, item := range h.Items {
			add(h.Key, item.Key, item.Path)
		}
	}
	if len(words) > 0 {
		for _, m := range s.modules {
			for _, c := range m.Commands {
				add("", c.Key, c.Path)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b place) int { return cmp.Compare(a.rank, b.rank) })
	return list
}

// rank says how well a label answers the words, from 0; -1 is not at all. Every word must be in the label or its house, in one
// of the languages; the reader's own language goes first, and a beginning before a middle.
func (s *Site) rank(words []string, reader *i18n.Printer, house, key string) int {
	if len(words) == 0 {
		return 0
	}
	best := -1
	for _, language := range i18n.Languages() {
		printer := s.opt.Bundle.Printer(language.Lang, nil)
		label := fold(printer.T(key))
		all := label
		if house != "" {
			all += "\n" + fold(printer.T(house))
		}
		if slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(all, word) }) {
			continue
		}
		rank := 2
		switch at := strings.Index(label, words[0]); {
		case at == 0:
			rank = 0
		case at > 0 && !unicode.IsLetter(rune(label[at-1])):
			rank = 1
		}
		if language.Lang != reader.Lang() {
			rank += 3
		}
		if best < 0 || rank < best {
			best = rank
		}
	}
	return best
}

// fold makes spellings that people take for the same the same: width, case, and the two kana.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'ぁ' && r <= 'ゖ' {
			return r + ('ァ' - 'ぁ')
		}
		return r
	}, strings.ToLower(norm.NFKC.String(text)))
}

// mayOpenPath reports whether the user may open the page at an address of ours.
func (s *Site) mayOpenPath(user *auth.User, address string) bool {
	if !local(address) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, pattern := s.mux.Handler(&http.Request{Method: http.MethodGet, URL: u})
	permission, ok := s.permits[pattern]
	return ok && mayOpen(user, permission)
}
