package syslogd

import (
	"time"

	"yagura/internal/detect/intake"
)

const (
	fullBytes = 512 << 10
	fullItems = 5000
	// flushAfter is how long the first message of a batch waits for others.
	flushAfter = 50 * time.Millisecond
)

// collection gathers messages into one piece of memory until they are handed over.
type collection struct {
	arena []byte
	ends  []int
	since time.Time // when the first message came
	items []intake.Item
}

func (c *collection) add(message []byte, mark string, now time.Time) {
	if len(message) == 0 {
		return
	}
	if len(c.ends) == 0 {
		c.since = now
	}
	c.arena = append(append(c.arena, message...), mark...)
	c.ends = append(c.ends, len(c.arena))
}

func (c *collection) empty() bool { return len(c.ends) == 0 }

func (c *collection) full() bool { return len(c.arena) >= fullBytes || len(c.ends) >= fullItems }

// batch returns the messages as a batch that is valid until reset.
func (c *collection) batch(source, remote string) *intake.Batch {
	c.items = c.items[:0]
	start := 0
	for _, end := range c.ends {
		c.items = append(c.items, intake.Item{Data: c.arena[start:end:end]})
		start = end
	}
	return &intake.Batch{
		Input: Input, Source: source, Format: intake.Syslog, Remote: remote, Received: c.since.UTC(), Items: c.items,
	}
}

func (c *collection) reset() {
	c.ends = c.ends[:0]
	if cap(c.arena) > 4*fullBytes { // a rare giant must not stay for ever
		c.arena = nil
	}
	c.arena = c.arena[:0]
}
