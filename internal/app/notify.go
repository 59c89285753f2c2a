package app

import (
	"context"
	"net/netip"
	"slices"

	"yagura/internal/detect/alert"
	"yagura/internal/detect/risk"
	"yagura/internal/detect/rulesource"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/build"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/letter"
	"yagura/internal/platform/notify"
	noticeroom "yagura/internal/platform/notify/room"
	"yagura/internal/platform/web"
	"yagura/locale"
)

// openNotify opens notices, with all topics and kinds of records that rooms tell of.
func (x *Records) openNotify(post *letter.Post, opt RecordsOptions) error {
	client, err := outgoing(x.Config.Outgoing)
	if err != nil {
		return err
	}
	bundle, err := i18n.Load(locale.Files)
	if err != nil {
		return err
	}
	var people notify.People = x.Accounts
	if opt.Demo {
		people = demoPeople{x.Accounts}
	}
	x.Notify = notify.Open(notify.Options{
		DB: x.DB, Ledger: x.Ledger, Keys: x.Keys, Jobs: x.Jobs, People: people, Roles: x.Roles, Post: post, HTTP: client,
		Bundle: bundle, PublicURL: opt.PublicURL, Log: opt.Log,
	})
	x.Notify.Declare(slices.Concat(alert.Topics(), risk.Topics(), approval.Topics(), rulesource.Topics())...)
	x.Notify.Know(alert.Kind(x.Roles.Allows))
	return nil
}

// noticeRoom is the pages of notices.
func (s *Server) noticeRoom(site *web.Site) *noticeroom.Room {
	return noticeroom.New(site, noticeroom.Options{
		Notifier: s.Notify, Units: s.Accounts.Units, ByEmail: s.Accounts.PersonByEmail, Person: s.Accounts.Person,
		Roles: func() []noticeroom.Role {
			var roles []noticeroom.Role
			for _, r := range s.Roles.List() {
				roles = append(roles, noticeroom.Role{Name: r.Name, Title: r.Title})
			}
			return roles
		},
	})
}

// outgoing is the client of whatever asks other servers.
func outgoing(c config.Outgoing) (*httpx.Client, error) {
	opt, err := outgoingOptions(c)
	if err != nil {
		return nil, err
	}
	return httpx.New(opt)
}

// outgoingOptions are how it asks.
func outgoingOptions(c config.Outgoing) (httpx.Options, error) {
	opt := httpx.Options{Proxy: c.Proxy, Agent: "Yagura/" + build.Version()}
	for _, text := range c.Allow {
		prefix, err := netip.ParsePrefix(text)
		if address, bad := netip.ParseAddr(text); err != nil && bad == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return opt, fault.New(fault.Invalid, "httpx.fault.allow", "outgoing.allow: %q is no address or network", text)
		}
		opt.Allow = append(opt.Allow, prefix)
	}
	return opt, nil
}

// demoPeople are the accounts and the demo's visitor, who has none and is to see notices all the same.
type demoPeople struct{ *auth.Accounts }

func (d demoPeople) Person(ctx context.Context, id string) (auth.Person, error) {
	if visitor := auth.DemoVisitor(); id == visitor.ID {
		return visitor, nil
	}
	return d.Accounts.Person(ctx, id)
}

func (d demoPeople) People(ctx context.Context, f auth.PeopleFilter, cursor string, limit int) (db.Page[auth.Person], error) {
	page, err := d.Accounts.People(ctx, f, cursor, limit)
	if visitor := auth.DemoVisitor(); cursor == "" && (f.Role == "" || slices.Contains(visitor.RoleNames(), f.Role)) && f.Unit == "" {
		page.Items = append(page.Items, visitor)
	}
	return page, err
}

func (d demoPeople) Holders(ctx context.Context) (map[string]int, error) {
	holders, err := d.Accounts.Holders(ctx)
	if err == nil {
		for _, role := range auth.DemoVisitor().RoleNames() {
			holders[role]++
		}
	}
	return holders, err
}

func (d demoPeople) Names(ctx context.Context, ids []string) (map[string]string, error) {
	names, err := d.Accounts.Names(ctx, ids)
	if visitor := auth.DemoVisitor(); err == nil && slices.Contains(ids, visitor.ID) {
		names[visitor.ID] = visitor.Name
	}
	return names, err
}
