package alert

import (
	"net/http"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/web"
)

// units are the organisation's in a reader's language.
type units struct {
	all  []auth.UnitNode
	lang string
}

func (x *Room) unitNames(r *http.Request) (units, error) {
	u := units{lang: string(web.T(r).Lang())}
	if x.store.opt.Units == nil {
		return u, nil
	}
	all, err := x.store.opt.Units.Units(r.Context())
	u.all = auth.UnitTree(all)
	return u, err
}

// options are what a list can be narrowed to.
func (u units) options(p *i18n.Printer) []web.Option {
	if len(u.all) == 0 {
		return nil
	}
	options := []web.Option{{Value: "", Label: p.T("alert.unit.any")}}
	for _, n := range u.all {
		options = append(options, web.Option{Value: n.ID, Label: n.LabelIn(u.lang)})
	}
	return options
}

// name is what a unit is called; "" for one that is gone.
func (u units) name(id string) string {
	for _, n := range u.all {
		if n.ID == id {
			return n.NameIn(u.lang)
		}
	}
	return ""
}
