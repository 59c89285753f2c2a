package httpd

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// Rate is how often something may be done: Burst times at once, and then again every Every. The zero Rate has no limit.
type Rate struct {
	Every time.Duration
	Burst int
}

// maxBuckets bounds a table: about 10 MiB.
const maxBuckets = 50_000

// buckets counts by key: the address network or the person. Each key has a token bucket, kept as the one time at which it
// will be full again (the generic cell rate algorithm, ITU-T I.371). When the table is full, the key that was longest not
// seen makes room: a flood from very many networks is met by bounded memory, not by this table.
type buckets[K comparable] struct {
	rate Rate
	now  func() time.Time

	mu    sync.Mutex
	keys  map[K]*list.Element
	order *list.List // of *bucket[K], the latest seen first
}

type bucket[K comparable] struct {
	key  K
	full time.Time
}

func newBuckets[K comparable](rate Rate, now func() time.Time) *buckets[K] {
	return &buckets[K]{rate: rate, now: now, keys: make(map[K]*list.Element), order: list.New()}
}

// take takes a token, or says how long the key has to wait for one. Asking in vain costs nothing, so that a client that
// keeps asking is let in at its rate.
func (b *buckets[K]) take(key K) (wait time.Duration) {
	if b.rate.Every <= 0 || b.rate.Burst <= 0 {
		return 0
	}
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.find(key)
	full := one.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(b.rate.Every)
	if wait = full.Sub(now) - b.rate.Every*time.Duration(b.rate.Burst); wait > 0 {
		return wait
	}
	one.full = full
	return 0
}

func (b *buckets[K]) find(key K) *bucket[K] {
	if element, ok := b.keys[key]; ok {
		b.order.MoveToFront(element)
		return element.Value.(*bucket[K])
	}
	if len(b.keys) >= maxBuckets {
		oldest := b.order.Back()
		b.order.Remove(oldest)
		delete(b.keys, oldest.Value.(*bucket[K]).key)
	}
	one := &bucket[K]{key: key}
	b.keys[key] = b.order.PushFront(one)
	return one
}

// network is what an address is counted as: itself, or the /64 that one IPv6 subscriber has at least.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address at all: all such share one bucket
	}
	return prefix
}
