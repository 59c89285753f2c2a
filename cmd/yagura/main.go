// Command yagura is an organisation's information-security system in one binary: see `yagura --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"yagura/internal/platform/build"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// commands is the command line. Each command has a file of its own.
type commands struct {
	Globals

	Demo    demoCmd    `cmd:"" help:"Serve with sample logs flowing in, to look around."`
	Serve   serveCmd   `cmd:"" help:"Serve: inputs, detection, storage, search, alerts, web UI."`
	Detect  detectCmd  `cmd:"" help:"Scan log files with Sigma rules; needs no server."`
	Import  importCmd  `cmd:"" help:"Import log files into a running server, or into a stopped one's data folder."`
	Search  searchCmd  `cmd:"" help:"Search the stored events with LogsQL."`
	Rules   rulesCmd   `cmd:"" help:"Look after Sigma rules."`
	People  peopleCmd  `cmd:"" help:"Look after accounts from this machine: the day nobody can sign in."`
	Tokens  tokensCmd  `cmd:"" help:"Make, list and revoke the tokens that log shippers use."`
	Ledger  ledgerCmd  `cmd:"" help:"Check and prove that the history of records was not rewritten."`
	Keys    keysCmd    `cmd:"" help:"Look after the keys that seal secrets at rest."`
	Config  configCmd  `cmd:"" help:"Show the effective configuration, with where each value came from."`
	Version versionCmd `cmd:"" help:"Show the version."`
}

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run is main with everything passed in; it returns the exit code: 0 fine, 1 failed, 2 wrong input, 130 interrupted.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	var c commands
	io := &streams{in, out, errOut}
	exited := -1
	parser, err := kong.New(&c,
		kong.Vars{"version": "yagura " + build.Version()},
		kong.Name("yagura"),
		kong.Description("The watchtower: logs in, threats out, evidence kept. Documentation: docs/ in the source tree."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errOut, "yagura:", err)
		return 1
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		fmt.Fprintf(errOut, "yagura: %v (see yagura --help)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who asks a second time does not wait for a tidy end
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(&c.Globals, io)
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, cause) || errors.Is(err, context.Canceled)) {
		fmt.Fprintln(errOut, "yagura: interrupted")
		return 130
	}
	return report(errOut, err)
}
