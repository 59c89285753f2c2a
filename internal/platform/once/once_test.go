package once_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/once"
	"yagura/internal/platform/seal"
)

// shop keeps orders, and answers each with how many there are.
type shop struct {
	*once.Keeper
	t      *testing.T
	calls  atomic.Int64
	broken error // of the answer, after the order was kept
}

func open(t *testing.T, d *db.DB) *shop {
	t.Helper()
	keys, err := seal.Load(t.Context(), seal.Options{File: filepath.Join(t.TempDir(), "keys")})
	if err == nil {
		err = d.Migrate(t.Context(), "once", once.Migrations())
	}
	if err == nil {
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`CREATE TABLE shop_order (what TEXT NOT NULL)`)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return &shop{Keeper: &once.Keeper{DB: d, Keys: keys}, t: t}
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) error {
	s.calls.Add(1)
	what, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(what) == 0 {
		return fault.New(fault.Invalid, "", "nothing is ordered")
	}
	err = s.DB.Write(r.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO shop_order (what) VALUES ($1)`, string(what))
		return err
	})
	if err != nil || s.broken != nil {
		return errors.Join(err, s.broken)
	}
	w.Header().Set("Location", "/orders/"+string(what))
	w.WriteHeader(http.StatusCreated)
	_, err = io.WriteString(w, "a secret of "+string(what))
	return err
}

// send orders something and returns the answer, or the error.
func (s *shop) send(person, key, what string) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/orders", strings.NewReader(what))
	r.Header.Set(once.Header, key)
	w := httptest.NewRecorder()
	return w, s.Do(w, r, person, s.order)
}

func (s *shop) orders() (n int) {
	s.t.Helper()
	if err := s.DB.Read(s.t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM shop_order`).Scan(&n) }); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func TestARequestThatIsSentAgainIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		first, err := s.send("aoki", "k", "tea")
		if err != nil || first.Code != 201 {
			t.Fatal(err)
		}
		again, err := s.send("aoki", "k", "tea")
		if err != nil || again.Code != 201 || again.Body.String() != "a secret of tea" || again.Header().Get("Location") != "/orders/tea" || again.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("the second answer is %v %v, %v", again, again.Header(), err)
		}
		if s.orders() != 1 || s.calls.Load() != 1 {
			t.Errorf("%d orders", s.orders())
		}
		if _, err := s.send("aoki", "k", "coffee"); !fault.Is(err, fault.Invalid) {
			t.Errorf("the key of another request: %v", err)
		}
		if w, err := s.send("baba", "k", "coffee"); err != nil || w.Body.String() != "a secret of coffee" {
			t.Errorf("another person's key: %v", err)
		}
		if _, err := s.send("aoki", strings.Repeat("k", 256), "tea"); !fault.Is(err, fault.Invalid) {
			t.Errorf("an endless key: %v", err)
		}
		// What failed changed nothing, and may be sent again.
		for range 2 {
			if _, err := s.send("aoki", "empty", ""); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), once.Header) {
				t.Errorf("an empty order: %v", err)
			}
		}
		var kept string
		if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT MAX(answer) FROM api_once`).Scan(&kept) }); err != nil || strings.Contains(kept, "secret") {
			t.Errorf("the answer is kept as %q, %v", kept, err)
		}
	})
}

func TestAnAnswerThatWasLostIsToldOf(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		s.broken = errors.New("the server died")
		if _, err := s.send("aoki", "k", "tea"); !errors.Is(err, s.broken) {
			t.Fatal(err)
		}
		s.broken = nil
		if _, err := s.send("aoki", "k", "tea"); !fault.Is(err, fault.Conflict) || s.orders() != 1 {
			t.Errorf("sent again: %v, %d orders", err, s.orders())
		}
	})
}

func TestManyAtOnceAreOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d)
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if w, err := s.send("aoki", "k", "tea"); err != nil && !fault.Is(err, fault.Conflict) || err == nil && w.Body.String() != "a secret of tea" {
					t.Errorf("%v %v", w.Body, err)
				}
			})
		}
		group.Wait()
		if s.orders() != 1 {
			t.Errorf("%d orders of one", s.orders())
		}
	})
}
