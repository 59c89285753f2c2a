package auth

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// Guessing is slowed three times over, and nobody can lock somebody else out:
//
//   - by where guesses come from, whoever they are for (throttle), but for the browser that follows: a whole company may stand
//     behind one address, and one who guesses there must not keep the others out;
//   - by the account, for browsers in which its person never signed in: a budget that fills up slowly, so that many sources
//     together have fewer than the 100 guesses that NIST SP 800-63B-4 (3.2.2) allows in a day;
//   - by the browser in which the person did sign in, which a signed cookie tells: strangers who use up the account's budget
//     leave this one alone.
//
// A name that nobody has has a budget, too, so that being slowed says nothing about who exists.
const (
	budgetBurst  = 10
	budgetRefill = 20 * time.Minute
	budgetFull   = budgetBurst * budgetRefill
)

// left is what a budget holds at a time, in thousandths of a guess, and how long it lasts until there is a whole one.
func left(millis, at int64, now time.Time) (int64, time.Duration) {
	passed := max(0, now.Sub(db.Time(at)))
	millis = min(budgetBurst*1000, millis+int64(passed*1000/budgetRefill))
	if millis < 1000 {
		return millis, time.Duration(1000-millis) * budgetRefill / 1000
	}
	return millis, 0
}

// peek says how long it lasts until a budget has a guess. It writes nothing: a flood of guesses that are refused costs the
// database no more than reading.
func peek(tx *db.Tx, id string) (wait time.Duration, err error) {
	var millis, at int64
	err = tx.QueryRow(`SELECT millis, at FROM auth_budget WHERE id = $1`, id).Scan(&millis, &at)
	if fault.Is(err, fault.NotFound) {
		return 0, nil
	}
	_, wait = left(millis, at, tx.Now())
	return wait, err
}

// spend takes one guess from a budget, or says how long it lasts until there is one.
func (a *Accounts) spend(tx *db.Tx, id string) (wait time.Duration, err error) {
	now, millis, at := tx.Now(), int64(budgetBurst*1000), int64(0)
	// The row is written before it is read, so that guesses at the same time go one after the other on every engine.
	if _, err := tx.Exec(`INSERT INTO auth_budget (id, millis, at) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET id = excluded.id`,
		id, millis, db.Micros(now)); err != nil {
		return 0, err
	}
	if err := tx.QueryRow(`SELECT millis, at FROM auth_budget WHERE id = $1`, id).Scan(&millis, &at); err != nil {
		return 0, err
	}
	if millis, wait = left(millis, at, now); wait > 0 {
		return wait, nil
	}
	_, err = tx.Exec(`UPDATE auth_budget SET millis = $1, at = $2 WHERE id = $3`, millis-1000, db.Micros(now), id)
	return 0, err
}

// refund gives a right guess back.
func (a *Accounts) refund(tx *db.Tx, id string) error {
	_, err := tx.Exec(`UPDATE auth_budget SET millis = CASE WHEN millis + 1000 > $1 THEN $1 ELSE millis + 1000 END WHERE id = $2`, int64(budgetBurst*1000), id)
	return err
}

// guess says what a guess is taken from.
type guess struct {
	budget string
	known  bool // the browser is one in which the person has signed in: the budget is its own
}

// budgetOf says what a guess for an account from this browser is taken from. name is what was typed, in its normal form;
// person is "" where nobody has it.
func (a *Accounts) budgetOf(r *http.Request, name, person string) guess {
	if device := a.deviceOf(r, person); person != "" && device != "" {
		return guess{a.mac("budget", "device", person, device), true}
	}
	return guess{a.mac("budget", "name", name), false}
}

// wait is the answer to whoever guesses too fast; it sets Retry-After.
func wait(w http.ResponseWriter, d time.Duration) error {
	seconds := int(math.Ceil(d.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	return &fault.Error{Code: fault.Busy, Key: "fault.signin.wait", Args: []any{seconds}, Detail: "too many wrong guesses"}
}
