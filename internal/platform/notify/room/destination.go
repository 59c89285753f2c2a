package room

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

// box is something to tick.
type box struct {
	Value, Label string
	Chosen       bool
}

// boxes are things to tick, those of chosen ticked.
func boxes(options []web.Option, chosen []string) []box {
	list := make([]box, len(options))
	for i, o := range options {
		value, _ := o.Value.(string)
		list[i] = box{value, o.Label, slices.Contains(chosen, value)}
	}
	return list
}

// destinationForm is the fields of whom to tell. Prefix tells several in one form apart.
type destinationForm struct {
	Prefix                string
	Roles, Units, Targets []box
	People                string // mail addresses, one a line
}

// choices are what every such form offers.
type choices struct {
	roles, units, targets []web.Option
}

func (x *Room) choices(r *http.Request) (c choices, err error) {
	t := web.T(r)
	for _, role := range x.opt.Roles() {
		title := role.Title
		if title == "" {
			title = t.T("role." + role.Name)
		}
		c.roles = append(c.roles, web.Option{Value: role.Name, Label: title})
	}
	units, err := x.opt.Units(r.Context())
	if err != nil {
		return c, err
	}
	for _, u := range units {
		c.units = append(c.units, web.Option{Value: u.ID, Label: u.NameIn(string(t.Lang()))})
	}
	targets, err := x.n.Targets(r.Context())
	for _, target := range targets {
		c.targets = append(c.targets, web.Option{Value: target.ID, Label: target.Name})
	}
	return c, err
}

// destination makes the fields of whom to tell.
func (x *Room) destination(ctx context.Context, c choices, prefix string, d notify.Destination) (f destinationForm, err error) {
	f = destinationForm{Prefix: prefix, Roles: boxes(c.roles, d.Roles), Units: boxes(c.units, d.Units), Targets: boxes(c.targets, d.Targets)}
	var addresses []string
	for _, id := range d.People {
		p, err := x.opt.Person(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue // erased since
		}
		if err != nil {
			return f, err
		}
		addresses = append(addresses, p.Email)
	}
	f.People = strings.Join(addresses, "\n")
	return f, nil
}

// readDestination reads the fields. An address of nobody is a fault.Invalid, beside what was read.
func (x *Room) readDestination(ctx context.Context, prefix string, values url.Values) (d notify.Destination, typed string, err error) {
	d = notify.Destination{Roles: values[prefix+"role"], Units: values[prefix+"unit"], Targets: values[prefix+"target"]}
	typed = values.Get(prefix + "people")
	for _, address := range strings.FieldsFunc(typed, func(c rune) bool { return strings.ContainsRune(" ,;\t\r\n、", c) }) {
		p, missing := x.opt.ByEmail(ctx, address)
		if fault.Is(missing, fault.NotFound) || fault.Is(missing, fault.Invalid) {
			err = &fault.Error{Code: fault.Invalid, Key: "notify.fault.address", Args: []any{address}, Detail: "nobody has the address " + address}
			continue
		}
		if missing != nil {
			return d, typed, missing
		}
		d.People = append(d.People, p.ID)
	}
	return d, typed, err
}

// whom says in a few words whom a destination tells.
func (c choices) whom(people int, d notify.Destination, t interface {
	T(key string, args ...any) string
}) string {
	var parts []string
	for _, kind := range []struct {
		options []web.Option
		chosen  []string
	}{{c.roles, d.Roles}, {c.units, d.Units}, {c.targets, d.Targets}} {
		for _, b := range boxes(kind.options, kind.chosen) {
			if b.Chosen {
				parts = append(parts, b.Label)
			}
		}
	}
	if people > 0 {
		parts = append(parts, t.T("notify.people", people))
	}
	return strings.Join(parts, t.T("notify.and"))
}
