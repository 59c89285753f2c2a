// Command yagura-load measures a built yagura under people: so many signed-in users, each in a session of their own, think a few
// seconds, open an ordinary page, and now and then decide about an alert. It starts the server itself, on a fresh data folder
// filled with made-up events and their alerts, once for each database, and leaves nothing behind. The figures stand beside that
// of the barest page (GET /health) in the same run.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// options are what the command is told.
type options struct {
	yagura   string
	users    int
	span     time.Duration
	days     int
	limit    time.Duration
	postgres string // a server whose user may create databases; "" for none
}

func main() {
	var o options
	flag.StringVar(&o.yagura, "yagura", "bin/yagura", "the binary to measure")
	flag.IntVar(&o.users, "users", 200, "how many people work at the same time")
	flag.DurationVar(&o.span, "for", 5*time.Minute, "how long they work, on each database")
	flag.IntVar(&o.days, "days", 14, "days of made-up events")
	flag.DurationVar(&o.limit, "limit", 100*time.Millisecond, "the 95th percentile of ordinary pages that is good enough")
	engines := flag.String("engine", "all", "sqlite, postgres or all")
	flag.Parse()
	o.postgres = os.Getenv("YAGURA_POSTGRES")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *engines); err != nil {
		fmt.Fprintln(os.Stderr, "yagura-load:", err)
		os.Exit(1)
	}
}

// errMissed is the end of a run that measured what is not good enough.
var errMissed = errors.New("not good enough: see above")

func run(ctx context.Context, o options, engines string) error {
	var list []string
	switch {
	case engines == "sqlite", engines == "all" && o.postgres == "":
		list = []string{"sqlite"}
	case engines == "postgres" && o.postgres != "":
		list = []string{"postgres"}
	case engines == "all":
		list = []string{"sqlite", "postgres"}
	default:
		return fmt.Errorf("-engine %s: it is sqlite, postgres or all, and postgres takes YAGURA_POSTGRES (tools/postgres.sh)", engines)
	}
	if o.postgres == "" {
		fmt.Println("There is no PostgreSQL (YAGURA_POSTGRES): SQLite alone is measured.")
	}
	var missed error
	for _, engine := range list {
		good, err := measure(ctx, o, engine)
		if err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
		if !good {
			missed = errMissed
		}
	}
	return missed
}

// measure is one run on one database.
func measure(ctx context.Context, o options, engine string) (good bool, err error) {
	p, err := newPlace(ctx, o, engine)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, p.remove()) }()
	sessions, seeded, err := p.fill(ctx, o)
	if err != nil {
		return false, fmt.Errorf("filling the data folder: %w", err)
	}
	s, err := startServer(ctx, o.yagura, p)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	fmt.Printf("\n%s, %d cores, %d people for %s; %d events, %d alerts, %d sessions made in %s\n",
		engine, runtime.NumCPU(), o.users, o.span, seeded.events, seeded.alerts, len(sessions), seeded.took.Round(100*time.Millisecond))
	r, err := work(ctx, o, s, sessions)
	if err != nil {
		return false, err
	}
	good = r.print(o.limit)
	if err := cmp.Or(s.stop(), p.verify(ctx, o.yagura)); err != nil {
		return false, err
	}
	return good, nil
}
