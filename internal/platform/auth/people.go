package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// State is where a person stands.
type State string

// The states. Only active people sign in.
const (
	Invited  State = "invited"
	Active   State = "active"
	Disabled State = "disabled"
)

// Kind is who an account belongs to.
type Kind string

// The kinds. A service account holds tokens and nothing else: it never signs in.
const (
	Human   Kind = "person"
	Service Kind = "service"
)

// Origin says who gave a role. A directory's sync replaces its own roles only.
type Origin string

// The origins of roles.
const (
	ByHand Origin = "local"
	OIDC   Origin = "oidc"
	SCIM   Origin = "scim"
)

// AdminRole is the role that somebody active always has, once the setup is done.
const AdminRole = "admin"

// Role is a role that a person has, and who gave it.
type Role struct {
	Name   string
	Origin Origin
}

// External names a person in systems that manage them. Empty texts: none does.
type External struct {
	Issuer, Subject string // at the OpenID provider
	ID              string // externalId of SCIM (RFC 7643, 3.1)
}

// Person is somebody who signs in, or a service account.
type Person struct {
	ID       string
	Kind     Kind
	Email    string // in the form NormalEmail gives; "" once personal data was deleted
	Name     string
	Unit     string // id of a Unit, "" for none
	State    State
	Lang     string // "ja", "en", "" for the browser's
	Zone     string // IANA name, "" for the server's
	Roles    []Role // by name, then origin
	External External

	Created, Changed, LastSignIn time.Time
	Version                      int64
}

// RoleNames are the person's roles, each once, in order.
func (p Person) RoleNames() []string {
	var names []string
	for _, r := range p.Roles {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// NewPerson is what a person is made of. Roles are given as of Origin.
type NewPerson struct {
	Kind       Kind // "" is Human
	Email      string
	Name       string
	Unit       string
	State      State // "" is Invited for people, Active for services
	Lang, Zone string
	Roles      []string
	Origin     Origin // "" is ByHand
	External   External
}

const (
	maxName  = 200 // characters
	maxEmail = 254 // RFC 5321, 4.5.3.1.3
	maxRoles = 50
)

// NormalEmail returns the one form of the address that one signs in with: NFKC, lower case, the domain in its Unicode form as
// IDNA 2008 writes it, so that two spellings of one address are one person. A fault.Invalid says that it is no address.
func NormalEmail(text string) (string, error) {
	wrong := func() error {
		return fault.New(fault.Invalid, "fault.person.email", "no mail address")
	}
	if len(text) > 4*maxEmail || !utf8.ValidString(text) {
		return "", wrong()
	}
	text = strings.ToLower(norm.NFKC.String(strings.TrimSpace(text)))
	text = norm.NFKC.String(text) // lower case may compose anew
	local, domain, ok := strings.Cut(text, "@")
	if !ok || local == "" || len(local) > 64 || strings.ContainsFunc(local, outsideLocal) ||
		strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", wrong()
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || ascii == "" || strings.HasPrefix(ascii, ".") || strings.HasSuffix(ascii, ".") {
		return "", wrong()
	}
	if domain, err = idna.Lookup.ToUnicode(ascii); err != nil {
		return "", wrong()
	}
	if email := local + "@" + domain; len(email) <= maxEmail {
		return email, nil
	}
	return "", wrong()
}

// outsideLocal reports characters that a local part of ours does not have: what RFC 6531 would have quoted, and what cannot be seen.
func outsideLocal(r rune) bool {
	if r < utf8.RuneSelf {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~.", r)
	}
	return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r)
}

// cleanName returns a name as it is kept: one line, no control characters.
func cleanName(name string) (string, error) {
	name = strings.Join(strings.Fields(norm.NFC.String(name)), " ")
	if name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
		return "", fault.New(fault.Invalid, "fault.person.name", "the name is empty, too long or holds characters that cannot be seen")
	}
	return name, nil
}

func sortName(name string) string { return strings.ToLower(norm.NFKC.String(name)) }

func checkZone(zone string) error {
	if len(zone) > 64 || zone == "Local" {
		return fault.New(fault.Invalid, "fault.person.zone", "no time zone")
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return fault.New(fault.Invalid, "fault.person.zone", "no time zone: %w", err)
	}
	return nil
}

func checkLang(lang string) error {
	if lang != "" && lang != "ja" && lang != "en" {
		return fault.New(fault.Invalid, "fault.person.lang", "no language of ours: %.20q", lang)
	}
	return nil
}

const personColumns = `id, kind, email, name, unit, state, lang, zone, issuer, subject, external_id, created_at, changed_at, last_sign_in_at, version`

func scanPerson(row db.Scanner) (p Person, err error) {
	var created, changed, last int64
	err = row.Scan(&p.ID, &p.Kind, &p.Email, &p.Name, &p.Unit, &p.State, &p.Lang, &p.Zone,
		&p.External.Issuer, &p.External.Subject, &p.External.ID, &created, &changed, &last, &p.Version)
	p.Created, p.Changed, p.LastSignIn = db.Time(created), db.Time(changed), db.Time(last)
	return p, err
}

// find reads one person by a condition, with their roles.
func find(tx *db.Tx, condition string, args ...any) (Person, error) {
	p, err := scanPerson(tx.QueryRow(`SELECT `+personColumns+` FROM auth_person WHERE `+condition, args...))
	if fault.Is(err, fault.NotFound) {
		return p, fault.New(fault.NotFound, "fault.person.not_found", "no such person")
	}
	if err != nil {
		return p, fmt.Errorf("reading a person: %w", err)
	}
	return p, withRoles(tx, []*Person{&p})
}

func byID(tx *db.Tx, id string) (Person, error) { return find(tx, `id = $1`, id) }

// withRoles fills the roles of a page of people with one query.
func withRoles(tx *db.Tx, people []*Person) error {
	ids, by := make([]string, len(people)), make(map[string]*Person, len(people))
	for i, p := range people {
		ids[i], by[p.ID] = p.ID, p
	}
	var w db.Where
	db.In(&w, "person", ids)
	type row struct {
		person string
		Role
	}
	rows, err := db.List(tx, func(s db.Scanner) (r row, err error) {
		return r, s.Scan(&r.person, &r.Name, &r.Origin)
	}, `SELECT person, role, origin FROM auth_role`+w.String()+` ORDER BY role, origin`, w.Args()...)
	if err != nil {
		return fmt.Errorf("reading roles: %w", err)
	}
	for _, r := range rows {
		by[r.person].Roles = append(by[r.person].Roles, r.Role)
	}
	return nil
}

// Person returns one person. Its error is a fault.NotFound where there is none.
func (a *Accounts) Person(ctx context.Context, id string) (Person, error) {
	return a.one(ctx, `id = $1`, id)
}

// PersonByEmail returns the person who signs in with an address, however it is spelt.
func (a *Accounts) PersonByEmail(ctx context.Context, email string) (Person, error) {
	email, err := NormalEmail(email)
	if err != nil {
		return Person{}, err
	}
	return a.one(ctx, `email = $1`, email)
}

// PersonBySubject returns the person whom an OpenID provider knows by subject.
func (a *Accounts) PersonBySubject(ctx context.Context, issuer, subject string) (Person, error) {
	return a.one(ctx, `issuer = $1 AND subject = $2 AND subject <> ''`, issuer, subject)
}

// PersonByExternalID returns the person whom the directory behind SCIM knows by id.
func (a *Accounts) PersonByExternalID(ctx context.Context, id string) (Person, error) {
	return a.one(ctx, `external_id = $1 AND external_id <> ''`, id)
}

func (a *Accounts) one(ctx context.Context, condition string, args ...any) (p Person, err error) {
	err = a.db.Read(ctx, func(tx *db.Tx) (err error) {
		p, err = find(tx, condition, args...)
		return err
	})
	return p, err
}

// PeopleFilter narrows a list of people. Empty fields narrow nothing.
type PeopleFilter struct {
	States []State
	Kind   Kind
	Role   string
	Unit   string // a unit or any below it
	Text   string // in the name or the address
}

// People lists people by name. limit is 1 to 200; cursor is a Page's Next, "" for the first page.
func (a *Accounts) People(ctx context.Context, f PeopleFilter, cursor string, limit int) (page db.Page[Person], err error) {
	w, err := f.where(cursor)
	if err != nil {
		return page, err
	}
	limit = min(max(limit, 1), 200)
	err = a.db.Read(ctx, func(tx *db.Tx) error {
		if f.Unit != "" {
			below, err := unitAndBelow(tx, f.Unit)
			if err != nil {
				return err
			}
			db.In(&w, "unit", below)
		}
		people, err := db.List(tx, scanPerson, `SELECT `+personColumns+` FROM auth_person`+w.String()+
			` ORDER BY sort_name, id LIMIT `+w.Next(1), w.Args(limit+1)...)
		if err != nil {
			return fmt.Errorf("listing people: %w", err)
		}
		each := make([]*Person, len(people))
		for i := range people {
			each[i] = &people[i]
		}
		if err := withRoles(tx, each); err != nil {
			return err
		}
		page, err = db.Paged(people, limit, func(p Person) []any { return []any{sortName(p.Name), p.ID} })
		return err
	})
	return page, err
}

func (f PeopleFilter) where(cursor string) (w db.Where, err error) {
	if len(f.States) > 0 {
		db.In(&w, "state", f.States)
	}
	if f.Kind != "" {
		w.And("kind = ?", string(f.Kind))
	}
	if f.Role != "" {
		w.And("EXISTS (SELECT 1 FROM auth_role r WHERE r.role = ? AND r.person = auth_person.id)", f.Role)
	}
	if text := strings.TrimSpace(f.Text); text != "" {
		like := db.Contains(sortName(text))
		w.And(`(sort_name LIKE ? ESCAPE '\' OR email LIKE ? ESCAPE '\')`, like, like)
	}
	if cursor != "" {
		var name, id string
		if err := db.DecodeCursor(cursor, &name, &id); err != nil {
			return w, err
		}
		w.And("(sort_name, id) > (?, ?)", name, id)
	}
	return w, nil
}

// RoleHolders counts the people who have a role, whatever their state.
func RoleHolders(tx *db.Tx, role string) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(DISTINCT person) FROM auth_role WHERE role = $1`, role).Scan(&n)
	return n, err
}
