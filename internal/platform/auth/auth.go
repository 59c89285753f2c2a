// Package auth says who is asking. The rest of the program knows the one seam, Authenticator; who stands behind
// it is this package's affair.
package auth

import (
	"net/http"
	"time"
)

// User is somebody who is signed in, or a program that holds a token.
type User struct {
	ID    string // stable: a Person's, "local" for this machine's commands
	Name  string // what people see
	Email string // what one signs in with, "" for this machine's commands
	Unit  string // id of a Unit, "" for none
	Lang  string // "ja", "en", "" for the browser's
	Zone  string // IANA name, "" for the server's
	Roles []string
	// Session is true when a browser's cookie spoke for the user, false for a token. What only a person at a
	// screen may do (change a password) asks for it.
	Session   bool
	SessionID string // of Sessions
	// Enrol is true when a role of the user takes a second factor and none is registered: they may only go and register one.
	Enrol bool
	// StepUp is when the user last proved who they are; zero for a token that a program holds. The command line's own token
	// is always fresh.
	StepUp time.Time
	// Allowed tells whether the user has a permission; nil allows nothing.
	Allowed func(permission string) bool
}

// May reports whether the user has the permission. Nobody (nil) has none.
func (u *User) May(permission string) bool {
	return u != nil && u.Allowed != nil && u.Allowed(permission)
}

// Authenticator is the seam: all that pages need to know about who is there.
type Authenticator interface {
	// User says who sent the request, by session cookie or "Authorization: Bearer". Errors: fault.Unauthentic when
	// nobody we know did.
	User(r *http.Request) (*User, error)
}
