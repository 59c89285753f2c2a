package people

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// The actions that policy may want two people for.
const (
	actionRoles   = "people.roles"
	actionErase   = "people.erase"
	actionFactors = "people.factors"
)

// rolesChange is roles by hand that somebody is to have. Version 0 is of somebody who was made with the request: accepting the invitation
// in the meantime does not make it void.
type rolesChange struct {
	Person  string
	Version int64
	Roles   []string
}

type erasure struct {
	Person  string
	Version int64
}

type factorReset struct{ Person string }

// register makes the actions known to the approvals.
func (x *Room) register() {
	approval.Register(x.opt.Approvals, actionRoles, approval.Action[rolesChange]{
		Permission: string(MayWrite), May: x.mayStillGive, Show: x.showRoles,
		Run: func(tx *db.Tx, p rolesChange) error {
			if tx.Actor() == p.Person { // as the second of two, too
				return ownRoles()
			}
			_, err := x.opt.Accounts.SetRolesIn(tx, p.Person, p.Version, auth.ByHand, p.Roles)
			return err
		},
	})
	approval.Register(x.opt.Approvals, actionErase, approval.Action[erasure]{
		Permission: string(MayWrite),
		May: func(ctx context.Context, who approval.Who, p erasure) error {
			return x.mayStillTake(ctx, who, p.Person)
		},
		Show: func(r *http.Request, p erasure) ([]approval.Fact, error) { return x.showPerson(r, p.Person) },
		Run: func(tx *db.Tx, p erasure) error {
			_, err := x.opt.Accounts.EraseIn(tx, p.Person, p.Version)
			return err
		},
	})
	approval.Register(x.opt.Approvals, actionFactors, approval.Action[factorReset]{
		Permission: string(MayWrite),
		May: func(ctx context.Context, who approval.Who, p factorReset) error {
			return x.mayStillTake(ctx, who, p.Person)
		},
		Show: func(r *http.Request, p factorReset) ([]approval.Fact, error) { return x.showPerson(r, p.Person) },
		Run:  func(tx *db.Tx, p factorReset) error { return x.opt.Accounts.ResetFactorsIn(tx, p.Person) },
	})
}

// mayStillGive refuses what a request asks for where who asked, or who approves, has less than the roles of it by then.
func (x *Room) mayStillGive(ctx context.Context, who approval.Who, asked rolesChange) error {
	p, err := x.opt.Accounts.Person(ctx, asked.Person)
	if err != nil {
		return err
	}
	return x.covers(who, byHand(p), asked.Roles)
}

// mayStillTake does likewise for somebody whose data or factors are to go.
func (x *Room) mayStillTake(ctx context.Context, who approval.Who, person string) error {
	p, err := x.opt.Accounts.Person(ctx, person)
	if err != nil {
		return err
	}
	return x.covers(who, p.RoleNames(), nil)
}

// showPerson says whom a request concerns.
func (x *Room) showPerson(r *http.Request, id string) ([]approval.Fact, error) {
	p, err := x.opt.Accounts.Person(r.Context(), id)
	return []approval.Fact{{Label: web.T(r).T("people.email"), Text: p.Email}}, err
}

// showRoles says which roles somebody has by hand and which they are to have.
func (x *Room) showRoles(r *http.Request, asked rolesChange) ([]approval.Fact, error) {
	p, err := x.opt.Accounts.Person(r.Context(), asked.Person)
	facts := []approval.Fact{
		{Label: web.T(r).T("people.email"), Text: p.Email},
		{Label: web.T(r).T("people.roles.now"), Text: x.titles(r, byHand(p))},
		{Label: web.T(r).T("people.roles.asked"), Text: x.titles(r, asked.Roles)},
	}
	return facts, err
}

func (x *Room) titles(r *http.Request, roles []string) string {
	if len(roles) == 0 {
		return "–"
	}
	list := make([]string, len(roles))
	for i, role := range roles {
		list[i] = x.title(r, role)
	}
	return strings.Join(list, ", ")
}

// enter makes a person. Where policy wants two people for roles, the person has only those that open nothing until a second one has
// approved the others: waiting is the request for them then.
func (x *Room) enter(r *http.Request, n auth.NewPerson, reason string) (p auth.Person, waiting *approval.Request, err error) {
	wanted := n.Roles
	if err := x.mayGive(r, "", nil, wanted); err != nil {
		return p, nil, err
	}
	n.Roles = x.atOnce(wanted)
	asks := len(n.Roles) < len(wanted)
	if asks {
		if err := approval.CheckReason(reason); err != nil {
			return p, nil, err
		}
	}
	if p, err = x.opt.Accounts.Create(r.Context(), n); err != nil || !asks {
		return p, nil, err
	}
	waiting, err = x.wishRoles(r, p, 0, wanted, reason)
	return p, waiting, err
}

// atOnce are those of the roles that one person may give.
func (x *Room) atOnce(roles []string) []string {
	if !x.opt.Approvals.Needed(actionRoles) {
		return roles
	}
	return slices.DeleteFunc(slices.Clone(roles), func(role string) bool {
		return slices.ContainsFunc(x.opt.Permissions(), func(p web.Permission) bool { return x.opt.Roles.Allows([]string{role}, string(p)) })
	})
}

// wishRoles gives a person these roles, or asks for a second person's approval and returns the request.
func (x *Room) wishRoles(r *http.Request, p auth.Person, version int64, roles []string, reason string) (*approval.Request, error) {
	return x.opt.Approvals.Do(r.Context(), web.User(r), approval.Wish{
		Action: actionRoles, Subject: p.Name, Link: "/people/" + p.ID, Reason: reason,
		Payload: rolesChange{Person: p.ID, Version: version, Roles: roles},
	})
}

// asked says that an action was done, or that it waits for a second person.
func (x *Room) asked(w http.ResponseWriter, r *http.Request, waiting *approval.Request, path, done, name string) error {
	if waiting != nil {
		return x.site.Done(w, r, "/approvals/"+waiting.ID, web.Flash{Kind: web.Warn, Text: web.T(r).T("approval.asked.flash")})
	}
	return x.site.Done(w, r, path, web.Flash{Kind: web.Good, Text: web.T(r).T(done, name)})
}

// resetFactors takes the second factors from somebody who has lost theirs.
func (x *Room) resetFactors(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	waiting, err := x.opt.Approvals.Do(r.Context(), web.User(r), approval.Wish{
		Action: actionFactors, Subject: p.Name, Link: "/people/" + p.ID, Reason: r.PostForm.Get("reason"), Payload: factorReset{Person: p.ID},
	})
	if fault.Is(err, fault.Invalid) {
		return x.show1(w, r, http.StatusUnprocessableEntity, p.ID, detailView{Error: web.Message(r, err)})
	}
	if err != nil {
		return err
	}
	return x.asked(w, r, waiting, "/people/"+p.ID, "people.factors.reset.done", p.Name)
}

// erase deletes what is personal of somebody disabled.
func (x *Room) erase(w http.ResponseWriter, r *http.Request) error {
	p, err := x.target(w, r)
	if err != nil {
		return err
	}
	v, err := version(r)
	if err != nil {
		return err
	}
	if p.State != auth.Disabled {
		return fault.New(fault.Conflict, "fault.people.erase", "only the data of somebody disabled is deleted")
	}
	waiting, err := x.opt.Approvals.Do(r.Context(), web.User(r), approval.Wish{
		Action: actionErase, Subject: p.Name, Link: "/people/" + p.ID, Reason: r.PostForm.Get("reason"), Payload: erasure{Person: p.ID, Version: v},
	})
	if fault.Is(err, fault.Invalid) {
		return x.show1(w, r, http.StatusUnprocessableEntity, p.ID, detailView{Error: web.Message(r, err)})
	}
	if err != nil {
		return err
	}
	return x.asked(w, r, waiting, "/people", "people.erased", p.Name)
}
