package web

import (
	"cmp"
	"context"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
)

// The overview, which is everybody's first page unless they chose another.
const (
	homePath = "/home"
	homeKey  = "home.title"
)

// cardTime is how long the overview waits for a card: a slow room must not keep everybody from their day.
const cardTime = 2 * time.Second

// Card says on the overview what waits for somebody in a room.
type Card interface {
	// Card returns what waits for the user now, nil where they have nothing to do with it. Speaker(ctx) says in which language.
	Card(ctx context.Context, user *auth.User) (*Waiting, error)
}

// CardFunc is a function as a Card.
type CardFunc func(ctx context.Context, user *auth.User) (*Waiting, error)

// Card calls the function.
func (f CardFunc) Card(ctx context.Context, user *auth.User) (*Waiting, error) { return f(ctx, user) }

// Waiting is what a Card shows.
type Waiting struct {
	Key   string  // message key of what waits: "approval.waiting"
	Order int     // among the cards
	Count int64   // how many wait
	Path  string  // the list of them
	Items []Found // the first few; their Kind is not shown
	Empty string  // message key of what to say when none waits
}

// homeView is the overview.
type homeView struct {
	Name   string
	Cards  []Waiting
	Failed bool // a card could not be shown
	Houses []house
}

// start leads to the page that the reader chose to begin with, else to the overview.
func (s *Site) start(w http.ResponseWriter, r *http.Request) error {
	path := about(r).prefs.Chosen.Start
	if path == "" || path == "/" || !s.mayOpenPath(User(r), path) {
		path = homePath
	}
	return s.Redirect(w, r, path)
}

func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	user := User(r)
	v := homeView{Name: user.Name, Houses: slices.DeleteFunc(s.rail(user, ""), house.Home)}
	v.Cards, v.Failed = s.cards(r.Context(), user)
	return s.Render(w, r, http.StatusOK, "frame/home", v)
}

// cards asks every room at once what waits for the user.
func (s *Site) cards(ctx context.Context, user *auth.User) (list []Waiting, failed bool) {
	var cards []Card
	for _, m := range s.modules {
		cards = append(cards, m.Cards...)
	}
	ctx, cancel := context.WithTimeout(ctx, cardTime)
	defer cancel()
	waiting, errs := make([]*Waiting, len(cards)), make([]error, len(cards))
	var wait sync.WaitGroup
	for i, card := range cards {
		wait.Go(func() {
			errs[i] = sheltered(func() (err error) {
				waiting[i], err = card.Card(ctx, user)
				return err
			})
		})
	}
	wait.Wait()
	for i, one := range waiting {
		if errs[i] != nil {
			s.opt.Log.Warn("the overview lacks a card", "error", errs[i])
			failed = true
			continue
		}
		if one != nil && s.mayOpenPath(user, one.Path) {
			list = append(list, *one)
		}
	}
	slices.SortStableFunc(list, func(a, b Waiting) int { return cmp.Compare(a.Order, b.Order) })
	return list, failed
}

// sheltered has a panic of one room's be its error: beside the request, where no handler catches it, it would end the program for everybody.
func sheltered(ask func() error) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fault.New(fault.Internal, "", "panic: %v\n%s", problem, debug.Stack())
		}
	}()
	return ask()
}

// StartPages are the pages that the reader may choose to begin with, the overview first.
func (s *Site) StartPages(r *http.Request) []Option {
	pages := []Option{{Value: "", Label: T(r).T(homeKey)}}
	for _, h := range s.rail(User(r), "") {
		for _, item := range h.Items {
			pages = append(pages, Option{Value: item.Path, Label: T(r).T(item.Key)})
		}
	}
	return pages
}
