package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"yagura/internal/app"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/config"
)

// joined is a list as a setting has it.
func joined(list []string) string { return strings.Join(list, ",") }

// running finds the server that has the data folder open; nil where none does.
func running(ctx context.Context, c *config.Config) (*auth.Server, error) {
	server, err := auth.FindServer(c.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// One that was killed leaves its announcement behind.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/health", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil // nobody answers there any more
	}
	return &server, resp.Body.Close()
}

// withEngine opens a stopped server's data folder, works off what waits in its spool, and runs fn.
func withEngine(ctx context.Context, c *config.Config, io *streams, fn func(*app.Engine) error) (err error) {
	quiet := *c
	quiet.Log.Level = "warn"
	log, err := logger(io.err, &quiet)
	if err != nil {
		return err
	}
	engine, err := app.Open(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, engine.Close(limit))
	}()
	if err := engine.LoadRules(ctx); err != nil {
		return err
	}
	engine.Start()
	if err := engine.Pipeline.Drain(ctx); err != nil {
		return err
	}
	return fn(engine)
}
