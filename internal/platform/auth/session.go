package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

const (
	// A session ends after a shift without use, and in any case after a week.
	idleLimit     = 12 * time.Hour
	absoluteLimit = 7 * 24 * time.Hour
	// seenEvery is how often the time of last use reaches the database.
	seenEvery = time.Minute
)

// tokenHash is what is kept of a secret that we made: its SHA-256, which is enough for 128 random bits.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
