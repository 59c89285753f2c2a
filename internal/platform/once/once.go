// Package once lets a program send a request again when it never learned how it ended, by the header Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header-07): the same key with the same request is carried out once, and answered the same.
//
// What it promises: the key is kept in the very transaction that makes the request's change, so that a crash between the change and the answer
// does not make it happen twice. Where the answer was lost in such a crash, the second request is told so (fault.Conflict). A key belongs to
// who sent it; with another request it is refused. Keys and answers are kept for a day, sealed: an answer may hold a secret that is shown once.
package once

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

// Header is what a program names its request with.
const Header = "Idempotency-Key"

const (
	lifetime = 24 * time.Hour
	maxKey   = 255
	maxKept  = 1 << 20 // of a request's body that is compared, and of an answer
)

//go:embed migrations
var migrationFiles embed.FS

// Migrations are the tables of this package.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Columns are the sealed columns, for rotation.
func Columns() []seal.Column { return []seal.Column{{Table: "api_once", Key: "id", Column: "answer"}} }

// Keeper remembers requests. It is safe for concurrent use.
type Keeper struct {
	DB   *db.DB
	Keys *seal.Keys
}

// kept is an answer.
type kept struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do carries a request of somebody out, or repeats the answer that it had before. A request without the header is simply carried out.
// Errors: fault.Invalid for a key that will not do, or was used for another request; fault.Conflict while the first is under way, or when its
// answer was lost; and those of the handler.
func (k *Keeper) Do(w http.ResponseWriter, r *http.Request, person string, handle func(http.ResponseWriter, *http.Request) error) error {
	key := r.Header.Get(Header)
	if key == "" {
		return handle(w, r)
	}
	if len(key) > maxKey {
		return fault.New(fault.Invalid, "once.fault.key", "the %s has more than %d characters", Header, maxKey)
	}
	request, err := fingerprint(r)
	if err != nil {
		return err
	}
	id := digest(person, key)
	if done, err := k.repeat(w, r.Context(), id, request); done || err != nil {
		return err
	}
	out := &recorder{ResponseWriter: w}
	taken := false
	ctx := db.Alongside(r.Context(), func(tx *db.Tx) error {
		taken = false
		err := k.take(tx, id, request)
		taken = fault.Is(err, fault.Conflict)
		return err
	})
	err = handle(out, r.WithContext(ctx))
	if err != nil && taken { // somebody else was faster with the same key; nothing of this one was kept
		if done, err := k.repeat(w, r.Context(), id, request); done || err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return k.keep(context.WithoutCancel(r.Context()), id, out)
}

// take keeps the key in the transaction of the request's change.
func (k *Keeper) take(tx *db.Tx, id, request string) error {
	if _, err := tx.Exec(`DELETE FROM api_once WHERE at < $1`, db.Micros(tx.Now().Add(-lifetime))); err != nil {
		return err
	}
	n, err := tx.Exec(`INSERT INTO api_once (id, at, request, answer) VALUES ($1, $2, $3, '') ON CONFLICT (id) DO NOTHING`, id, db.Micros(tx.Now()), request)
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "once.fault.under_way", "a request with that key was carried out")
	}
	return err
}

// keep adds the answer to a key that was taken.
func (k *Keeper) keep(ctx context.Context, id string, out *recorder) error {
	text, err := json.Marshal(kept{out.status, out.Header().Clone(), out.body.Bytes()})
	if err != nil || out.tooLarge {
		return err // a repetition is told that the answer is not known
	}
	sealed, err := k.Keys.Seal(Columns()[0].Purpose(id), text)
	if err != nil {
		return err
	}
	return k.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE api_once SET answer = $2 WHERE id = $1`, id, sealed)
		return err
	})
}

// repeat answers with what a key was answered before; false where it was not used.
func (k *Keeper) repeat(w http.ResponseWriter, ctx context.Context, id, request string) (done bool, err error) {
	var before, sealed string
	err = k.DB.Read(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT request, answer FROM api_once WHERE id = $1 AND at >= $2`, id, db.Micros(tx.Now().Add(-lifetime))).Scan(&before, &sealed)
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return false, nil
	case err != nil:
		return false, err
	case before != request:
		return true, fault.New(fault.Invalid, "once.fault.reused", "the %s was used for another request", Header)
	case sealed == "":
		return true, fault.New(fault.Conflict, "once.fault.under_way", "a request with that key is under way, or was carried out and its answer lost")
	}
	text, err := k.Keys.Open(Columns()[0].Purpose(id), sealed)
	if err != nil {
		return true, err
	}
	var answer kept
	if err := json.Unmarshal(text, &answer); err != nil {
		return true, err
	}
	for _, name := range []string{"Content-Type", "Location", "Etag"} {
		if v := answer.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("Idempotent-Replayed", "true")
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // a client that has gone
	return true, nil
}

// fingerprint is what tells two requests apart: method, address, and the body's first megabyte.
func fingerprint(r *http.Request) (string, error) {
	head, err := io.ReadAll(io.LimitReader(r.Body, maxKept))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return "", fault.New(fault.TooLarge, "", "the body is too large")
		}
		return "", fault.New(fault.Invalid, "", "reading the body: %w", err)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
	return digest(r.Method, r.URL.RequestURI(), r.Header.Get("If-Match"), string(head)), nil
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_ = json.NewEncoder(h).Encode(part) // of one meaning, whatever stands in the parts; a hash takes all
	}
	return hex.EncodeToString(h.Sum(nil))
}

// recorder keeps what is answered while it is.
type recorder struct {
	http.ResponseWriter
	status   int
	body     bytes.Buffer
	tooLarge bool
}

func (o *recorder) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *recorder) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	if o.tooLarge = o.tooLarge || o.body.Len()+len(b) > maxKept; !o.tooLarge {
		o.body.Write(b)
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (o *recorder) Unwrap() http.ResponseWriter { return o.ResponseWriter }
