package scim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

const (
	maxData    = 16 << 10 // bytes of what is kept of one person
	maxGroups  = 5000
	maxMembers = 20_000
	maxChanges = 5000 // people whose membership one request changes: each is a row and a leaf

	maxExternal = 500 // bytes of a directory's own id
)

// storable reports whether a text can be a value in either database: PostgreSQL refuses U+0000.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// userRow is what a directory said of a person beside the person's own record. Version 0 is of somebody it has not changed yet.
type userRow struct {
	person         string
	data           object // userName, name, displayName, emails, the extension; externalId once it is gone
	disabled, gone bool
	changed        time.Time
	version        int64
}

// userRows reads the rows of people, by their ids.
func userRows(tx *db.Tx, people []string) (map[string]userRow, error) {
	var where db.Where
	db.In(&where, "person", people)
	rows, err := db.List(tx, func(s db.Scanner) (u userRow, err error) {
		var data string
		var disabled, gone, changed int64
		if err := s.Scan(&u.person, &data, &disabled, &gone, &changed, &u.version); err != nil {
			return u, err
		}
		u.disabled, u.gone, u.changed = disabled != 0, gone != 0, db.Time(changed)
		return u, json.Unmarshal([]byte(data), &u.data)
	}, `SELECT person, data, disabled, gone, changed_at, version FROM scim_user`+where.String(), where.Args()...)
	if err != nil {
		return nil, fmt.Errorf("reading what the directory said: %w", err)
	}
	by := make(map[string]userRow, len(rows))
	for _, u := range rows {
		by[u.person] = u
	}
	return by, nil
}

// put writes a row as its next version, with its leaf.
func (s *Service) put(tx *db.Tx, u *userRow, action string) error {
	data, err := json.Marshal(u.data)
	if err != nil {
		return err
	}
	if len(data) > maxData {
		return fault.New(fault.TooLarge, "", "more than %d bytes of one person", maxData)
	}
	u.version, u.changed = u.version+1, tx.Now()
	_, err = tx.Exec(`INSERT INTO scim_user (person, data, disabled, gone, changed_at, version) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (person) DO UPDATE SET data = excluded.data, disabled = excluded.disabled, gone = excluded.gone,
		changed_at = excluded.changed_at, version = excluded.version`,
		u.person, string(data), truth(u.disabled), truth(u.gone), db.Micros(u.changed), u.version)
	if err != nil {
		return fmt.Errorf("keeping what the directory said: %w", err)
	}
	return s.Ledger.Append(tx, ledger.Entry{Table: "scim_user", Key: u.person, Action: action})
}

func truth(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// groupRow is a group without its members.
type groupRow struct {
	id, name, external string
	created, changed   time.Time
	version            int64
}

const groupColumns = `id, name, external_id, created_at, changed_at, version`

func scanGroup(s db.Scanner) (g groupRow, err error) {
	var created, changed int64
	err = s.Scan(&g.id, &g.name, &g.external, &created, &changed, &g.version)
	g.created, g.changed = db.Time(created), db.Time(changed)
	return g, err
}

func groupByID(tx *db.Tx, id string) (groupRow, error) {
	if !storable(id) {
		return groupRow{}, fault.New(fault.NotFound, "", "no such group")
	}
	g, err := scanGroup(tx.QueryRow(`SELECT `+groupColumns+` FROM scim_group WHERE id = $1`, id))
	if fault.Is(err, fault.NotFound) {
		return g, fault.New(fault.NotFound, "", "no such group")
	}
	return g, err
}

func allGroups(tx *db.Tx) ([]groupRow, error) {
	return db.List(tx, scanGroup, `SELECT `+groupColumns+` FROM scim_group ORDER BY id LIMIT $1`, maxGroups)
}

// nameFree fails where another group has the name: both would stand for the same roles.
func nameFree(tx *db.Tx, g groupRow) error {
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM scim_group WHERE fold_name = $1 AND id <> $2`, fold(g.name), g.id).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fault.New(fault.Conflict, "", "there is a group of that name")
	}
	return nil
}

func (s *Service) insertGroup(tx *db.Tx, g *groupRow) error {
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM scim_group`).Scan(&n); err != nil {
		return err
	}
	if n >= maxGroups {
		return fault.New(fault.TooLarge, "", "there are %d groups; more are not kept", maxGroups)
	}
	g.id, g.created, g.changed, g.version = db.NewID(), tx.Now(), tx.Now(), 1
	if err := nameFree(tx, *g); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO scim_group (id, name, fold_name, external_id, created_at, changed_at, version) VALUES ($1, $2, $3, $4, $5, $5, 1)`,
		g.id, g.name, fold(g.name), g.external, db.Micros(g.created)); err != nil {
		return fmt.Errorf("making a group: %w", err)
	}
	return s.Ledger.Append(tx, ledger.Entry{Table: "scim_group", Key: g.id, Action: "create"})
}

func (s *Service) updateGroup(tx *db.Tx, g *groupRow) error {
	if err := nameFree(tx, *g); err != nil {
		return err
	}
	g.changed, g.version = tx.Now(), g.version+1
	if _, err := tx.Exec(`UPDATE scim_group SET name = $1, fold_name = $2, external_id = $3, changed_at = $4, version = $5 WHERE id = $6`,
		g.name, fold(g.name), g.external, db.Micros(g.changed), g.version, g.id); err != nil {
		return fmt.Errorf("changing a group: %w", err)
	}
	return s.Ledger.Append(tx, ledger.Entry{Table: "scim_group", Key: g.id, Action: "update"})
}

// member is somebody in a group: ids and names of both.
type member struct{ group, groupName, person, personName string }

// membersOf lists who is in which group, by a column of scim_member and its values.
func membersOf(tx *db.Tx, column string, values []string) ([]member, error) {
	var where db.Where
	db.In(&where, "m."+column, values)
	list, err := db.List(tx, func(s db.Scanner) (m member, err error) {
		return m, s.Scan(&m.group, &m.groupName, &m.person, &m.personName)
	}, `SELECT m.group_id, g.name, m.person, p.name FROM scim_member m JOIN scim_group g ON g.id = m.group_id JOIN auth_person p ON p.id = m.person`+
		where.String()+` ORDER BY m.id`, where.Args()...)
	if err != nil {
		return nil, fmt.Errorf("reading members: %w", err)
	}
	return list, nil
}

func (s *Service) join(tx *db.Tx, group, person string) error {
	id := db.NewID()
	if _, err := tx.Exec(`INSERT INTO scim_member (id, group_id, person) VALUES ($1, $2, $3)`, id, group, person); err != nil {
		return fmt.Errorf("joining a group: %w", err)
	}
	return s.Ledger.Append(tx, ledger.Entry{Table: "scim_member", Key: id, Action: "create"})
}

// leaveGroups ends memberships. The condition is ours.
func leaveGroups(tx *db.Tx, log Ledger, condition string, args ...any) error {
	ids, err := db.List(tx, func(s db.Scanner) (id string, err error) { return id, s.Scan(&id) }, `SELECT id FROM scim_member WHERE `+condition, args...)
	if err != nil {
		return fmt.Errorf("leaving groups: %w", err)
	}
	for _, id := range ids {
		if _, err := tx.Exec(`DELETE FROM scim_member WHERE id = $1`, id); err != nil {
			return fmt.Errorf("leaving groups: %w", err)
		}
		if err := log.Append(tx, ledger.Entry{Table: "scim_member", Key: id, Action: "delete"}); err != nil {
			return err
		}
	}
	return nil
}

// syncRoles gives people the roles that their groups stand for, and no other of origin scim.
func (s *Service) syncRoles(tx *db.Tx, people []string) error {
	directory := s.Accounts.Directory(tx)
	for len(people) > 0 {
		some := people[:min(len(people), batch)]
		people = people[len(some):]
		members, err := membersOf(tx, "person", some)
		if err != nil {
			return err
		}
		in := make(map[string][]string, len(some))
		for _, m := range members {
			in[m.person] = append(in[m.person], m.groupName)
		}
		for _, id := range some {
			if _, err := directory.SyncRoles(id, s.Roles(in[id])); err != nil {
				return err
			}
		}
	}
	return nil
}
