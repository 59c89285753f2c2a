package notify

import (
	"context"
	"slices"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
)

// group is people by id, each once.
type group map[string]auth.Person

// expand returns the active people of an audience.
func (n *Notifier) expand(ctx context.Context, a Audience) (group, error) {
	found := make(group)
	for _, id := range a.People {
		p, err := n.opt.People.Person(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found.add(p)
	}
	roles := slices.Clone(a.Roles)
	if a.Permission != "" {
		holders, err := n.opt.People.Holders(ctx)
		if err != nil {
			return nil, err
		}
		for role := range holders {
			if n.opt.Roles.Allows([]string{role}, a.Permission) {
				roles = append(roles, role)
			}
		}
	}
	filters := make([]auth.PeopleFilter, 0, len(roles)+len(a.Units))
	for _, role := range roles {
		filters = append(filters, auth.PeopleFilter{Role: role})
	}
	for _, unit := range a.Units {
		filters = append(filters, auth.PeopleFilter{Unit: unit})
	}
	for _, f := range filters {
		if err := n.collect(ctx, f, found); err != nil {
			return nil, err
		}
	}
	for _, id := range a.Except {
		delete(found, id)
	}
	return found, nil
}

func (g group) add(p auth.Person) {
	if p.State == auth.Active && p.Kind == auth.Human {
		g[p.ID] = p
	}
}

func (n *Notifier) collect(ctx context.Context, f auth.PeopleFilter, into group) error {
	f.States, f.Kind = []auth.State{auth.Active}, auth.Human
	for cursor := ""; ; {
		page, err := n.opt.People.People(ctx, f, cursor, 200)
		if err != nil {
			return err
		}
		for _, p := range page.Items {
			into.add(p)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
