package blob

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"yagura/internal/platform/fault"
)

// Grace is how long a file should be left alone that nobody uses yet: longer than any upload, and than the transaction after it.
const Grace = 24 * time.Hour

// Swept is what Sweep took away.
type Swept struct {
	Files int
	Bytes int64
}

// User tells whether somebody has a file in use.
type User func(ctx context.Context, sha string) (bool, error)

// Sweep removes the files that none of the users has, unless they were put within the grace time, and what uploads that died left
// behind. It may run while others put, open and sweep. Who begins to use a file that is there must have put it within the grace
// time, or have it in use elsewhere until then.
func (s *Store) Sweep(ctx context.Context, grace time.Duration, users ...User) (Swept, error) {
	var swept Swept
	if grace <= 0 || len(users) == 0 {
		return swept, fault.New(fault.Invalid, "", "sweeping without a grace time would take uploads away, and without users everything")
	}
	before := time.Now().Add(-grace)
	if err := s.sweepIncoming(before); err != nil {
		return swept, err
	}
	err := s.keeper.walk(ctx, func(file Stored) error {
		if file.Put.After(before) {
			return nil
		}
		for _, used := range users {
			if yes, err := used(ctx, file.SHA256); yes || err != nil {
				return err
			}
		}
		removed, err := s.keeper.removeOld(ctx, file.SHA256, before)
		if removed {
			swept.Files++
			swept.Bytes += file.Size
		}
		return err
	})
	return swept, err
}

// sweepIncoming removes parts that nobody has written to since before.
func (s *Store) sweepIncoming(before time.Time) error {
	parts, err := os.ReadDir(s.incoming)
	if err != nil {
		return refusal(err)
	}
	for _, part := range parts {
		info, err := part.Info()
		if err != nil || info.ModTime().After(before) {
			continue // finished meanwhile, or in flight
		}
		if err := os.Remove(filepath.Join(s.incoming, part.Name())); err != nil && !os.IsNotExist(err) {
			return refusal(err)
		}
	}
	return nil
}
