package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"yagura/internal/app"
	"yagura/internal/detect/demo"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
)

// place is a data folder and a database that are gone afterwards.
type place struct {
	data     string
	database string // URL, "" for SQLite in the folder
	server   string // of PostgreSQL
	name     string // of the database there
}

func newPlace(ctx context.Context, o options, engine string) (p *place, err error) {
	p = &place{server: o.postgres}
	if p.data, err = os.MkdirTemp("", "yagura-load-"); err != nil {
		return nil, err
	}
	if engine != "postgres" {
		return p, nil
	}
	address, err := url.Parse(o.postgres)
	if err != nil {
		return nil, errors.Join(errors.New("YAGURA_POSTGRES is no URL"), p.remove())
	}
	p.name = "load_" + strings.ToLower(rand.Text())
	address.Path = "/" + p.name
	if err := p.admin(ctx, `CREATE DATABASE `+p.name+` TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.data))
	}
	p.database = address.String()
	return p, nil
}

// admin runs a statement on the PostgreSQL server itself.
func (p *place) admin(ctx context.Context, statement string) error {
	connection, err := pgx.Connect(ctx, p.server)
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, statement)
	return errors.Join(err, connection.Close(ctx))
}

func (p *place) remove() error {
	var err error
	if p.database != "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = p.admin(ctx, `DROP DATABASE `+p.name+` WITH (FORCE)`)
	}
	return errors.Join(err, os.RemoveAll(p.data))
}

// environment is what the server is started with: nothing of the caller's own settings.
func (p *place) environment() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "YAGURA_") {
			env = append(env, pair)
		}
	}
	env = append(env, "YAGURA_DATA="+p.data, "YAGURA_CONFIG="+os.DevNull, "YAGURA_LOG_LEVEL=warn")
	if p.database != "" {
		env = append(env, "YAGURA_DATABASE_URL="+p.database)
	}
	return env
}

// seeded is what a data folder was filled with.
type seeded struct {
	events, alerts int
	took           time.Duration
}

// fill lets events of a made-up company through the pipeline, so that alerts are there, and signs people in.
func (p *place) fill(ctx context.Context, o options) (sessions []session, done seeded, err error) {
	started := time.Now()
	given := map[string]string{"data": p.data}
	if p.database != "" {
		given["database.url"] = p.database
	}
	conf, _, err := config.Load(config.Sources{File: os.DevNull, Flags: given, Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		return nil, done, err
	}
	engine, err := app.Open(ctx, conf, app.RecordsOptions{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return nil, done, err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, engine.Close(limit))
	}()
	if err := engine.LoadRules(ctx); err != nil {
		return nil, done, err
	}
	engine.Start()
	for day := range o.days {
		end := time.Now().Add(-time.Second - time.Duration(day)*24*time.Hour)
		for _, b := range demo.New(uint64(1000+day)).Backlog(end, 24*time.Hour) {
			done.events += len(b.Items)
			if err := engine.Pipeline.Accept(ctx, b); err != nil {
				return nil, done, err
			}
			engine.Stats.Accepted(b.Source, b.Input, b.Remote, len(b.Items), 0)
		}
	}
	if err := engine.Pipeline.Drain(ctx); err != nil {
		return nil, done, err
	}
	if sessions, err = signIn(ctx, engine.Accounts, o.users); err != nil {
		return nil, done, err
	}
	alerts, err := engine.Alerts.Count(ctx)
	done.alerts, done.took = int(alerts), time.Since(started)
	return sessions, done, err
}

// session is one person's browser.
type session struct {
	role   string
	cookie *http.Cookie
}

// roles are the roles of a company's users of the program, in turn: most are analysts and responders.
func roles() []string {
	return []string{"analyst", "analyst", "responder", "responder", "analyst", "auditor", "analyst", "admin", "responder", "analyst"}
}

// signIn makes people and their sessions as the company's single sign-on would: no password is hashed, which is another
// matter than pages, and every role's second factor is proved.
func signIn(ctx context.Context, accounts *auth.Accounts, n int) ([]session, error) {
	var list []session
	for i := range n {
		role := roles()[i%len(roles())]
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(db.WithActor(ctx, "system"), http.MethodGet, "http://127.0.0.1/signin", nil)
		r.RemoteAddr = "127.0.0.1:1"
		step, err := accounts.SignInExternal(w, r, auth.Identity{
			Issuer: "https://login.example.co.jp", Subject: fmt.Sprintf("person-%03d", i), Email: fmt.Sprintf("person-%03d@example.co.jp", i),
			Name: fmt.Sprintf("Person %03d", i), Roles: []string{role}, SyncRoles: true, MFA: true,
		}, auth.ExternalPolicy{Create: true})
		if err != nil {
			return nil, err
		}
		for _, c := range w.Result().Cookies() {
			if step == auth.Done && strings.HasSuffix(c.Name, "session") {
				list = append(list, session{role, &http.Cookie{Name: c.Name, Value: c.Value}})
			}
		}
	}
	if len(list) != n {
		return nil, fmt.Errorf("%d of %d people are signed in", len(list), n)
	}
	return list, nil
}

// verify has the ledger of a stopped server checked: what people decided under load is all there.
func (p *place) verify(ctx context.Context, yagura string) error {
	command := exec.CommandContext(ctx, yagura, "ledger", "verify")
	command.Env = p.environment()
	out, err := command.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(bytes.TrimSpace(out))), "\n")
	fmt.Println("ledger verify:", lines[len(lines)-1])
	if err != nil {
		return fmt.Errorf("ledger verify: %w: %s", err, out)
	}
	return nil
}
