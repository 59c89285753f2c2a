package scim

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const maxGroupName = 200 // characters

// resource is a group; members is nil where they do not matter.
func (g groupRow) resource(base string, members []member) object {
	out := object{"displayName": g.name}
	if g.external != "" {
		out["externalId"] = g.external
	}
	var list []any
	for _, m := range members {
		list = append(list, object{"value": m.person, "display": m.personName, "type": "User", "$ref": base + "/Users/" + m.person})
	}
	if list != nil {
		out["members"] = list
	}
	return out
}

func (g groupRow) etag() string { return `W/"` + strconv.FormatInt(g.version, 10) + `"` }

func (g groupRow) whole(k *kind, base string, members []member) object {
	out := g.resource(base, members)
	out["id"], out["schemas"] = g.id, []any{groupSchema}
	out["meta"] = meta(k, base, g.id, g.etag(), g.created, g.changed)
	return out
}

func (s *Service) listGroups(w http.ResponseWriter, r *http.Request) error {
	q, err := s.groups.readQuery(r.URL.Query())
	if err != nil {
		return err
	}
	p := &page{query: q, kind: s.groups}
	err = s.DB.Read(r.Context(), func(tx *db.Tx) error {
		all, err := allGroups(tx)
		if err != nil {
			return err
		}
		for _, g := range all {
			var members []member
			if q.wants("members") {
				if members, err = membersOf(tx, "group_id", []string{g.id}); err != nil {
					return err
				}
			}
			if err := p.add(g.whole(s.groups, s.base(r), members)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.answer(w)
}

func (s *Service) getGroup(w http.ResponseWriter, r *http.Request) error {
	return s.answerGroup(w, r, http.StatusOK, r.PathValue("id"))
}

func (s *Service) answerGroup(w http.ResponseWriter, r *http.Request, status int, id string) error {
	show, err := shown(r)
	if err != nil {
		return err
	}
	var out object
	err = s.DB.Read(r.Context(), func(tx *db.Tx) error {
		g, err := groupByID(tx, id)
		if err != nil {
			return err
		}
		var members []member
		if !show.hides("members") {
			members, err = membersOf(tx, "group_id", []string{id})
		}
		out = g.whole(s.groups, s.base(r), members)
		return err
	})
	if err != nil {
		return err
	}
	return answerOne(w, r, s.groups, status, out, show)
}

func (s *Service) postGroup(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	wanted, err := s.groups.read(body)
	if err != nil {
		return err
	}
	var g groupRow
	err = s.DB.Write(r.Context(), func(tx *db.Tx) (err error) {
		if g.name, err = groupName(wanted); err != nil {
			return err
		}
		if g.external, err = groupExternal(wanted); err != nil {
			return err
		}
		if err := s.insertGroup(tx, &g); err != nil {
			return err
		}
		changed, err := s.setMembers(tx, g.id, nil, wanted)
		if err != nil {
			return err
		}
		return s.syncRoles(tx, changed)
	})
	if err != nil {
		return err
	}
	return s.answerGroup(w, r, http.StatusCreated, g.id)
}

func (s *Service) putGroup(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	wanted, err := s.groups.read(body)
	if err != nil {
		return err
	}
	return s.changeGroup(w, r, func(object) (object, error) { return wanted, nil })
}

func (s *Service) patchGroup(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	operations, err := readPatch(body)
	if err != nil {
		return err
	}
	return s.changeGroup(w, r, func(now object) (object, error) { return s.groups.patch(now, operations) })
}

func (s *Service) changeGroup(w http.ResponseWriter, r *http.Request, change func(now object) (object, error)) error {
	id := r.PathValue("id")
	err := s.DB.Write(r.Context(), func(tx *db.Tx) error {
		g, err := groupByID(tx, id)
		if err != nil {
			return err
		}
		if err := unchanged(r, g.etag()); err != nil {
			return err
		}
		members, err := membersOf(tx, "group_id", []string{id})
		if err != nil {
			return err
		}
		wanted, err := change(g.resource("", members))
		if err != nil {
			return err
		}
		return s.saveGroup(tx, g, members, wanted)
	})
	if err != nil {
		return err
	}
	if r.Method == http.MethodPatch && r.URL.Query().Get("attributes") == "" {
		w.WriteHeader(http.StatusNoContent) // Microsoft Entra ID asks for that: nobody wants all members back (RFC 7644, 3.5.2)
		return nil
	}
	return s.answerGroup(w, r, http.StatusOK, id)
}

// saveGroup brings a group to what the directory wants, and those whom that concerns to their roles.
func (s *Service) saveGroup(tx *db.Tx, g groupRow, members []member, wanted object) (err error) {
	was := g
	if g.name, err = groupName(wanted); err != nil {
		return err
	}
	if g.external, err = groupExternal(wanted); err != nil {
		return err
	}
	concerned, err := s.setMembers(tx, g.id, members, wanted)
	if err != nil {
		return err
	}
	if len(concerned) == 0 && g == was {
		return nil
	}
	if err := s.updateGroup(tx, &g); err != nil {
		return err
	}
	if g.name != was.name { // it may stand for other roles
		for _, m := range members {
			concerned = append(concerned, m.person)
		}
		slices.Sort(concerned)
		concerned = slices.Compact(concerned)
	}
	return s.syncRoles(tx, concerned)
}

func (s *Service) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	err := s.DB.Write(r.Context(), func(tx *db.Tx) error {
		g, err := groupByID(tx, id)
		if err != nil {
			return err
		}
		if err := unchanged(r, g.etag()); err != nil {
			return err
		}
		members, err := membersOf(tx, "group_id", []string{id})
		if err != nil {
			return err
		}
		concerned, err := s.setMembers(tx, id, members, object{})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM scim_group WHERE id = $1`, id); err != nil {
			return err
		}
		if err := s.Ledger.Append(tx, ledger.Entry{Table: "scim_group", Key: id, Action: "delete"}); err != nil {
			return err
		}
		return s.syncRoles(tx, concerned)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setMembers makes the wanted people the group's members and returns whose membership changed, in order. Whom the directory wants in
// and nobody knows is 400; groups in groups are refused, since a role given by a way that nobody sees is no mapping.
func (s *Service) setMembers(tx *db.Tx, group string, members []member, wanted object) (changed []string, err error) {
	now := make(map[string]bool, len(members))
	for _, m := range members {
		now[m.person] = true
	}
	want := make(map[string]bool)
	for _, item := range each(wanted["members"]) {
		one, _ := item.(object)
		if kind := text(one, "type"); kind != "" && !strings.EqualFold(kind, "User") {
			return nil, badValue("a member is no User; groups in groups are not supported")
		}
		id := text(one, "value")
		if !want[id] && !now[id] {
			changed = append(changed, id)
		}
		want[id] = true
	}
	joined := len(changed)
	for id := range now {
		if !want[id] {
			changed = append(changed, id)
		}
	}
	slices.Sort(changed[joined:])
	if len(want) > maxMembers || len(changed) > maxChanges {
		return nil, fault.New(fault.TooLarge, "", "a group has up to %d members, of whom one request changes up to %d", maxMembers, maxChanges)
	}
	for _, id := range changed[:joined] {
		if _, err := s.userByID(tx, id); err != nil {
			if fault.Is(err, fault.NotFound) {
				return nil, badValue("there is no user %.60q to be a member", id)
			}
			return nil, err
		}
		if err := s.join(tx, group, id); err != nil {
			return nil, err
		}
	}
	for _, id := range changed[joined:] {
		if err := leaveGroups(tx, s.Ledger, `group_id = $1 AND person = $2`, group, id); err != nil {
			return nil, err
		}
	}
	slices.Sort(changed)
	return changed, nil
}

func groupName(wanted object) (string, error) {
	name := strings.TrimSpace(text(wanted, "displayName"))
	if name == "" || utf8.RuneCountInString(name) > maxGroupName || strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
		return "", badValue("displayName is missing, longer than %d characters, or holds characters that cannot be seen", maxGroupName)
	}
	return name, nil
}

func groupExternal(wanted object) (string, error) {
	id := text(wanted, "externalId")
	if len(id) > maxExternal || !storable(id) {
		return "", badValue("externalId is longer than %d bytes or no text", maxExternal)
	}
	return id, nil
}

// same reports whether two values are one.
func same(a, b any) bool { return reflect.DeepEqual(a, b) }
