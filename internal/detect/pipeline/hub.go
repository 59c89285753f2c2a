package pipeline

import (
	"sync"
	"sync/atomic"

	"yagura/internal/event"
)

// Hub hands stored events to those who watch. It never waits for them: what a watcher has no room for is dropped and
// counted for that watcher.
type Hub struct {
	mu       sync.Mutex
	watchers map[*Watcher]struct{}
	count    atomic.Int32
}

// Watcher is one who watches.
type Watcher struct {
	// Events are runs of events in order. They are shared: read them only. The channel closes with Close.
	Events <-chan []*event.Event

	events  chan []*event.Event
	dropped atomic.Int64
	hub     *Hub
}

// watchedRuns is how many runs of events wait for a watcher.
const watchedRuns = 64

// Watch begins to watch. Close it when done.
func (h *Hub) Watch() *Watcher {
	w := &Watcher{events: make(chan []*event.Event, watchedRuns), hub: h}
	w.Events = w.events
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = make(map[*Watcher]struct{})
	}
	h.watchers[w] = struct{}{}
	h.count.Store(int32(len(h.watchers)))
	return w
}

// Dropped returns how many events this watcher missed because it was too slow.
func (w *Watcher) Dropped() int64 { return w.dropped.Load() }

// Close ends watching. It may be called twice.
func (w *Watcher) Close() {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, watching := h.watchers[w]; !watching {
		return
	}
	delete(h.watchers, w)
	h.count.Store(int32(len(h.watchers)))
	close(w.events)
}

func (h *Hub) watched() bool { return h.count.Load() > 0 }

func (h *Hub) publish(events []*event.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		select {
		case w.events <- events:
		default:
			w.dropped.Add(int64(len(events)))
		}
	}
}
