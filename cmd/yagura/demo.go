package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"yagura/internal/app"
	"yagura/internal/detect/demo"
	"yagura/internal/platform/config"
)

type demoCmd struct {
	Listen string `name:"listen" placeholder:"ADDRESS" help:"Address on this machine (default 127.0.0.1:8686)."`
	Seed   uint64 `name:"seed" default:"20261123" help:"The same seed tells the same story."`
}

// Run serves a made-up company from a folder that is gone afterwards. Of the configuration it takes only what --set gives.
func (c *demoCmd) Run(ctx context.Context, g *Globals, io *streams) (err error) {
	dir, err := os.MkdirTemp("", "yagura-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	given, err := g.pairs()
	if err != nil {
		return err
	}
	given["data"] = dir
	if c.Listen != "" {
		given["http.listen"] = c.Listen
	}
	// The file and the environment may be a real server's, whose ports, logs and database are none of the demo's.
	conf, settings, err := config.Load(config.Sources{File: os.DevNull, Flags: given, Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(io.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server, err := app.NewServer(ctx, app.ServerOptions{Config: conf, Settings: settings, Log: log, Demo: true, Ready: func(w app.Welcome) {
		fmt.Fprintf(io.err, "Yagura's demo is at %s\nThe logs of a made-up company flow in; alerts appear within seconds. Visitors from this machine are signed in.\nCtrl+C ends it, and nothing is left behind.\n", w.URL)
	}})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return demo.Staff(ctx, server.Accounts) })
	group.Go(func() error {
		generator := demo.New(c.Seed)
		for _, b := range generator.Backlog(time.Now().Add(-time.Second), 24*time.Hour) {
			if err := server.Accept(ctx, b); err != nil {
				return err
			}
		}
		return generator.Run(ctx, server)
	})
	return group.Wait()
}
