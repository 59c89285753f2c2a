package source

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"yagura/internal/platform/db"
)

// flushEvery is how much of the counting a crash may cost.
const flushEvery = 5 * time.Second

// OpenStats reads the statistics that a database has. Keep has to run for new ones to be written.
func OpenStats(ctx context.Context, d *db.DB) (*Stats, error) {
	if err := migrate(ctx, d); err != nil {
		return nil, err
	}
	s := NewStats(time.Now)
	err := d.Read(ctx, func(tx *db.Tx) error {
		_, err := db.List(tx, func(row db.Scanner) (struct{}, error) {
			var k key
			var state string
			if err := row.Scan(&k.source, &k.input, &state); err != nil {
				return struct{}{}, err
			}
			c := &counters{}
			if err := json.Unmarshal([]byte(state), c); err != nil {
				return struct{}{}, fmt.Errorf("statistics of %s: %w", k.source, err)
			}
			s.sources[k] = c
			return struct{}{}, nil
		}, `SELECT source, input, state FROM source_stat LIMIT $1`, 2*sourcesKept)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading source statistics: %w", err)
	}
	return s, nil
}

// Flush writes what changed since the last time.
func (s *Stats) Flush(ctx context.Context, d *db.DB) error {
	s.mu.Lock()
	states := make(map[key]string, len(s.changed))
	for k := range s.changed {
		data, err := json.Marshal(s.sources[k])
		if err != nil {
			s.mu.Unlock()
			return fmt.Errorf("writing source statistics: %w", err)
		}
		states[k] = string(data)
	}
	clear(s.changed)
	s.mu.Unlock()
	if len(states) == 0 {
		return nil
	}
	err := d.Write(ctx, func(tx *db.Tx) error {
		put, err := tx.Prepare(`INSERT INTO source_stat (source, input, updated, state) VALUES ($1, $2, $3, $4)
			ON CONFLICT (source, input) DO UPDATE SET updated = excluded.updated, state = excluded.state`)
		if err != nil {
			return err
		}
		for k, state := range states {
			if _, err := put.Exec(k.source, k.input, db.Micros(tx.Now()), state); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.mu.Lock()
		for k := range states {
			s.changed[k] = true
		}
		s.mu.Unlock()
		return fmt.Errorf("writing source statistics: %w", err)
	}
	return nil
}

// Keep writes statistics and the last use of tokens every few seconds until ctx ends, and then once more.
func Keep(ctx context.Context, d *db.DB, s *Stats, t *Tokens, log *slog.Logger) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ended = true
		}
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
		if err := s.Flush(flush, d); err != nil {
			log.Warn("source statistics were not written", "error", err)
		}
		if err := t.Flush(flush); err != nil {
			log.Warn("the last use of tokens was not written", "error", err)
		}
		cancel()
	}
}
