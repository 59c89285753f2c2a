package scim

import (
	"net/http"
	"strconv"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// user is a person with what the directory said of them.
type user struct {
	auth.Person
	row userRow
}

// resource is the person as the directory last said it. What was changed here since, it does not see, but for the address: only that
// one signs in. Whoever the directory has said nothing of yet is described by what is known here.
func (u user) resource() object {
	out, _ := clone(u.row.data).(object)
	if u.row.version == 0 {
		out = object{"displayName": u.Name, "emails": []any{object{"value": u.Email, "type": "work", "primary": true}}}
	}
	delete(out, "externalId")
	if email, err := auth.NormalEmail(text(out, "userName")); err != nil || email != u.Email {
		out["userName"] = u.Email
	}
	if u.External.ID != "" {
		out["externalId"] = u.External.ID
	}
	out["active"] = u.State != auth.Disabled
	return out
}

// version is the resource's ETag: of the person's record and of what is kept beside it.
func (u user) version() string {
	return `W/"` + strconv.FormatInt(u.Version, 10) + "-" + strconv.FormatInt(u.row.version, 10) + `"`
}

// whole adds what a client only reads.
func (u user) whole(k *kind, base string, in []member) object {
	out := u.resource()
	schemas := []any{userSchema}
	for _, extension := range k.extensions {
		if out[extension.id] != nil {
			schemas = append(schemas, extension.id)
		}
	}
	changed := u.Changed
	if u.row.changed.After(changed) {
		changed = u.row.changed
	}
	out["id"], out["schemas"] = u.ID, schemas
	out["meta"] = meta(k, base, u.ID, u.version(), u.Created, changed)
	var groups []any
	for _, m := range in {
		groups = append(groups, object{"value": m.group, "display": m.groupName, "$ref": base + "/Groups/" + m.group})
	}
	if groups != nil {
		out["groups"] = groups
	}
	return out
}

func meta(k *kind, base, id, version string, created, changed time.Time) object {
	return object{"resourceType": k.name, "location": base + k.endpoint + "/" + id, "version": version,
		"created": created.Format(time.RFC3339Nano), "lastModified": changed.Format(time.RFC3339Nano)}
}

// userByID reads one person. Whoever the directory has deleted is not there.
func (s *Service) userByID(tx *db.Tx, id string) (u user, err error) {
	if !storable(id) {
		return u, fault.New(fault.NotFound, "", "no such person")
	}
	if u.Person, err = s.Accounts.Directory(tx).Person(id); err != nil {
		return u, err
	}
	rows, err := userRows(tx, []string{id})
	if err != nil {
		return u, err
	}
	if u.row = rows[id]; u.row.gone {
		return u, fault.New(fault.NotFound, "fault.person.not_found", "no such person")
	}
	u.row.person = id
	return u, nil
}

func (s *Service) listUsers(w http.ResponseWriter, r *http.Request) error {
	q, err := s.users.readQuery(r.URL.Query())
	if err != nil {
		return err
	}
	p := &page{query: q, kind: s.users}
	err = s.DB.Read(r.Context(), func(tx *db.Tx) error {
		if q.where != nil {
			if one, found, err := s.userBy(tx, q.where); found || err != nil {
				return s.addUsers(tx, p, s.base(r), one, err)
			}
		}
		for last := ""; ; {
			people, err := s.Accounts.Directory(tx).People(last, batch)
			if len(people) == 0 || err != nil {
				return err
			}
			if err := s.addUsers(tx, p, s.base(r), people, nil); err != nil {
				return err
			}
			last = people[len(people)-1].ID
		}
	})
	if err != nil {
		return err
	}
	return p.answer(w)
}

// userBy answers a filter that names one person, which is what directories ask before each change, without looking at everybody.
func (s *Service) userBy(tx *db.Tx, where node) (one []auth.Person, found bool, err error) {
	directory := s.Accounts.Directory(tx)
	for name, by := range map[string]func(string) (auth.Person, error){
		"id": directory.Person, "userName": directory.ByEmail, "externalId": directory.ByExternalID,
	} {
		if value, ok := only(where, name); ok {
			if !storable(value) {
				return nil, true, nil
			}
			p, err := by(value)
			if fault.Is(err, fault.NotFound) {
				return nil, true, nil
			}
			return []auth.Person{p}, true, err
		}
	}
	return nil, false, nil
}

// addUsers takes people into a page.
func (s *Service) addUsers(tx *db.Tx, p *page, base string, people []auth.Person, err error) error {
	if len(people) == 0 || err != nil {
		return err
	}
	ids := make([]string, len(people))
	for i := range people {
		ids[i] = people[i].ID
	}
	rows, err := userRows(tx, ids)
	if err != nil {
		return err
	}
	in := make(map[string][]member)
	if p.wants("groups") {
		members, err := membersOf(tx, "person", ids)
		if err != nil {
			return err
		}
		for _, m := range members {
			in[m.person] = append(in[m.person], m)
		}
	}
	for _, person := range people {
		if u := (user{person, rows[person.ID]}); !u.row.gone {
			if err := p.add(u.whole(s.users, base, in[person.ID])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) getUser(w http.ResponseWriter, r *http.Request) error {
	return s.answerUser(w, r, http.StatusOK, r.PathValue("id"))
}

func (s *Service) answerUser(w http.ResponseWriter, r *http.Request, status int, id string) error {
	show, err := shown(r)
	if err != nil {
		return err
	}
	var out object
	err = s.DB.Read(r.Context(), func(tx *db.Tx) error {
		u, err := s.userByID(tx, id)
		if err != nil {
			return err
		}
		in, err := membersOf(tx, "person", []string{id})
		out = u.whole(s.users, s.base(r), in)
		return err
	})
	if err != nil {
		return err
	}
	return answerOne(w, r, s.users, status, out, show)
}

// postUser makes a person. Whoever the directory deleted comes back by the same externalId, which names the same human being; by the
// address alone nobody does, for addresses are given to newcomers, who would get the old account's credentials and roles with it.
func (s *Service) postUser(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	wanted, err := s.users.read(body)
	if err != nil {
		return err
	}
	if wanted["active"] == nil {
		wanted["active"] = true
	}
	id := ""
	err = s.DB.Write(r.Context(), func(tx *db.Tx) error {
		directory := s.Accounts.Directory(tx)
		p, err := directory.ByEmail(text(wanted, "userName"))
		if fault.Is(err, fault.NotFound) {
			id, err = s.makeUser(tx, wanted)
			return err
		}
		if err != nil {
			return err
		}
		rows, err := userRows(tx, []string{p.ID})
		if err != nil {
			return err
		}
		u := user{p, rows[p.ID]}
		if known := text(u.row.data, "externalId"); !u.row.gone || known == "" || known != text(wanted, "externalId") {
			return refuse(http.StatusConflict, "uniqueness", "the address is a person's already, though perhaps one that was deleted")
		}
		id, u.row.gone = p.ID, false
		return s.saveUser(tx, u, wanted)
	})
	if err != nil {
		return err
	}
	return s.answerUser(w, r, http.StatusCreated, id)
}

func (s *Service) makeUser(tx *db.Tx, wanted object) (id string, err error) {
	if err := checkUser(wanted); err != nil {
		return "", err
	}
	n := auth.NewPerson{Email: text(wanted, "userName"), Name: called(wanted), Origin: auth.SCIM, State: auth.Active,
		External: auth.External{ID: text(wanted, "externalId")}}
	u := user{row: userRow{data: said(wanted)}}
	if wanted["active"] != true {
		n.State, u.row.disabled = auth.Disabled, true
	}
	directory := s.Accounts.Directory(tx)
	if n.Unit, err = unitOf(directory, department(wanted), ""); err != nil {
		return "", err
	}
	p, err := directory.Create(n)
	if err != nil {
		return "", err
	}
	u.row.person = p.ID
	return p.ID, s.put(tx, &u.row, "create")
}

func (s *Service) putUser(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	wanted, err := s.users.read(body)
	if err != nil {
		return err
	}
	return s.changeUser(w, r, func(object) (object, error) { return wanted, nil })
}

func (s *Service) patchUser(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	operations, err := readPatch(body)
	if err != nil {
		return err
	}
	return s.changeUser(w, r, func(now object) (object, error) { return s.users.patch(now, operations) })
}

func (s *Service) changeUser(w http.ResponseWriter, r *http.Request, change func(now object) (object, error)) error {
	id := r.PathValue("id")
	err := s.DB.Write(r.Context(), func(tx *db.Tx) error {
		u, err := s.userByID(tx, id)
		if err != nil {
			return err
		}
		if err := unchanged(r, u.version()); err != nil {
			return err
		}
		now := u.resource()
		wanted, err := change(now)
		if err != nil {
			return err
		}
		if wanted["active"] == nil { // nobody is let in or shut out by what is not said
			wanted["active"] = now["active"]
		}
		return s.saveUser(tx, u, wanted)
	})
	if err != nil {
		return err
	}
	return s.answerUser(w, r, http.StatusOK, id)
}

// deleteUser shuts a person out and takes them out of the directory's sight. Their record stays: it says who did what.
func (s *Service) deleteUser(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	err := s.DB.Write(r.Context(), func(tx *db.Tx) error {
		u, err := s.userByID(tx, id)
		if err != nil {
			return err
		}
		if err := unchanged(r, u.version()); err != nil {
			return err
		}
		directory := s.Accounts.Directory(tx)
		u.row.data, u.row.gone = said(u.resource()), true
		if u.State != auth.Disabled {
			if _, err := directory.Disable(id); err != nil {
				return err
			}
			u.row.disabled = true
		}
		if u.External.ID != "" {
			u.row.data["externalId"] = u.External.ID
			u.External.ID = ""
			if _, err := directory.Update(id, auth.Change{External: &u.External}); err != nil {
				return err
			}
		}
		if err := leaveGroups(tx, s.Ledger, `person = $1`, id); err != nil {
			return err
		}
		if err := s.syncRoles(tx, []string{id}); err != nil {
			return err
		}
		return s.put(tx, &u.row, "delete")
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
