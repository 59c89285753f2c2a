// Package seal keeps secrets unreadable at rest: one-time-code seeds, tokens of other services, mails that wait to be
// sent. What is sealed can be read only with a key that is not in the database.
//
// What it promises:
//
//   - Secrecy and integrity: XChaCha20-Poly1305 (RFC 8439 with the 192-bit nonce of draft-irtf-cfrg-xchacha). Nonces are
//     random; at 192 bits no number of values that a database can hold makes one likely to come twice, which is why it
//     is not AES-GCM, whose 96-bit nonces would bound the life of a key.
//   - A value opens only for the purpose it was sealed for. A purpose names table, column and row, so that a value
//     copied into another row (somebody else's second factor) does not open there.
//   - Several keys at once: the newest seals, all of them open. Rotate re-seals what older keys sealed.
//   - Keys do not leak by being printed: a Keys is "[keys]" to fmt, slog and every encoder, and no error holds a key, a
//     plain value or a sealed one.
//
// It does not hide how long a value is, nor from a reader of the process's memory what is open there.
//
// A Keys is safe for concurrent use.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"yagura/internal/platform/fault"
)

const (
	// KeySize is the size of a key in bytes.
	KeySize = chacha20poly1305.KeySize
	// version begins every sealed text, so that another construction can take over one day.
	version = "s1"
	// idSize is the length of a key's id: 40 bits in base32.
	idSize = 8
)

// ErrUnknownKey says that a value was sealed under a key that is not among the configured ones.
var ErrUnknownKey = errors.New("sealed under a key that is not configured")

// ErrDamaged says that a value does not open: it was changed, cut short, or sealed for another purpose.
var ErrDamaged = errors.New("sealed value does not open")

// Keys seals and opens. It holds nothing but a pointer, so that even a careless print of what it lies in shows an address.
type Keys struct{ ring *ring }

// ring is the keys in order, the newest last.
type ring struct {
	source source // where they came from and can be read again

	mu   sync.RWMutex
	keys []key
}

// key is one key, ready for use.
type key struct {
	id     string
	origin string // "file", "environment", "command" or "generated"
	aead   cipher.AEAD
}

// newKey prepares a key. Its id and the key that encrypts are both derived from the secret (HKDF, RFC 5869), so that an
// id fits its key by construction, nobody has to keep names for keys, and knowing the id tells nothing of the key.
func newKey(secret []byte, origin string) (key, error) {
	if len(secret) != KeySize {
		return key{}, fmt.Errorf("a key has %d bytes, not %d", KeySize, len(secret))
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "yagura seal 1: key id", 5)
	if err != nil {
		return key{}, fmt.Errorf("naming a key: %w", err)
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, "yagura seal 1: XChaCha20-Poly1305", KeySize)
	if err != nil {
		return key{}, fmt.Errorf("preparing a key: %w", err)
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return key{}, fmt.Errorf("preparing a key: %w", err)
	}
	return key{id: idEncoding().EncodeToString(id), origin: origin, aead: aead}, nil
}

func idEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// Generate returns a Keys with one new key that is kept nowhere: for tests, and for what lives no longer than the process.
func Generate() *Keys {
	k, err := newKey(randomBytes(KeySize), "generated")
	if err != nil {
		panic("seal: a key of the right size was refused: " + err.Error())
	}
	return &Keys{&ring{keys: []key{k}}}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program where the system has no randomness
	return b
}

// Seal returns plain as a text that only Open with the same purpose reads: "s1.<key id>.<base64url>". Purpose is
// "<table>.<column>/<id>" for a column of the database; see Column.
func (k *Keys) Seal(purpose string, plain []byte) (sealed string, err error) {
	if purpose == "" {
		return "", fault.New(fault.Internal, "", "sealing without a purpose")
	}
	newest := k.ring.newest()
	box := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(box)
	box = newest.aead.Seal(box, box, plain, bind(newest.id, purpose))
	return version + "." + newest.id + "." + base64.RawURLEncoding.EncodeToString(box), nil
}

// Open returns what was sealed for that purpose. Its error is ErrUnknownKey or ErrDamaged, says which key or purpose, and
// holds no content.
func (k *Keys) Open(purpose, sealed string) ([]byte, error) {
	id, box, err := parse(sealed)
	if err != nil {
		return nil, fault.New(fault.Internal, "fault.seal.damaged", "opening %s: %w", purpose, err)
	}
	one, ok := k.ring.find(id)
	if !ok {
		return nil, fault.New(fault.Unavailable, "fault.seal.key", "opening %s: %w: key %s, configured are %s",
			purpose, ErrUnknownKey, id, strings.Join(k.IDs(), ", "))
	}
	nonce, text := box[:chacha20poly1305.NonceSizeX], box[chacha20poly1305.NonceSizeX:]
	plain, err := one.aead.Open(nil, nonce, text, bind(id, purpose))
	if err != nil {
		return nil, fault.New(fault.Internal, "fault.seal.damaged",
			"opening %s: %w under key %s: it was changed, or sealed for another purpose", purpose, ErrDamaged, id)
	}
	return plain, nil
}

// bind is what is authenticated besides the value. Version and id have fixed lengths, so that no two pairs give the same.
func bind(id, purpose string) []byte { return []byte(version + "." + id + "." + purpose) }

// parse takes a sealed text apart.
func parse(sealed string) (id string, box []byte, err error) {
	rest, ok := strings.CutPrefix(sealed, version+".")
	if !ok {
		return "", nil, fmt.Errorf("%w: it is not of the form that this program writes", ErrDamaged)
	}
	id, text, ok := strings.Cut(rest, ".")
	if _, bad := idEncoding().DecodeString(id); !ok || bad != nil || len(id) != idSize {
		return "", nil, fmt.Errorf("%w: it names no key", ErrDamaged)
	}
	box, err = base64.RawURLEncoding.Strict().DecodeString(text)
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("%w: it is not base64url", ErrDamaged)
	case len(box) < chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead:
		return "", nil, fmt.Errorf("%w: it is cut short", ErrDamaged)
	case strings.ContainsAny(text, "\r\n"): // which the decoder skips
		return "", nil, fmt.Errorf("%w: it is broken into lines", ErrDamaged)
	}
	return id, box, nil
}

// IDs returns the ids of the keys, the newest last.
func (k *Keys) IDs() []string {
	var ids []string
	for _, one := range k.ring.list() {
		ids = append(ids, one.id)
	}
	return ids
}

// Newest returns the id of the key that seals.
func (k *Keys) Newest() string { return k.ring.newest().id }

// Current reports whether a sealed text is under the newest key.
func (k *Keys) Current(sealed string) bool {
	return strings.HasPrefix(sealed, version+"."+k.Newest()+".")
}

func (r *ring) list() []key {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys
}

func (r *ring) newest() key {
	keys := r.list()
	return keys[len(keys)-1]
}

// find returns the key of that id. A key that is not there may have been added to the file by another process meanwhile.
func (r *ring) find(id string) (key, bool) {
	is := func(k key) bool { return k.id == id }
	keys := r.list()
	if i := slices.IndexFunc(keys, is); i >= 0 {
		return keys[i], true
	}
	if !r.again() {
		return key{}, false
	}
	keys = r.list()
	if i := slices.IndexFunc(keys, is); i >= 0 {
		return keys[i], true
	}
	return key{}, false
}

// masked is what a Keys is to everyone who prints it.
const masked = "[keys]"

// String returns "[keys]".
func (k Keys) String() string { return masked }

// Format writes "[keys]" for every verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// MarshalText returns "[keys]" for JSON, XML and whatever else asks for text.
func (k Keys) MarshalText() ([]byte, error) { return []byte(masked), nil }
