// Package scim lets a company's directory (Microsoft Entra ID, Okta, any other) keep the people here: a SCIM 2.0 service provider
// (RFC 7643, RFC 7644). Whoever leaves the company loses access by themselves.
//
// What it promises:
//   - "active": false and DELETE end a person's sessions, links and tokens in the transaction that answers them.
//   - A request holds whole or not at all, and all it changes is in the ledger, with the token's owner as actor.
//   - Groups give the roles that the administrators' mapping names, of origin scim, and no other; roles given by hand stay.
//   - The last active administrator stays one. Whoever an administrator disabled by hand, no directory enables. Who has roles given
//     by hand keeps the address they sign in with: a new one could take the account over.
//   - Service accounts, and people whose data was erased, are not there for SCIM.
//
// What a directory sends beyond the attributes of Schemas is ignored. Not supported: /Bulk, /Me, passwords, groups in groups.
package scim

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/web"
)

// MayWrite is what the directory's token needs.
const MayWrite web.Permission = "scim.write"

//go:embed migrations
var migrationFiles embed.FS

// Migrations are the tables of what a directory said.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // a folder of our own that is embedded
	}
	return sub
}

// Tables are the records of this package.
func Tables() []ledger.Table {
	return []ledger.Table{{Name: "scim_user", Key: "person"}, {Name: "scim_group", Key: "id"}, {Name: "scim_member", Key: "id"}}
}

// Ledger is what changes are appended to. *ledger.Log is one.
type Ledger interface {
	Append(tx *db.Tx, entries ...ledger.Entry) error
}

// Options are a Service's surroundings.
type Options struct {
	DB       *db.DB
	Accounts *auth.Accounts
	Ledger   Ledger
	// Roles are the roles that groups of these names stand for (oidc.RolesOf). Roles that do not exist are left out. nil gives none.
	Roles func(groups []string) []string
	// PublicURL is where the server is found, for the addresses of resources; "" takes the request's.
	PublicURL string
}

// Service answers directories. Safe for concurrent use; several nodes may share one database.
type Service struct {
	Options
	users, groups *kind
}

// New makes the service. Its tables (Migrations, Tables) are there already.
func New(opt Options) *Service {
	if opt.Roles == nil {
		opt.Roles = func([]string) []string { return nil }
	}
	return &Service{Options: opt, users: users(), groups: groups()}
}

const root = "/scim/v2"

// Module is what the app mounts.
func (s *Service) Module() web.Module {
	m := web.Module{Name: "scim", Permissions: []web.Permission{MayWrite}}
	for _, route := range []struct {
		pattern string
		handle  web.Handle
	}{
		{"GET /ServiceProviderConfig", s.getConfig},
		{"GET /ResourceTypes", s.listTypes}, {"GET /ResourceTypes/{id}", s.getType},
		{"GET /Schemas", s.listSchemas}, {"GET /Schemas/{id}", s.getSchema},
		{"GET /Users", s.listUsers}, {"POST /Users", s.postUser}, {"GET /Users/{id}", s.getUser},
		{"PUT /Users/{id}", s.putUser}, {"PATCH /Users/{id}", s.patchUser}, {"DELETE /Users/{id}", s.deleteUser},
		{"GET /Groups", s.listGroups}, {"POST /Groups", s.postGroup}, {"GET /Groups/{id}", s.getGroup},
		{"PUT /Groups/{id}", s.putGroup}, {"PATCH /Groups/{id}", s.patchGroup}, {"DELETE /Groups/{id}", s.deleteGroup},
		{"POST /Bulk", unsupported}, {"GET /Me", unsupported},
	} {
		method, path, _ := strings.Cut(route.pattern, " ")
		m.Routes = append(m.Routes, web.Route{Pattern: method + " " + root + path, Permission: MayWrite, Handle: answered(route.handle)})
	}
	return m
}

func unsupported(http.ResponseWriter, *http.Request) error {
	return refuse(http.StatusNotImplemented, "", "not supported, as ServiceProviderConfig says")
}

// base is the address that those of resources begin with.
func (s *Service) base(r *http.Request) string {
	if s.PublicURL != "" {
		return strings.TrimSuffix(s.PublicURL, "/") + root
	}
	scheme := "http"
	if s.Accounts.Secure(r) {
		scheme = "https"
	}
	return scheme + "://" + r.Host + root
}

func (s *Service) getConfig(w http.ResponseWriter, r *http.Request) error {
	return answer(w, http.StatusOK, providerConfig(s.base(r)))
}

// described is a list or one item of what describes this service; RFC 7644, 4 forbids filters there.
func described(w http.ResponseWriter, r *http.Request, id string, all []object) error {
	if r.URL.Query().Get("filter") != "" {
		return refuse(http.StatusForbidden, "", "there is no filter of what describes the service")
	}
	if id == "" {
		items := make([]any, len(all))
		for i, one := range all {
			items[i] = one
		}
		return answer(w, http.StatusOK, listOf(items, len(items), 1))
	}
	for _, one := range all {
		if strings.EqualFold(text(one, "id"), id) {
			return answer(w, http.StatusOK, one)
		}
	}
	return refuse(http.StatusNotFound, "", "there is none of that id")
}

func (s *Service) listTypes(w http.ResponseWriter, r *http.Request) error { return s.types(w, r, "") }

func (s *Service) getType(w http.ResponseWriter, r *http.Request) error {
	return s.types(w, r, r.PathValue("id"))
}

func (s *Service) types(w http.ResponseWriter, r *http.Request, id string) error {
	base := s.base(r)
	return described(w, r, id, []object{s.users.describe(base), s.groups.describe(base)})
}

func (s *Service) listSchemas(w http.ResponseWriter, r *http.Request) error {
	return s.schemas(w, r, "")
}

func (s *Service) getSchema(w http.ResponseWriter, r *http.Request) error {
	return s.schemas(w, r, r.PathValue("id"))
}

func (s *Service) schemas(w http.ResponseWriter, r *http.Request, id string) error {
	base := s.base(r)
	all := []object{s.users.schema.describe(base), s.groups.schema.describe(base)}
	for _, extension := range s.users.extensions {
		all = append(all, extension.describe(base))
	}
	return described(w, r, id, all)
}

// Forget deletes what a directory said of a person whose data is erased (auth.Config.Forget).
func Forget(log Ledger) func(tx *db.Tx, person string) error {
	return func(tx *db.Tx, person string) error {
		if err := leaveGroups(tx, log, `person = $1`, person); err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM scim_user WHERE person = $1`, person)
		if err != nil || n == 0 {
			return err
		}
		return log.Append(tx, ledger.Entry{Table: "scim_user", Key: person, Action: "erase"})
	}
}

// Reconcile gives everybody the roles that their groups stand for now: for the start, after the mapping was changed. The last active
// administrator keeps the role all the same.
func (s *Service) Reconcile(ctx context.Context) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		people, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
			`SELECT person FROM scim_member UNION SELECT person FROM auth_role WHERE origin = $1`, string(auth.SCIM))
		if err != nil {
			return err
		}
		for _, person := range people {
			err := tx.Try(func() error { return s.syncRoles(tx, []string{person}) })
			if err != nil && !fault.Is(err, fault.Conflict) {
				return err
			}
		}
		return nil
	})
}
