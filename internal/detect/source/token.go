package source

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const (
	// tokenPrefix lets people and secret scanners see what it is.
	tokenPrefix = "ygt_"
	// missPause is how long after one look into the database the next one is made for an unknown token, so that
	// guessing costs little. The one who sent it waits so long: a token made by a command beside the server works at once.
	missPause = 100 * time.Millisecond
	maxTokens = 10_000
)

// Token is what is known of a token; the secret itself is nowhere.
type Token struct {
	ID        string
	Name      string // the id of the source that its holder sends as
	Hint      string // the secret's last four characters
	CreatedBy string
	Created   time.Time
	LastUsed  time.Time // zero: never
	Revoked   time.Time // zero: valid
}

// Valid reports whether the token lets its holder in.
func (t Token) Valid() bool { return t.Revoked.IsZero() }

// Tokens creates, lists, checks and revokes the tokens of the HTTP inputs. A token is 256 random bits; the
// database has only its SHA-256. Checking is done in memory. Safe for concurrent use, and beside other
// processes on the same database.
type Tokens struct {
	db     *db.DB
	ledger *ledger.Log

	mu     sync.Mutex // for loading
	known  atomic.Pointer[map[[sha256.Size]byte]*holder]
	loaded atomic.Pointer[time.Time] // known is no older
	misses sync.Mutex                // of unknown tokens, one waits for the database and the others for that one
}

// holder is a valid token in memory.
type holder struct {
	id, source string
	hash       [sha256.Size]byte
	used       atomic.Int64 // Unix microseconds, of the last use that is not in the database yet; 0: none
}

// OpenTokens reads the tokens of a database.
func OpenTokens(ctx context.Context, d *db.DB, log *ledger.Log) (*Tokens, error) {
	if err := migrate(ctx, d); err != nil {
		return nil, err
	}
	t := &Tokens{db: d, ledger: log}
	return t, t.load(ctx)
}

// Tables are the room's records, for the ledger.
func Tables() []ledger.Table {
	return []ledger.Table{{Name: "source_token", Key: "id", Omit: []string{"last_used"}}}
}

// sourceName is what a source may be called: it stands in URLs, in queries and in other programs' configuration.
var sourceName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._-]{0,62}$`)

// Create makes a token for a source. The secret is returned this once. Two tokens of the same name are one source:
// make the second, move the senders over, revoke the first. The error is fault.Invalid for a name that cannot be.
func (t *Tokens) Create(ctx context.Context, name, by string) (secret string, token Token, err error) {
	if !sourceName.MatchString(name) {
		return "", Token{}, fault.New(fault.Invalid, "fault.source.name",
			"a source's name is 1 to 63 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails, as its documentation says
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	id, err := uuid.NewV7()
	if err != nil {
		return "", Token{}, fmt.Errorf("making a token: %w", err)
	}
	hash := sha256.Sum256([]byte(secret))
	token = Token{ID: id.String(), Name: name, Hint: secret[len(secret)-4:], CreatedBy: by}
	err = t.db.Write(ctx, func(tx *db.Tx) error {
		token.Created = tx.Now()
		_, err := tx.Exec(`INSERT INTO source_token (id, name, hash, hint, created_by, created, last_used, revoked) VALUES ($1, $2, $3, $4, $5, $6, 0, 0)`,
			token.ID, token.Name, hex.EncodeToString(hash[:]), token.Hint, token.CreatedBy, db.Micros(token.Created))
		if err != nil {
			return err
		}
		return t.ledger.Append(tx, ledger.Entry{Table: "source_token", Key: token.ID, Action: "create"})
	})
	if err != nil {
		return "", Token{}, fmt.Errorf("making a token: %w", err)
	}
	return secret, token, t.load(ctx)
}

// List returns all tokens, the newest first, those that were revoked among them.
func (t *Tokens) List(ctx context.Context) (list []Token, err error) {
	err = t.db.Read(ctx, func(tx *db.Tx) error {
		list, err = db.List(tx, scanToken, `SELECT id, name, hint, created_by, created, last_used, revoked FROM source_token ORDER BY id DESC LIMIT $1`, maxTokens)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	for i := range list {
		if used := t.usedSince(list[i].ID); used.After(list[i].LastUsed) {
			list[i].LastUsed = used
		}
	}
	return list, nil
}

func scanToken(row db.Scanner) (Token, error) {
	var t Token
	var created, used, revoked int64
	err := row.Scan(&t.ID, &t.Name, &t.Hint, &t.CreatedBy, &created, &used, &revoked)
	t.Created, t.LastUsed, t.Revoked = db.Time(created), db.Time(used), db.Time(revoked)
	return t, err
}

// usedSince returns the use of a token that the database does not know yet.
func (t *Tokens) usedSince(id string) time.Time {
	for _, h := range *t.known.Load() {
		if h.id == id {
			return db.Time(h.used.Load())
		}
	}
	return time.Time{}
}

// Revoke makes a token invalid at once. The error is fault.NotFound where there is no such token that is valid.
func (t *Tokens) Revoke(ctx context.Context, id string) error {
	err := t.db.Write(ctx, func(tx *db.Tx) error {
		changed, err := tx.Exec(`UPDATE source_token SET revoked = $1 WHERE id = $2 AND revoked = 0`, db.Micros(tx.Now()), id)
		if err == nil && changed == 0 {
			err = fault.New(fault.NotFound, "fault.source.token_not_found", "no valid token has the id %s", id)
		}
		if err != nil {
			return err
		}
		return t.ledger.Append(tx, ledger.Entry{Table: "source_token", Key: id, Action: "revoke"})
	})
	if err != nil {
		return fmt.Errorf("revoking a token: %w", err)
	}
	return t.load(ctx)
}

// Authenticate implements gate.Tokens.
func (t *Tokens) Authenticate(ctx context.Context, secret string) (string, error) {
	hash := sha256.Sum256([]byte(secret))
	if source, ok := t.lookUp(hash); ok {
		return source, nil
	}
	if err := t.reload(ctx); err != nil {
		return "", err
	}
	if source, ok := t.lookUp(hash); ok {
		return source, nil
	}
	return "", fault.New(fault.Unauthentic, "", "unknown token")
}

// reload reads the tokens that there are now, or waits for one who does.
func (t *Tokens) reload(ctx context.Context) error {
	asked := time.Now()
	t.misses.Lock()
	defer t.misses.Unlock()
	last := *t.loaded.Load()
	if last.After(asked) {
		return nil
	}
	select {
	case <-time.After(missPause - time.Since(last)):
		return t.load(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Tokens) lookUp(hash [sha256.Size]byte) (string, bool) {
	h, ok := (*t.known.Load())[hash]
	if !ok || subtle.ConstantTimeCompare(h.hash[:], hash[:]) != 1 {
		return "", false
	}
	h.used.Store(time.Now().UnixMicro())
	return h.source, true
}

// load reads the valid tokens; uses that are not written yet are kept.
func (t *Tokens) load(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	began := time.Now()
	next := make(map[[sha256.Size]byte]*holder)
	err := t.db.Read(ctx, func(tx *db.Tx) error {
		list, err := db.List(tx, scanHolder, `SELECT id, name, hash FROM source_token WHERE revoked = 0 LIMIT $1`, maxTokens)
		for _, h := range list {
			next[h.hash] = h
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading tokens: %w", err)
	}
	if before := t.known.Load(); before != nil {
		for hash, h := range *before {
			if _, ok := next[hash]; ok {
				next[hash] = h
			}
		}
	}
	t.known.Store(&next)
	t.loaded.Store(&began)
	return nil
}

func scanHolder(row db.Scanner) (*holder, error) {
	h := &holder{}
	var text string
	if err := row.Scan(&h.id, &h.source, &text); err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		return nil, fmt.Errorf("token %s has no SHA-256", h.id)
	}
	copy(h.hash[:], raw)
	return h, nil
}

// Flush writes when tokens were last used, and learns what other processes changed.
func (t *Tokens) Flush(ctx context.Context) error {
	used := make(map[*holder]int64)
	for _, h := range *t.known.Load() {
		if at := h.used.Load(); at != 0 {
			used[h] = at
		}
	}
	if len(used) > 0 {
		err := t.db.Write(ctx, func(tx *db.Tx) error {
			for h, at := range used {
				if _, err := tx.Exec(`UPDATE source_token SET last_used = $1 WHERE id = $2`, at, h.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("writing the last use of tokens: %w", err)
		}
		for h, at := range used {
			h.used.CompareAndSwap(at, 0)
		}
	}
	return t.load(ctx)
}
