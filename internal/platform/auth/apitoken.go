package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// tokenPrefix lets scanners of source code find a token that somebody has committed.
const tokenPrefix = "ygp_"

const (
	maxTokens    = 100
	maxTokenLife = 366 * 24 * time.Hour
	maxScopes    = 200
)

// Token is what a program signs in with, in "Authorization: Bearer". It has the permissions it names and never more than
// its owner has at that moment.
type Token struct {
	ID, Person  string
	Name        string
	Permissions []string
	Created     time.Time
	Expiry      time.Time
	Revoked     time.Time // zero for not
	LastUsed    time.Time
	LastAddress string
}

// newToken makes "ygp_", 128 random bits and a checksum, all in base32: a mistyped or invented token costs no query.
func newToken() string {
	secret := rand.Text()
	return tokenPrefix + secret + checksum(secret)
}

func checksum(secret string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(secret)))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum)
}

func isToken(text string) bool {
	secret, ok := strings.CutPrefix(text, tokenPrefix)
	return ok && len(secret) == 33 && checksum(secret[:26]) == secret[26:]
}

const tokenColumns = `id, person, name, permissions, created_at, expires_at, revoked_at, last_used_at, last_address`

func scanToken(row db.Scanner) (t Token, err error) {
	var permissions string
	var created, expiry, revoked, used int64
	if err := row.Scan(&t.ID, &t.Person, &t.Name, &permissions, &created, &expiry, &revoked, &used, &t.LastAddress); err != nil {
		return t, err
	}
	t.Created, t.Expiry, t.Revoked, t.LastUsed = db.Time(created), db.Time(expiry), db.Time(revoked), db.Time(used)
	return t, json.Unmarshal([]byte(permissions), &t.Permissions)
}

// CreateToken makes a token of a person or service account and returns its secret, to be shown once. by is who asks: they
// cannot give what they do not have themselves. Errors: fault.Invalid for a name, an expiry (a year at most) or permissions that
// will not do, fault.Forbidden for a permission that by or the owner lacks.
func (a *Accounts) CreateToken(ctx context.Context, by *User, t Token) (_ Token, secret string, err error) {
	if t.Name, err = cleanName(t.Name); err != nil {
		return t, "", err
	}
	t.Permissions = slices.Compact(slices.Sorted(slices.Values(t.Permissions)))
	if len(t.Permissions) == 0 || len(t.Permissions) > maxScopes {
		return t, "", fault.New(fault.Invalid, "fault.token.permissions", "a token has 1 to %d permissions", maxScopes)
	}
	secret = newToken()
	err = a.db.Write(db.WithActor(ctx, by.ID), func(tx *db.Tx) error {
		p, err := byID(tx, t.Person)
		if err != nil {
			return err
		}
		for _, permission := range t.Permissions {
			if !by.May(permission) || !a.Roles.Allows(p.RoleNames(), permission) {
				return fault.New(fault.Forbidden, "fault.token.scope", "nobody gives %.60q who lacks it", permission)
			}
		}
		if !t.Expiry.After(tx.Now()) || t.Expiry.Sub(tx.Now()) > maxTokenLife {
			return fault.New(fault.Invalid, "fault.token.expiry", "a token expires within a year")
		}
		if p.State != Active {
			return fault.New(fault.Conflict, "fault.person.outdated", "the person is %s", p.State)
		}
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM auth_token WHERE person = $1 AND revoked_at = 0`, p.ID).Scan(&n); err != nil {
			return err
		}
		if n >= maxTokens {
			return fault.New(fault.Invalid, "fault.token.many", "one account has up to %d tokens", maxTokens)
		}
		t.ID, t.Created, t.Expiry = db.NewID(), tx.Now(), t.Expiry.UTC().Truncate(time.Microsecond)
		if _, err := tx.Exec(`INSERT INTO auth_token (hash, `+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '')`,
			tokenHash(secret), t.ID, t.Person, t.Name, encode(t.Permissions), db.Micros(t.Created), db.Micros(t.Expiry)); err != nil {
			return fmt.Errorf("making a token: %w", err)
		}
		a.event(tx, Event{Action: "token.create", Person: p.ID})
		return a.record(tx, "auth_token", t.ID, "create")
	})
	return t, secret, err
}

// Tokens lists the tokens of one account, the newest first, revoked and expired ones too (up to 500).
func (a *Accounts) Tokens(ctx context.Context, person string) (list []Token, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(tx, scanToken, `SELECT `+tokenColumns+` FROM auth_token WHERE person = $1 ORDER BY id DESC LIMIT 500`, person)
		return err
	})
	return list, err
}

// RevokeToken ends one token of an account. A fault.NotFound says that it has no such token that lives.
func (a *Accounts) RevokeToken(ctx context.Context, person, id string) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE auth_token SET revoked_at = $1 WHERE id = $2 AND person = $3 AND revoked_at = 0`, db.Micros(tx.Now()), id, person)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New(fault.NotFound, "fault.token.not_found", "no such token")
		}
		a.event(tx, Event{Action: "token.revoke", Person: person})
		return a.record(tx, "auth_token", id, actionRevoke)
	})
}

// revokeTokens ends every token of an account.
func (a *Accounts) revokeTokens(tx *db.Tx, person string) error {
	ids, err := db.List(tx, func(s db.Scanner) (id string, err error) { return id, s.Scan(&id) },
		`SELECT id FROM auth_token WHERE person = $1 AND revoked_at = 0`, person)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := tx.Exec(`UPDATE auth_token SET revoked_at = $1 WHERE id = $2`, db.Micros(tx.Now()), id); err != nil {
			return err
		}
		if err := a.record(tx, "auth_token", id, actionRevoke); err != nil {
			return err
		}
	}
	return nil
}

// bearer says whom a token speaks for.
func (a *Accounts) bearer(r *http.Request, text string) (*User, error) {
	unknown := fault.New(fault.Unauthentic, "", "the token is not known, has expired or was revoked")
	if subtle.ConstantTimeCompare([]byte(tokenHash(text)), []byte(tokenHash(a.token))) == 1 {
		return a.localUser(r)
	}
	if !isToken(text) {
		return nil, unknown
	}
	var t Token
	var p Person
	var now time.Time
	err := a.db.Read(r.Context(), func(tx *db.Tx) (err error) {
		now = tx.Now()
		if t, err = scanToken(tx.QueryRow(`SELECT `+tokenColumns+` FROM auth_token WHERE hash = $1 AND revoked_at = 0 AND expires_at > $2`,
			tokenHash(text), db.Micros(now))); err != nil {
			return err
		}
		p, err = byID(tx, t.Person)
		return err
	})
	if fault.Is(err, fault.NotFound) || err == nil && p.State != Active {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	if err := a.tokenUsed(r, t, now); err != nil {
		return nil, err
	}
	user := a.user(p)
	all := user.Allowed
	user.Allowed = func(permission string) bool { return slices.Contains(t.Permissions, permission) && all(permission) }
	return user, nil
}

// tokenUsed keeps when and from where, once a minute, and tells of an address that is new.
func (a *Accounts) tokenUsed(r *http.Request, t Token, now time.Time) error {
	address := a.address(r)
	moved := address != t.LastAddress
	if !moved && now.Sub(t.LastUsed) < seenEvery {
		return nil
	}
	return a.db.Write(as(r, t.Person), func(tx *db.Tx) error {
		if moved {
			a.event(tx, a.about(r, Event{Action: "token.new_address", Person: t.Person, Method: byToken}))
		}
		_, err := tx.Exec(`UPDATE auth_token SET last_used_at = $1, last_address = $2 WHERE id = $3`, db.Micros(now), address, t.ID)
		return err
	})
}
