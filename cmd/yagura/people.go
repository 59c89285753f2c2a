package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"yagura/internal/app"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
)

// peopleCmd is for whoever sits at the server, on the day nobody can sign in.
type peopleCmd struct {
	List    peopleListCmd    `cmd:"" help:"List people with their state and roles."`
	Add     peopleAddCmd     `cmd:"" help:"Make an account and print the link by which its owner chooses a password."`
	Reset   peopleResetCmd   `cmd:"" help:"Print a link to another password; with --factors the second factors go, too."`
	Disable peopleDisableCmd `cmd:"" help:"Shut somebody out at once."`
}

type peopleListCmd struct{}

type peopleAddCmd struct {
	Email string   `arg:"" help:"The mail address to sign in with."`
	Name  string   `arg:"" help:"What people see."`
	Role  []string `default:"employee" help:"Role; may be repeated."`
}

type peopleResetCmd struct {
	Email   string `arg:"" help:"The mail address to sign in with."`
	Factors bool   `help:"Take away the second factors, too: the phone is lost."`
}

type peopleDisableCmd struct {
	Email string `arg:"" help:"The mail address to sign in with."`
}

func withPeople(ctx context.Context, g *Globals, fn func(context.Context, *app.Records) error) error {
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	return withRecords(ctx, conf, fn)
}

// Run lists the people.
func (c *peopleListCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withPeople(ctx, g, func(ctx context.Context, x *app.Records) error {
		w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "ADDRESS\tNAME\tSTATE\tROLES\tLAST SIGN-IN")
		for cursor := ""; ; {
			page, err := x.Accounts.People(ctx, auth.PeopleFilter{}, cursor, 200)
			if err != nil {
				return err
			}
			for _, p := range page.Items {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", oneLine(cmp.Or(p.Email, "-")), oneLine(p.Name), p.State, oneLine(strings.Join(p.RoleNames(), ",")), date(p.LastSignIn))
			}
			if cursor = page.Next; cursor == "" {
				return w.Flush()
			}
		}
	})
}

// Run makes an account.
func (c *peopleAddCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withPeople(ctx, g, func(ctx context.Context, x *app.Records) error {
		p, err := x.Accounts.Create(ctx, auth.NewPerson{Email: c.Email, Name: c.Name, Roles: c.Role})
		if err != nil {
			return err
		}
		token, err := x.Accounts.Invite(ctx, p.ID)
		return printLink(io, x, "/invitation", token, p, err)
	})
}

// Run prints a link to another password.
func (c *peopleResetCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withPeople(ctx, g, func(ctx context.Context, x *app.Records) error {
		p, err := x.Accounts.PersonByEmail(ctx, c.Email)
		if err != nil {
			return err
		}
		if c.Factors {
			if err := x.Accounts.ResetFactors(ctx, p.ID); err != nil {
				return err
			}
		}
		if p.State == auth.Invited {
			token, err := x.Accounts.Invite(ctx, p.ID)
			return printLink(io, x, "/invitation", token, p, err)
		}
		token, err := x.Accounts.SendReset(ctx, p.ID)
		return printLink(io, x, "/reset", token, p, err)
	})
}

// Run disables somebody.
func (c *peopleDisableCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withPeople(ctx, g, func(ctx context.Context, x *app.Records) error {
		p, err := x.Accounts.PersonByEmail(ctx, c.Email)
		if err != nil {
			return err
		}
		if p.State == auth.Disabled {
			return fault.New(fault.Conflict, "", "%s is disabled already", p.Email)
		}
		_, err = x.Accounts.Disable(ctx, p.ID, p.Version)
		return err
	})
}

// printLink prints a one-time link, or says that it went out by mail.
func printLink(io *streams, x *app.Records, page, token string, p auth.Person, err error) error {
	switch {
	case err != nil:
		return err
	case token == "":
		fmt.Fprintf(io.out, "The link goes to %s by mail, once the server runs.\n", p.Email)
	default:
		fmt.Fprintln(io.out, app.PublicURL(x.Config)+page+"?ticket="+url.QueryEscape(token))
	}
	return nil
}
