package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"yagura/internal/app"
	"yagura/internal/detect/intake"
	"yagura/internal/detect/load"
	"yagura/internal/detect/source/api"
)

type importCmd struct {
	Source string   `name:"source" default:"import" help:"Name of the source that the events are filed under."`
	Files  []string `arg:"" name:"file" type:"path" help:"Log files or folders: .evtx .json .ndjson .jsonl .csv .log, each also .gz or .zst."`
}

// Run sends the files to the server that has the data folder open, or stores them itself where none has.
func (c *importCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	if err := exist(c.Files); err != nil { // before a data folder is made for nothing
		return err
	}
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	server, err := running(ctx, conf)
	if err != nil {
		return err
	}
	if server != nil {
		return c.load(ctx, io, &api.Client{URL: server.URL, Token: server.Token})
	}
	return withEngine(ctx, conf, io, func(e *app.Engine) error {
		err := drain(ctx, e)
		if err != nil {
			return err
		}
		err = c.load(ctx, io, e.Pipeline)
		if drained := drain(ctx, e); drained != nil {
			return cmp.Or(err, drained)
		}
		fmt.Fprintf(io.err, "matches: %d (yagura serve shows the alerts)\n", e.Pipeline.Status().Matches)
		return err
	})
}

func (c *importCmd) load(ctx context.Context, io *streams, sink intake.Sink) error {
	started := time.Now()
	bar := newFileBar(io.err)
	result, err := load.Files(ctx, c.Files, load.Options{Input: api.InputImport, Source: c.Source, MaxItems: 1000, Progress: bar.show}, sink.Accept)
	bar.clear()
	if result != nil {
		printProblems(io.err, result.Problems)
		took := time.Since(started)
		fmt.Fprintf(io.err, "imported: %d events from %d files in %s, %.0f events/s\n", result.Events, result.Files,
			took.Round(time.Millisecond), float64(result.Events)/max(took.Seconds(), 1e-9))
		return cmp.Or(err, unread(result.Problems))
	}
	return err
}
