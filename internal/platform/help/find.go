package help

import (
	"context"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/web"
)

// find finds documents for the search box, by title in either language.
func (x *Help) find(ctx context.Context, _ *auth.User, query string, limit int) ([]web.Found, error) {
	var list []web.Found
	query = strings.ToLower(query)
	for _, one := range x.all(web.Speaker(ctx).Lang()) {
		titles := one.Title + "\n" + one.Name + "\n" + x.made[one.Name+".md"].Title
		if len(list) < limit && strings.Contains(strings.ToLower(titles), query) {
			list = append(list, web.Found{Kind: "help.title", Title: one.Title, Path: "/help/" + one.Name})
		}
	}
	return list, nil
}
