package people

import (
	"context"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/web"
)

// findPeople finds people for the search box, by name.
func (x *Room) findPeople(ctx context.Context, user *auth.User, query string, limit int) ([]web.Found, error) {
	if !user.May(string(MayRead)) {
		return nil, nil
	}
	page, err := x.opt.Accounts.People(ctx, auth.PeopleFilter{Text: query}, "", limit)
	var list []web.Found
	for _, p := range page.Items {
		f := web.Found{Kind: "people.title", Title: p.Name, Note: p.Email, Path: "/people/" + p.ID}
		if p.State != auth.Active { // that somebody is active goes without saying
			f.State = "people.state." + string(p.State)
		}
		list = append(list, f)
	}
	return list, err
}

// findUnits finds the organisation's units for the search box.
func (x *Room) findUnits(ctx context.Context, user *auth.User, query string, limit int) ([]web.Found, error) {
	if !user.May(string(MayRead)) {
		return nil, nil
	}
	units, err := x.opt.Accounts.Units(ctx)
	query = strings.ToLower(query)
	var list []web.Found
	for _, u := range units {
		if len(list) == limit || !strings.Contains(strings.ToLower(u.Code+"\n"+u.Name+"\n"+u.NameEn), query) {
			continue
		}
		title := u.Name
		if u.NameEn != "" && web.Speaker(ctx).Lang() == "en" {
			title = u.NameEn
		}
		list = append(list, web.Found{Kind: "unit.title", Title: title, Note: u.Code, Path: "/people?unit=" + u.ID})
	}
	return list, err
}
