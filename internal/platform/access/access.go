// Package access says what a role may do. Roles are named sets of permissions: the program's own stand in one file, an
// organisation's own in the database.
//
// What it promises: a permission that no role names is nobody's; a role that is not known allows nothing, so that a
// deleted role cannot come back to life by its name; a change holds from the next request on, on every node within
// refreshEvery. Nobody can give away by a role what they do not have themselves (Covers).
package access

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Admin is the role that may do everything. There is always one active person who has it.
const Admin = "admin"

// Role is a named set of permissions.
type Role struct {
	Name    string   // "analyst": what people and the identity provider's groups are given
	Title   string   // what people read; "" for a role of the program, whose title is the message "role.<name>"
	Allow   []string // permissions, or patterns of them: "*", "alert.*", "*.read"
	MFA     bool     // who has it must sign in with a second factor
	BuiltIn bool     // from the file: not to be changed here
	Version int64
	Changed time.Time
}

// Allows reports whether the role has the permission.
func (r Role) Allows(permission string) bool {
	return slices.ContainsFunc(r.Allow, func(pattern string) bool { return matches(pattern, permission) })
}

// matches reads a pattern: "*" is everything, "room.*" all of a room, "*.verb" one verb in every room.
func matches(pattern, permission string) bool {
	if pattern == "*" || pattern == permission {
		return true
	}
	room, verb, _ := strings.Cut(pattern, ".")
	ofRoom, ofVerb, ok := strings.Cut(permission, ".")
	return ok && !strings.Contains(ofVerb, ".") && (room == "*" && verb == ofVerb || verb == "*" && room == ofRoom)
}

var (
	roleName   = regexp.MustCompile(`^[a-z][a-z0-9-]{1,39}$`)
	permission = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)
	pattern    = regexp.MustCompile(`^(\*|[a-z][a-z0-9_]*\.\*|\*\.[a-z][a-z0-9_]*|[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)$`)
)
