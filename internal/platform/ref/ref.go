// Package ref names records: how rooms of the floor speak of a record without knowing its room.
package ref

import (
	"strings"

	"yagura/internal/platform/fault"
)

// Ref is a record of any room: an alert, an incident, a person.
type Ref struct {
	Kind string // the record kind's name, in lower-case letters, digits and "_": "alert"
	ID   string // the record's id within its kind
}

// String writes "kind/id".
func (r Ref) String() string { return r.Kind + "/" + r.ID }

// IsZero reports whether it names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// maxID is the longest id of a record, in bytes.
const maxID = 200

// Parse reads what String wrote. The error is fault.Invalid.
func Parse(text string) (Ref, error) {
	kind, id, ok := strings.Cut(text, "/")
	if !ok || !IsKind(kind) || id == "" || len(id) > maxID || strings.ContainsAny(id, "/\x00\r\n") {
		return Ref{}, fault.New(fault.Invalid, "ref.fault", "%.80q names no record: kind/id does", text)
	}
	return Ref{Kind: kind, ID: id}, nil
}

// IsKind reports whether a text can be a kind's name.
func IsKind(name string) bool {
	for i, c := range name {
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return name != "" && len(name) <= 40
}
