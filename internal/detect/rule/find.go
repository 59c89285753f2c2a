package rule

import (
	"context"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/web"
)

// find finds rules for the search box, by title.
func (x *Room) find(ctx context.Context, user *auth.User, query string, limit int) ([]web.Found, error) {
	if !user.May(string(MayRead)) {
		return nil, nil
	}
	lang := web.Speaker(ctx).Lang()
	page, _, err := x.library.Set().List(Filter{Text: query}, ByTitle, lang, nil, "", limit)
	var list []web.Found
	for _, r := range page.Items {
		list = append(list, web.Found{
			Kind: "rule.title", Title: r.TitleIn(lang), Note: LogsourceLabel(r.Logsource), State: "rule.state." + string(r.State()), Tone: r.Pill(), Path: r.Path(),
		})
	}
	return list, err
}
