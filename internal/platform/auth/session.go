package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// A session ends after a shift without use, and in any case after a week.
	idleLimit     = 12 * time.Hour
	absoluteLimit = 7 * 24 * time.Hour
	// maxSessions bounds the table; the longest unused goes first.
	maxSessions = 200
	// seenEvery is how often the time of last use reaches the disk.
	seenEvery = time.Minute
)

// session is a signed-in browser. The token is known to the browser alone; we keep its SHA-256, which is enough for a
// token of 128 random bits.
type session struct {
	Hash    string    `json:"hash"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
}

func (s session) ended(now time.Time) bool {
	return now.Sub(s.Seen) > idleLimit || now.Sub(s.Created) > absoluteLimit
}

// sessions is the table of them, kept in a file so that a restart signs nobody out.
type sessions struct {
	path string

	mu    sync.Mutex
	list  map[string]session // by hash
	saved time.Time
}

func openSessions(path string) (*sessions, error) {
	s := &sessions{path: path, list: make(map[string]session)}
	var stored []session
	if err := readJSON(path, &stored); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, one := range stored {
		s.list[one.Hash] = one
	}
	return s, nil
}

func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// begin starts a session and returns its token.
func (s *sessions) begin(now time.Time) (string, error) {
	token := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.list[tokenHash(token)] = session{Hash: tokenHash(token), Created: now, Seen: now}
	return token, s.save(now)
}

// use reports whether the token is of a session that lives, and keeps it alive. Looking a hash up in a map tells an
// attacker's clock nothing about the token.
func (s *sessions) use(token string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.list[tokenHash(token)]
	if !ok || one.ended(now) {
		return false
	}
	one.Seen = now
	s.list[one.Hash] = one
	if now.Sub(s.saved) > seenEvery {
		// A use that is not written costs at most its minute of idle time after a restart.
		_ = s.save(now)
	}
	return true
}

// end ends one session.
func (s *sessions) end(token string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.list, tokenHash(token))
	return s.save(now)
}

// endOthers ends every session but one.
func (s *sessions) endOthers(token string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := tokenHash(token)
	for hash := range s.list {
		if hash != keep {
			delete(s.list, hash)
		}
	}
	return s.save(now)
}

// sweep drops what has ended, and the longest unused of too many.
func (s *sessions) sweep(now time.Time) {
	for hash, one := range s.list {
		if one.ended(now) {
			delete(s.list, hash)
		}
	}
	for len(s.list) >= maxSessions {
		oldest := slices.MinFunc(s.sorted(), func(a, b session) int { return a.Seen.Compare(b.Seen) })
		delete(s.list, oldest.Hash)
	}
}

func (s *sessions) sorted() []session {
	list := make([]session, 0, len(s.list))
	for _, one := range s.list {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b session) int { return cmp.Compare(a.Hash, b.Hash) })
	return list
}

func (s *sessions) save(now time.Time) error {
	s.saved = now
	return writeJSON(s.path, s.sorted())
}

// cookieName is __Host- over HTTPS, which no neighbouring host can set (RFC 6265bis, 4.1.3.2).
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-yagura"
	}
	return "yagura_session"
}

func sessionToken(r *http.Request) string {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return c.Value
}

func setSession(w http.ResponseWriter, r *http.Request, token string) {
	c := &http.Cookie{
		Name: cookieName(r), Value: token, Path: "/", HttpOnly: true, Secure: r.TLS != nil,
		// Lax, so that a link to an alert in a mail opens the alert; what changes anything is guarded by the site.
		SameSite: http.SameSiteLaxMode, MaxAge: int(absoluteLimit / time.Second),
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
