package scim

import (
	"net/http"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
)

// maxEmails is how many addresses of a person are kept.
const maxEmails = 20

// saveUser brings a person to what the directory wants. Shutting somebody out must not fail for another attribute that is refused:
// that one stays as it was then, and the answer shows it.
func (s *Service) saveUser(tx *db.Tx, u user, wanted object) error {
	directory := s.Accounts.Directory(tx)
	before, was := u.resource(), u.row
	active := wanted["active"] == true
	describe := func() error { return s.describeUser(directory, &u, before, wanted) }
	if active || before["active"] == false {
		if err := describe(); err != nil {
			return err
		}
	} else if err := tx.Try(describe); err != nil {
		if _, refused := problemOf(err); !refused {
			return err
		}
		u.row.data = said(before)
	}
	switch {
	case !active && u.State != auth.Disabled:
		if _, err := directory.Disable(u.ID); err != nil {
			return err
		}
		u.row.disabled = true
	case active && u.State == auth.Disabled && u.row.disabled: // not whom an administrator disabled
		if _, err := directory.Enable(u.ID); err != nil {
			return err
		}
		u.row.disabled = false
	}
	if was.version > 0 && was.disabled == u.row.disabled && was.gone == u.row.gone && same(was.data, u.row.data) {
		return nil
	}
	u.row.person = u.ID
	return s.put(tx, &u.row, "update")
}

// describeUser changes what a person is called, signs in with and belongs to, as far as the directory says something else than before.
func (s *Service) describeUser(directory auth.Directory, u *user, before, wanted object) error {
	if err := checkUser(wanted); err != nil {
		return err
	}
	var c auth.Change
	if email := text(wanted, "userName"); email != text(before, "userName") {
		normal, err := auth.NormalEmail(email)
		if err != nil {
			return err
		}
		if normal != u.Email && slices.ContainsFunc(u.Roles, func(r auth.Role) bool { return r.Origin == auth.ByHand }) {
			return refuse(http.StatusBadRequest, "mutability", "the person has roles given by hand: an administrator changes their address")
		}
		c.Email = &normal
	}
	if name := called(wanted); name != called(before) {
		c.Name = &name
	}
	if name := department(wanted); name != department(before) {
		unit, err := unitOf(directory, name, u.Unit)
		if err != nil {
			return err
		}
		c.Unit = &unit
	}
	if id := text(wanted, "externalId"); id != u.External.ID {
		external := u.External
		external.ID = id
		c.External = &external
	}
	u.row.data = said(wanted)
	if c == (auth.Change{}) {
		return nil
	}
	p, err := directory.Update(u.ID, c)
	if err == nil {
		u.Person = p
	}
	return err
}

// checkUser finds what no person can have.
func checkUser(wanted object) error {
	if text(wanted, "userName") == "" {
		return badValue("userName is missing")
	}
	if _, err := auth.NormalEmail(text(wanted, "userName")); err != nil {
		return badValue("userName is no mail address: map it to the address that people sign in with")
	}
	if id := text(wanted, "externalId"); len(id) > maxExternal || !storable(id) {
		return badValue("externalId is longer than %d bytes or no text", maxExternal)
	}
	if len(each(wanted["emails"])) > maxEmails {
		return badValue("there are more than %d emails", maxEmails)
	}
	return nil
}

// said is what is kept of a resource beside the person's record.
func said(resource object) object {
	out := make(object)
	for _, name := range []string{"userName", "name", "displayName", "emails", enterpriseSchema} {
		if value := resource[name]; value != nil {
			out[name] = value
		}
	}
	return out
}

// called is what the directory calls a person.
func called(resource object) string {
	name, _ := resource["name"].(object)
	for _, candidate := range []string{text(resource, "displayName"), text(name, "formatted"),
		strings.TrimSpace(text(name, "givenName") + " " + text(name, "familyName"))} {
		if strings.TrimSpace(candidate) != "" {
			return candidate
		}
	}
	return text(resource, "userName")
}

func department(resource object) string {
	enterprise, _ := resource[enterpriseSchema].(object)
	return strings.TrimSpace(text(enterprise, "department"))
}

// unitOf finds the one unit of a code or a name. Where there is none, or several, the person stays where they are.
func unitOf(directory auth.Directory, name, now string) (string, error) {
	if name == "" {
		return now, nil
	}
	units, err := directory.Units()
	if err != nil {
		return now, err
	}
	var found []string
	for _, u := range units {
		switch {
		case strings.EqualFold(u.Code, name):
			return u.ID, nil
		case strings.EqualFold(u.Name, name), strings.EqualFold(u.NameEn, name):
			found = append(found, u.ID)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return now, nil
}
