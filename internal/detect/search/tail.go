package search

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
)

// Limits of a live tail.
const (
	tailEvery   = 500 * time.Millisecond
	tailSettle  = 500 * time.Millisecond // before this it is no use to ask the store
	tailGiveUp  = 30 * time.Second       // what it does not find by then counts as missed
	tailWaiting = 20_000                 // events that wait to be matched; more are counted as missed
	tailChunk   = 2000                   // ids a query
	tailRows    = 200                    // rows sent at once: more nobody can read
	tailBeat    = 15 * time.Second       // so that proxies and browsers see that it lives
	tailLife    = time.Hour              // then the browser comes again, and is asked again who it is
	tailStuck   = 10 * time.Second       // a reader that takes nothing for so long is gone
)

// arrival is an event that was stored at a moment.
type arrival struct {
	id       string
	at, seen time.Time
}

// match finds which of the events with these ids and times the filter finds, in no order.
func (s *Service) match(ctx context.Context, filter string, list []arrival, yield func(*event.Event) error) error {
	if len(list) == 0 {
		return nil
	}
	var query strings.Builder
	query.WriteString("(" + filter + `) event.id:in(`)
	span := Range{Start: list[0].at, End: list[0].at}
	for i, one := range list {
		if i > 0 {
			query.WriteByte(',')
		}
		query.WriteString(quote(one.id))
		if one.at.Before(span.Start) {
			span.Start = one.at
		}
		if one.at.After(span.End) {
			span.End = one.at
		}
	}
	query.WriteByte(')')
	return s.Stream(ctx, query.String(), span, 0, yield)
}

// arrived cuts a list in those that the store finds by now and those that it does not.
func (s *Service) arrived(ctx context.Context, list []arrival) (there, not []arrival, err error) {
	ids := make(map[string]bool, len(list))
	if err := s.match(ctx, "*", list, func(ev *event.Event) error { ids[strings.Clone(ev.ID)] = true; return nil }); err != nil {
		return nil, nil, err
	}
	for _, one := range list {
		if ids[one.id] {
			there = append(there, one)
		} else {
			not = append(not, one)
		}
	}
	return there, not, nil
}

// follow streams events as they are stored, as server-sent events: "row" with a row of the list as JSON, "missed" with a count.
// The engine matches them, by their ids, as soon as it finds them.
func (x *Room) follow(w http.ResponseWriter, r *http.Request) error {
	if x.tail == nil {
		return fault.New(fault.NotFound, "fault.search.tail.none", "there is no live tail")
	}
	plan, err := x.service.engine.Plan(r.URL.Query().Get("q"))
	if err != nil {
		return err
	}
	if !plan.Rows {
		return fault.New(fault.Invalid, "fault.search.tail.pipes", "a query whose pipes make rows of their own cannot be followed")
	}
	select {
	case x.tails <- struct{}{}:
		defer func() { <-x.tails }()
	default:
		return fault.New(fault.Busy, "fault.search.tail.many", "%d live tails are open already", maxTails)
	}
	ctx, cancel := context.WithTimeout(r.Context(), tailLife)
	defer cancel()
	t := &follower{service: x.service, filter: plan.Filter, printer: web.T(r), out: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	watcher := x.tail.Watch()
	defer watcher.Close()
	if err := t.send("retry: 3000\n\n"); err != nil {
		return nil // the reader has left
	}
	t.run(ctx, watcher.Events, watcher.Dropped)
	return nil
}

// follower is one live tail.
type follower struct {
	service *Service
	filter  string
	printer *i18n.Printer
	out     http.ResponseWriter
	control *http.ResponseController
	waiting []arrival
	missed  int64
	told    int64 // of those missed
}

// run ends when the reader leaves, the context ends, or the events do.
func (t *follower) run(ctx context.Context, events <-chan []*event.Event, dropped func() int64) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case list, more := <-events:
			if !more {
				return
			}
			t.take(list)
		case now := <-tick.C:
			sent, err := t.show(ctx, now, dropped())
			if err == nil && !sent && now.Sub(last) > tailBeat {
				sent, err = true, t.send(": here\n\n")
			}
			if err != nil {
				return
			}
			if sent {
				last = now
			}
		}
	}
}

func (t *follower) take(list []*event.Event) {
	now := time.Now()
	for _, ev := range list {
		if len(t.waiting) >= tailWaiting {
			t.missed++
			continue
		}
		t.waiting = append(t.waiting, arrival{strings.Clone(ev.ID), ev.Time, now})
	}
}

// show sends what the store finds by now, and matches.
func (t *follower) show(ctx context.Context, now time.Time, dropped int64) (sent bool, err error) {
	var found []*event.Event
	n := slices.IndexFunc(t.waiting, func(a arrival) bool { return now.Sub(a.seen) < tailSettle })
	if n < 0 {
		n = len(t.waiting)
	}
	var later []arrival
	for list := range slices.Chunk(t.waiting[:n], tailChunk) {
		there, not, err := t.service.arrived(ctx, list)
		if err != nil {
			return false, err
		}
		for _, one := range not {
			if now.Sub(one.seen) < tailGiveUp {
				later = append(later, one)
			} else {
				t.missed++
			}
		}
		err = t.service.match(ctx, t.filter, there, func(ev *event.Event) error {
			if len(found) >= tailRows {
				t.missed++
				return nil
			}
			found = append(found, ev.Clone())
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	t.waiting = append(later, t.waiting[n:]...)
	return t.tell(found, dropped)
}

// tell sends rows, the oldest first, and how many were missed.
func (t *follower) tell(found []*event.Event, dropped int64) (sent bool, err error) {
	slices.SortStableFunc(found, func(a, b *event.Event) int { return a.Time.Compare(b.Time) })
	var text strings.Builder
	for _, ev := range found {
		data, err := json.Marshal(t.row(ev))
		if err != nil {
			return false, err
		}
		fmt.Fprintf(&text, "event: row\ndata: %s\n\n", data)
	}
	if missed := t.missed + dropped; missed > t.told {
		fmt.Fprintf(&text, "event: missed\ndata: %d\n\n", missed)
		t.told = missed
	}
	if text.Len() == 0 {
		return false, nil
	}
	return true, t.send(text.String())
}

// tailRow is a row of the list as the page's script builds it.
type tailRow struct {
	Href    string `json:"href"`
	Time    string `json:"time"`
	Exact   string `json:"exact"`
	ISO     string `json:"iso"`
	Host    string `json:"host"`
	User    string `json:"user"`
	Dataset string `json:"dataset"`
	Message string `json:"message"`
}

func (t *follower) row(ev *event.Event) tailRow {
	r := row{Event: ev}
	return tailRow{
		Href: eventPath(ev), Time: t.printer.Time(ev.Time), Exact: t.printer.Exact(ev.Time), ISO: ev.Time.UTC().Format(time.RFC3339Nano),
		Host: r.Host(), User: r.User(), Dataset: r.Dataset(), Message: r.Message(),
	}
}

func (t *follower) send(text string) error {
	_ = t.control.SetWriteDeadline(time.Now().Add(tailStuck)) // a test's recorder has none
	if _, err := t.out.Write([]byte(text)); err != nil {
		return err
	}
	return t.control.Flush()
}
