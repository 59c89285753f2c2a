package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"yagura/internal/app"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/seal"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the keys, and what is sealed under which."`
	Add    keysAddCmd    `cmd:"" help:"Make a new key in the key file; it seals from now on, the others open."`
	Rotate keysRotateCmd `cmd:"" help:"Re-seal under the newest key what is sealed under others. May be stopped and run again."`
	Remove keysRemoveCmd `cmd:"" help:"Take a key that nothing is sealed under out of the key file. The server must be stopped."`
}

type keysListCmd struct{}

type keysAddCmd struct{}

type keysRotateCmd struct{}

type keysRemoveCmd struct {
	ID string `arg:"" help:"The key's id, as 'yagura keys list' shows it."`
}

// withKeys opens the keys and what they seal, beside a running server or without one.
func withKeys(ctx context.Context, g *Globals, fn func(context.Context, *app.Records) error) error {
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	if _, err := databaseOf(conf); err != nil {
		return err
	}
	if err := haveKeys(conf); err != nil {
		return err
	}
	ctx = db.WithActor(ctx, "local")
	records, err := app.OpenKeys(ctx, conf)
	if err != nil {
		return err
	}
	defer records.Close() // every write is committed already
	return fn(ctx, records)
}

// external reports whether the keys come from the environment or a command, which no command of ours can change.
func external(c *config.Config) bool { return c.Secrets.Key != "" || len(c.Secrets.Command) > 0 }

// haveKeys makes sure that a lost key file is not replaced by a new one: that is for the first start alone.
func haveKeys(c *config.Config) error {
	file := app.KeyOptions(c).File
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !external(c) {
		return fault.New(fault.NotFound, "", "there is no key file %s", file)
	}
	return nil
}

// Run lists the keys.
func (c *keysListCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withKeys(ctx, g, func(ctx context.Context, x *app.Records) error {
		sealed, err := x.SurveyKeys(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(io.out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tFROM\tUSE\tVALUES\tWHERE")
		for _, k := range x.Keys.Info() {
			use := "opens"
			if k.Newest {
				use = "seals"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", k.ID, k.Origin, use, sealed[k.ID].Total(), places(sealed[k.ID]))
			delete(sealed, k.ID)
		}
		for _, id := range slices.Sorted(maps.Keys(sealed)) {
			name := id
			if name == "" {
				name = "-" // of no form that we write
			}
			fmt.Fprintf(w, "%s\t-\tmissing\t%d\t%s\n", name, sealed[id].Total(), places(sealed[id]))
		}
		return w.Flush()
	})
}

// places says where values lie: "auth_totp.secret 12, mail_outbox.sealed 1".
func places(s app.Sealed) string {
	var list []string
	for _, place := range slices.Sorted(maps.Keys(s)) {
		list = append(list, fmt.Sprintf("%s %d", place, s[place]))
	}
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}

// Run makes a key and prints its id.
func (c *keysAddCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	if external(conf) {
		return fault.New(fault.Invalid, "", "the keys come from the environment or a command: add one there, behind the others (docs/keys.md)")
	}
	if err := haveKeys(conf); err != nil {
		return err
	}
	id, err := seal.Add(app.KeyOptions(conf).File)
	if err != nil {
		return err
	}
	fmt.Fprintln(io.out, id)
	fmt.Fprintln(io.err, "Back the key file up. A running server seals with the new key at the latest when it is started again; then: yagura keys rotate")
	return nil
}

// Run re-seals.
func (c *keysRotateCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withKeys(ctx, g, func(ctx context.Context, x *app.Records) error {
		server, err := running(ctx, x.Config)
		if err != nil {
			return err
		}
		if server != nil && external(x.Config) {
			fmt.Fprintln(io.err, "A server is running: it must have been started with these keys, or it cannot open what is sealed from here on.")
		}
		report, err := x.RotateKeys(ctx, progressOf(io))
		if err != nil {
			return err
		}
		if err := resealKept(ctx, x, server == nil, &report); err != nil {
			return err
		}
		for _, problem := range report.Errors {
			fmt.Fprintln(io.out, oneLine(problem.Error()))
		}
		fmt.Fprintf(io.err, "%d values are sealed anew under key %s; %d do not open and were left as they are\n", report.Resealed, x.Keys.Newest(), report.Failed)
		if report.Failed > 0 {
			return fault.New(fault.Unavailable, "", "%d values could not be sealed anew", report.Failed)
		}
		return nil
	})
}

// resealKept does the files of ACME. A running server writes them itself, so it keeps them until it is stopped.
func resealKept(ctx context.Context, x *app.Records, stopped bool, report *seal.Report) error {
	if !stopped {
		return nil
	}
	resealed, failed, err := httpd.ResealACME(ctx, app.ACMEFolder(x.Config), x.Keys)
	report.Resealed += resealed
	report.Failed += failed
	return err
}

// progressOf tells a person at a terminal how far it is; a script reads the summary.
func progressOf(io *streams) func(seal.Column, int64) {
	if _, ok := terminal(io.err); !ok {
		return nil
	}
	var last seal.Column
	return func(c seal.Column, resealed int64) {
		if c != last && last != (seal.Column{}) {
			fmt.Fprintln(io.err)
		}
		last = c
		fmt.Fprintf(io.err, "\r%s: %d ", c, resealed)
	}
}

// Run removes a key.
func (c *keysRemoveCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withKeys(ctx, g, func(ctx context.Context, x *app.Records) error {
		if err := c.removable(ctx, x); err != nil {
			return err
		}
		file := app.KeyOptions(x.Config).File
		err := seal.Remove(file, c.ID)
		if external(x.Config) && fault.Is(err, fault.Conflict) {
			return fault.New(fault.Conflict, "", "key %s is the last one in %s, and nothing is sealed under it: remove the file itself", c.ID, file)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(io.err, "Keep a copy of the key for as long as you keep backups from its time.")
		return nil
	})
}

// removable says why a key must stay.
func (c *keysRemoveCmd) removable(ctx context.Context, x *app.Records) error {
	keys := x.Keys.Info()
	at := slices.IndexFunc(keys, func(k seal.Info) bool { return k.ID == c.ID })
	switch {
	case at < 0:
		return fault.New(fault.NotFound, "fault.seal.no_key", "there is no key %s", oneLine(c.ID))
	case keys[at].Origin != "file":
		return fault.New(fault.Invalid, "", "key %s comes from the %s: remove it there", c.ID, keys[at].Origin)
	case keys[at].Newest:
		return fault.New(fault.Conflict, "fault.seal.newest", "key %s is the newest, which seals: add another first", c.ID)
	}
	// A server that was started before the newest key was added may still seal with this one.
	server, err := running(ctx, x.Config)
	if err != nil {
		return err
	}
	if server != nil {
		return fault.New(fault.Conflict, "", "a server is running, which may seal with key %s at any moment: stop it first", c.ID)
	}
	sealed, err := x.SurveyKeys(ctx)
	if err != nil {
		return err
	}
	if under := sealed[c.ID]; under.Total() > 0 {
		return fault.New(fault.Conflict, "", "%d values are sealed under key %s (%s): run yagura keys rotate first", under.Total(), c.ID, places(under))
	}
	return nil
}
