package db_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
)

func TestALostConnectionCostsItsCallOnly(t *testing.T) {
	t.Parallel()
	d := dbtest.NewPostgres(t, time.Now)
	migrateThing(t, d)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if err := add(1)(tx); err != nil {
			return err
		}
		var pid int
		if err := tx.QueryRow(`SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		// Somebody ends the server's side of this very connection.
		if err := d.Read(t.Context(), func(other *db.Tx) error {
			var done bool
			return other.QueryRow(`SELECT pg_terminate_backend($1, 5000)`, pid).Scan(&done)
		}); err != nil {
			return fmt.Errorf("ending the connection: %w", err)
		}
		return add(2)(tx)
	})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("the call: %v, want unavailable", err)
	}
	insert(t, d, 3)
	if got := numbers(t, d); len(got) != 1 || got[0] != 3 {
		t.Errorf("afterwards: %v", got)
	}
}

func TestTwoNodesWriteInTurns(t *testing.T) {
	t.Parallel()
	address := dbtest.PostgresURL(t)
	var nodes []*db.DB
	var starting sync.WaitGroup
	var mu sync.Mutex
	for range 3 { // they start at the same moment, each with its migrations
		starting.Go(func() {
			d, err := db.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.Migrate(t.Context(), "thing", migrations(thing)); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			nodes = append(nodes, d)
		})
	}
	starting.Wait()
	var work sync.WaitGroup
	for _, d := range nodes {
		defer d.Close()
		work.Go(func() {
			for range 30 {
				// Reading what is there and adding one is right only because nobody else writes meanwhile.
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					var last int64
					if err := tx.QueryRow(`SELECT COALESCE(MAX(n), 0) FROM thing`).Scan(&last); err != nil {
						return err
					}
					return add(last + 1)(tx)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	if got := numbers(t, nodes[0]); len(got) != 90 || got[89] != 90 {
		t.Errorf("%d rows: %v", len(got), got)
	}
}

func TestAPasswordIsInNoError(t *testing.T) {
	t.Parallel()
	const password = "n0t-for-logs"
	for _, address := range []string{
		"postgres://yagura:" + password + "@127.0.0.1:1/x?connect_timeout=1",
		"postgres://yagura:" + password + "@127.0.0.1:port/x",
		"postgres://yagura:" + password + "@[::1/x",
		"postgres://yagura:" + url.QueryEscape(password+"%") + "@nowhere.invalid/x?sslmode=odd",
	} {
		d, err := db.Open(t.Context(), address)
		if err == nil {
			_ = d.Close()
			t.Errorf("%s was opened", address)
			continue
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("the error tells the password: %v", err)
		}
		if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v is neither invalid nor unavailable", err)
		}
	}
}
