// Package source is where events come from: the inputs, the tokens they are let in by, what is known about each
// sender, and the Sources page.
//
// What it promises: whoever sends has a name, a token's or a listener's, that stays with its events; nothing is
// accepted before the sink has it on disk; and nothing is refused or dropped without being counted, with its
// reason, beside that name. How each protocol does it stands in the packages below: gate (what all HTTP inputs
// share), elastic, hec, otlp, api, syslogd and follow.
package source

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/api"
	"yagura/internal/detect/source/elastic"
	"yagura/internal/detect/source/gate"
	"yagura/internal/detect/source/hec"
	"yagura/internal/detect/source/otlp"
	"yagura/internal/platform/db"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations are the tables of this room.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

// migrate brings the room's tables up to date, so that tokens and statistics work beside a server and without one.
func migrate(ctx context.Context, d *db.DB) error {
	if err := d.Migrate(ctx, "source", Migrations()); err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	return nil
}

// protocol is one HTTP input.
type protocol interface {
	http.Handler
	// Claims reports whether the request is meant for it, by path and headers alone.
	Claims(r *http.Request) bool
}

// InputsOptions are what the HTTP inputs need around them.
type InputsOptions struct {
	Sink     intake.Sink
	Tokens   gate.Tokens
	Observer gate.Observer
	// Local tells whether a secret is the local administrator's; nil: there is none.
	Local   func(secret string) bool
	MaxBody int64 // of a request after decompression, in bytes; 0: 64 MiB
}

// Inputs is every HTTP input behind one handler.
type Inputs struct {
	protocols []protocol
}

// NewInputs returns the HTTP inputs.
func NewInputs(opt InputsOptions) *Inputs {
	g := gate.New(gate.Options{
		Tokens: opt.Tokens, Sink: opt.Sink, Observer: opt.Observer, Local: opt.Local, MaxBody: opt.MaxBody,
	})
	// Elastic last: with a token, many a path may be an index.
	return &Inputs{protocols: []protocol{api.New(g), hec.New(g), otlp.New(g), elastic.New(g)}}
}

// Claims reports whether r is from a shipper. On a port that also serves the web interface, everything else is the
// interface's.
func (in *Inputs) Claims(r *http.Request) bool { return in.find(r) != nil }

func (in *Inputs) find(r *http.Request) protocol {
	for _, p := range in.protocols {
		if p.Claims(r) {
			return p
		}
	}
	return nil
}

// Handler answers the shippers.
func (in *Inputs) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := in.find(r); p != nil {
			p.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}
