package auth

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// How fast wrong passwords may come from one place.
const (
	burst      = 5                // wrong guesses at once
	refill     = 20 * time.Second // and then one in this time
	maxSources = 10_000
)

// throttle counts guesses by source: an IPv4 address, an IPv6 /64.
type throttle struct {
	most  float64       // at once; burst where it is 0
	every time.Duration // and then one in this time; refill where it is 0

	mu      sync.Mutex
	sources map[netip.Prefix]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// take lets a guess through, or says how long its source has to wait. Take before the guess and give back when it was
// right: guesses in flight count.
func (t *throttle) take(source netip.Prefix, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sources == nil {
		t.sources = make(map[netip.Prefix]*bucket)
	}
	if t.most == 0 {
		t.most, t.every = burst, refill
	}
	b := t.sources[source]
	if b == nil {
		t.makeRoom(now)
		b = &bucket{tokens: t.most, at: now}
		t.sources[source] = b
	}
	b.tokens = min(t.most, b.tokens+float64(max(0, now.Sub(b.at)))/float64(t.every))
	b.at = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) * float64(t.every))
	}
	b.tokens--
	return 0
}

func (t *throttle) giveBack(source netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.sources[source]; b != nil {
		b.tokens = min(t.most, b.tokens+1)
	}
}

// makeRoom forgets sources that are full again; when a flood leaves none, all: a flood from 10,000 sources is not held
// up by this table but by the price of a guess.
func (t *throttle) makeRoom(now time.Time) {
	if len(t.sources) < maxSources {
		return
	}
	for source, b := range t.sources {
		if now.Sub(b.at) > time.Duration(t.most)*t.every {
			delete(t.sources, source)
		}
	}
	if len(t.sources) >= maxSources {
		clear(t.sources)
	}
}

// sourceOf returns the network of an address.
func sourceOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}
