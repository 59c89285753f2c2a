package desk

import (
	"context"
	"strings"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// find finds records of the kind for the search box.
func (x *desk) find(ctx context.Context, user *auth.User, query string, limit int) ([]web.Found, error) {
	records, err := x.opt.Store.Search(ctx, user, x.kind.Name, query, limit)
	if err != nil {
		return nil, err
	}
	return x.Found(ctx, records), nil
}

// Found shows records as the search box and the overview do.
func (d *Desk) Found(ctx context.Context, records []*record.Record) []web.Found {
	p := web.Speaker(ctx)
	list := make([]web.Found, len(records))
	for i, r := range records {
		state, _ := r.Kind.StateOf(r.State)
		list[i] = web.Found{Kind: "kind." + r.Kind.Name, Title: d.titleOf(p, r), Path: r.Address(), State: "kind." + r.Kind.Name + ".state." + r.State, Tone: state.Look}
		var notes []string
		for _, f := range r.Kind.All() {
			switch f.Type.Word() {
			case "level":
				list[i].Level = r.Text(f.Name)
			case "logged":
				if text := r.Text(f.Name); text != "" && len(notes) == 0 {
					notes = append(notes, text)
				}
			}
		}
		list[i].Note = strings.Join(notes, " ")
	}
	return list
}
