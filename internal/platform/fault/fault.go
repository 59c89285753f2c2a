// Package fault is the one error type of the program: a code that decides how an error is answered, and
// a message key that says it to a person in their language. It becomes HTML, problem+json or an exit
// code in one place each.
package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of failure it is, whoever reports it.
type Code string

// The codes. Anything that is no fault.Error counts as Internal.
const (
	Invalid     Code = "invalid"     // the input is wrong: 400, exit 2
	Unauthentic Code = "unauthentic" // nobody, or nobody we know: 401
	Forbidden   Code = "forbidden"   // known, and not allowed: 403
	NotFound    Code = "not_found"   // 404
	Conflict    Code = "conflict"    // someone else was first: 409
	Outdated    Code = "outdated"    // the caller named a version that is no longer: 412
	TooLarge    Code = "too_large"   // 413
	Busy        Code = "busy"        // full for now, try again later: 429
	Unavailable Code = "unavailable" // cannot work at all for now: 503
	Internal    Code = "internal"    // our fault: 500, exit 1
)

// Error carries a code and a message for people.
type Error struct {
	Code Code
	// Key names the message in the catalogues ("fault.rule.not_found"); Args fill it.
	Key  string
	Args []any
	// Detail is English, for logs and machines.
	Detail string
	Err    error
}

// New makes a fault with an English detail; key may be empty where only machines will see it.
func New(code Code, key, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Key: key, Args: args, Detail: err.Error(), Err: errors.Unwrap(err)}
}

func (e *Error) Error() string { return e.Detail }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first fault in err's chain, Internal where there is none, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries that code.
func Is(err error, code Code) bool { return CodeOf(err) == code }

// HTTPStatus returns the status that answers the code.
func (c Code) HTTPStatus() int {
	switch c {
	case Invalid:
		return 400
	case Unauthentic:
		return 401
	case Forbidden:
		return 403
	case NotFound:
		return 404
	case Conflict:
		return 409
	case Outdated:
		return 412
	case TooLarge:
		return 413
	case Busy:
		return 429
	case Unavailable:
		return 503
	default:
		return 500
	}
}

// ExitCode returns the process exit code that answers the code: 2 for input that is wrong or names what is not there, 1 for the rest.
func (c Code) ExitCode() int {
	switch c {
	case "":
		return 0
	case Invalid, NotFound:
		return 2
	default:
		return 1
	}
}
