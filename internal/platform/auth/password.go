package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/fault"
)

// cost is how dear one guess is. The default is the second recommended choice of RFC 9106, section 4.
type cost struct {
	time, memory uint32 // passes; KiB
	threads      uint8
}

var defaultCost = cost{time: 3, memory: 64 << 10, threads: 4}

const (
	saltBytes = 16
	keyBytes  = 32
	// minLength is NIST SP 800-63B-4's for a password that stands alone (3.1.1.2).
	minLength = 15
	maxLength = 1024 // bytes; more is no password but an attempt to keep us busy
)

// hash returns the password as a PHC string: $argon2id$v=19$m=65536,t=3,p=4$salt$key.
func hash(password string, c cost) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	key := argon2.IDKey(normal(password), salt, c.time, c.memory, c.threads, keyBytes)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.time, c.threads, b64(salt), b64(key))
}

// verify reports whether the password belongs to the PHC string, in a time that does not depend on how wrong it is.
func verify(password, phc string) (bool, error) {
	c, salt, key, err := parsePHC(phc)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey(normal(password), salt, c.time, c.memory, c.threads, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

func parsePHC(phc string) (c cost, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errors.New("the stored password is no Argon2id hash of version 19")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.memory, &c.time, &c.threads); err != nil {
		return c, nil, nil, fmt.Errorf("the stored password's parameters: %w", err)
	}
	if c.time == 0 || c.threads == 0 || c.memory == 0 || c.memory > 1<<20 || c.time > 64 {
		return c, nil, nil, fmt.Errorf("the stored password's parameters are out of bounds: %s", parts[3])
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return c, nil, nil, fmt.Errorf("the stored password's salt: %w", err)
	}
	if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(key) < 16 {
		return c, nil, nil, errors.New("the stored password's key cannot be read")
	}
	return c, salt, key, nil
}

// normal makes the same password of the same characters, however a keyboard composes them (SP 800-63B-4, 3.1.1.2).
func normal(password string) []byte { return norm.NFKC.Bytes([]byte(password)) }

// acceptable says why a new password will not do.
func acceptable(password, name string) error {
	switch {
	case len(password) > maxLength || !utf8.ValidString(password):
		return fault.New(fault.Invalid, "fault.password.long", "the password is longer than %d bytes or no valid text", maxLength)
	case utf8.RuneCountInString(password) < minLength:
		return &fault.Error{Code: fault.Invalid, Key: "fault.password.short", Args: []any{minLength},
			Detail: fmt.Sprintf("the password has fewer than %d characters", minLength)}
	case distinct(password) < 5 || strings.EqualFold(password, strings.Repeat(name, len(password)/max(1, len(name)))):
		return fault.New(fault.Invalid, "fault.password.plain", "the password is a repetition")
	}
	return nil
}

func distinct(text string) int {
	seen := make(map[rune]bool)
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}
