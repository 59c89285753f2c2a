package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"yagura/internal/app"
	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
)

type serveCmd struct {
	Listen string   `name:"listen" placeholder:"ADDRESS" help:"Address of the web UI and the HTTP inputs (http.listen)."`
	Rules  []string `name:"rules" placeholder:"DIR" type:"path" help:"Folder of Sigma rules, besides the program's own (rules.dirs); may be repeated."`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	if err := exist(c.Rules); err != nil {
		return err
	}
	conf, settings, err := g.load(map[string]string{"http.listen": c.Listen, "rules.dirs": joined(c.Rules)})
	if err != nil {
		return err
	}
	log, err := logger(io.err, conf)
	if err != nil {
		return err
	}
	server, err := app.NewServer(ctx, app.ServerOptions{
		Config: conf, Settings: settings, Log: log, Ready: func(w app.Welcome) { greet(io.err, conf, w) },
	})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}

// greet says where the server is, and once what the first start made.
func greet(w io.Writer, c *config.Config, welcome app.Welcome) {
	fmt.Fprintf(w, "Yagura serves at %s (data in %s)\n", welcome.URL, c.Data)
	if welcome.Setup != "" {
		fmt.Fprintf(w, "\nThere is no administrator yet. Open this link, which works once, within a day:\n  %s\n", welcome.Setup)
		if welcome.Token != "" {
			fmt.Fprintf(w, "\nFor log shippers, shown once (source \"default\"; make one for each sender on the Sources page):\n  %s\n", welcome.Token)
		}
		fmt.Fprintln(w)
	}
}

// logger writes the program's own log.
func logger(w io.Writer, c *config.Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return nil, fault.New(fault.Invalid, "", "log.level: %q is none of debug, info, warn, error", c.Log.Level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}
