package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"yagura/internal/app"
	"yagura/internal/detect/source"
)

type tokensCmd struct {
	Add    tokensAddCmd    `cmd:"" help:"Make a token for a source and print it, this once."`
	List   tokensListCmd   `cmd:"" help:"List the tokens."`
	Revoke tokensRevokeCmd `cmd:"" help:"Make a token invalid."`
}

type tokensAddCmd struct {
	Name string `arg:"" help:"Name of the source that the holder sends as, such as pc-winlogbeat."`
}

type tokensListCmd struct{}

type tokensRevokeCmd struct {
	ID string `arg:"" help:"The token's id, as 'yagura tokens list' shows it."`
}

// withTokens opens the tokens of the data folder, beside a running server or without one.
func withTokens(ctx context.Context, g *Globals, fn func(context.Context, *source.Tokens) error) error {
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	return withRecords(ctx, conf, func(ctx context.Context, x *app.Records) error {
		tokens, err := source.OpenTokens(ctx, x.DB, x.Ledger)
		if err != nil {
			return err
		}
		return fn(ctx, tokens)
	})
}

// Run makes a token.
func (c *tokensAddCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withTokens(ctx, g, func(ctx context.Context, t *source.Tokens) error {
		secret, _, err := t.Create(ctx, c.Name, "local")
		if err != nil {
			return err
		}
		fmt.Fprintln(io.out, secret)
		return nil
	})
}

// Run lists the tokens.
func (c *tokensListCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withTokens(ctx, g, func(ctx context.Context, t *source.Tokens) error {
		list, err := t.List(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSOURCE\tENDS IN\tMADE\tBY\tLAST USED\tREVOKED")
		for _, x := range list {
			fmt.Fprintf(w, "%s\t%s\t…%s\t%s\t%s\t%s\t%s\n", x.ID, x.Name, x.Hint, date(x.Created), x.CreatedBy, date(x.LastUsed), date(x.Revoked))
		}
		return w.Flush()
	})
}

// Run revokes a token.
func (c *tokensRevokeCmd) Run(ctx context.Context, g *Globals) error {
	return withTokens(ctx, g, func(ctx context.Context, t *source.Tokens) error { return t.Revoke(ctx, c.ID) })
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}
