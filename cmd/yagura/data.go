package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"yagura/internal/app"
	"yagura/internal/detect/pipeline"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
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

// withEngine opens a stopped server's data folder and runs fn; see drain for what waits in its spool.
func withEngine(ctx context.Context, c *config.Config, io *streams, fn func(*app.Engine) error) (err error) {
	quiet := *c
	quiet.Log.Level = "warn"
	log, err := logger(io.err, &quiet)
	if err != nil {
		return err
	}
	ctx = db.WithActor(ctx, "local")
	engine, err := app.Open(ctx, c, app.RecordsOptions{Log: log})
	if err != nil {
		return err
	}
	defer func() {
		wait := time.Minute
		if engine.Pipeline.Status().Store.Error != "" {
			wait = time.Second // the store takes nothing: what is being worked on will not be finished
		}
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
		defer cancel()
		err = errors.Join(err, engine.Close(limit))
	}()
	if err := engine.LoadRules(ctx); err != nil {
		return err
	}
	engine.Start()
	return fn(engine)
}

// withRecords opens the records of a data folder, beside a running server or without one, in the name of whoever sits here.
func withRecords(ctx context.Context, c *config.Config, fn func(context.Context, *app.Records) error) (err error) {
	if c.Database.URL == "" {
		if _, err := os.Stat(c.Data); err != nil {
			return fault.New(fault.NotFound, "fault.data_folder", "the data folder: %w", err)
		}
	}
	ctx = db.WithActor(ctx, "local")
	x, err := app.OpenRecords(ctx, c, app.RecordsOptions{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	return fn(ctx, x)
}

// patience is how long the store may refuse what waits in the spool before a command stops waiting for it.
const patience = 3 * time.Second

// drain works off what waits in the spool. Where it cannot be stored, such as on a full disk, it stays there, and drain says
// so with fault.Unavailable rather than wait for ever.
func drain(ctx context.Context, e *app.Engine) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			s := e.Pipeline.Status()
			for _, t := range []pipeline.Trouble{s.Store, s.Recorder, s.Reading} {
				if t.Error != "" && time.Since(t.Since) > patience {
					cancel(fault.New(fault.Unavailable, "", "some accepted events are not searchable yet, and wait in the spool: %s", t.Error))
				}
			}
		}
	}()
	if err := e.Pipeline.Drain(ctx); err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return nil
}
