package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yagura/internal/app"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

type ledgerCmd struct {
	Verify     ledgerVerifyCmd     `cmd:"" help:"Check that nobody rewrote history: the whole ledger, or a proof's file."`
	Prove      ledgerProveCmd      `cmd:"" help:"Write one record's history as a file that anybody can check with the public key."`
	Checkpoint ledgerCheckpointCmd `cmd:"" help:"Print the newest signed checkpoint, to keep elsewhere."`
	Adopt      ledgerAdoptCmd      `cmd:"" help:"Accept the rows of a table as they are, after a look at what verify names."`
	Key        ledgerKeyCmd        `cmd:"" help:"Print the public key that checks checkpoints and proofs."`
}

// maxProof is how large a file of a proof or a checkpoint may be.
const maxProof = 64 << 20

// withLedger opens the ledger of the data folder, beside a running server or without one. Unlike a server's start it adopts nothing: what is
// verified is what is there.
func withLedger(ctx context.Context, g *Globals, fn func(context.Context, *ledger.Log) error) error {
	ctx = db.WithActor(ctx, "local")
	conf, _, err := g.load(nil)
	if err != nil {
		return err
	}
	place, err := databaseOf(conf)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, place)
	if err != nil {
		return err
	}
	defer d.Close() // every write is committed already
	log, err := ledger.Open(ctx, d, ledger.Options{KeyFile: filepath.Join(conf.Data, "ledger.key")})
	if err != nil {
		return err
	}
	if err := log.Declare(ctx, app.Tables()...); err != nil {
		return err
	}
	return fn(ctx, log)
}

// databaseOf is where the records are; a file must be there already: one that this command made would verify, and prove nothing.
func databaseOf(conf *config.Config) (string, error) {
	if url := string(conf.Database.URL); url != "" {
		return url, nil
	}
	path := app.DatabasePath(conf)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.NotFound, "", "there is no database %s", path)
	}
	return path, nil
}

type ledgerVerifyCmd struct {
	Checkpoint []string `placeholder:"FILE" type:"existingfile" help:"A checkpoint that was kept elsewhere, which the history must contain (can be repeated)."`
	Key        string   `placeholder:"KEY" help:"The public key, to check a proof without the ledger's database."`
	File       string   `arg:"" optional:"" type:"existingfile" help:"A proof's file; without one, the whole ledger."`
}

// Run verifies. What was found is printed; the exit code is 1 then.
func (c *ledgerVerifyCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	if c.File != "" {
		return c.proof(ctx, g, io)
	}
	return withLedger(ctx, g, func(ctx context.Context, log *ledger.Log) error {
		opt, err := c.options(log, io)
		if err != nil {
			return err
		}
		report, err := log.Verify(ctx, opt)
		if err != nil {
			return err
		}
		return printReport(io, report)
	})
}

func (c *ledgerVerifyCmd) options(log *ledger.Log, io *streams) (opt ledger.VerifyOptions, err error) {
	for _, path := range c.Checkpoint {
		text, err := readSmall(path)
		if err != nil {
			return opt, err
		}
		checkpoint, err := ledger.ParseCheckpoint(string(text), cmp.Or(c.Key, log.PublicKey()))
		if err != nil {
			return opt, fmt.Errorf("%s: %w", path, err)
		}
		opt.Checkpoints = append(opt.Checkpoints, checkpoint)
	}
	if _, ok := terminal(io.err); ok {
		opt.Progress = func(leaves, rows int64) { fmt.Fprintf(io.err, "\r%d changes, %d records ", leaves, rows) }
	}
	return opt, nil
}

func (c *ledgerVerifyCmd) proof(ctx context.Context, g *Globals, io *streams) error {
	if len(c.Checkpoint) > 0 {
		return fault.New(fault.Invalid, "", "--checkpoint goes with the whole ledger, not with a proof's file")
	}
	key := c.Key
	if key == "" {
		err := withLedger(ctx, g, func(_ context.Context, log *ledger.Log) error { key = log.PublicKey(); return nil })
		if err != nil {
			return fmt.Errorf("without --key the ledger's own is used: %w", err)
		}
	}
	data, err := readSmall(c.File)
	if err != nil {
		return err
	}
	p, at, err := ledger.CheckProof(data, key)
	if err != nil {
		fmt.Fprintln(io.err, "yagura:", oneLine(err.Error()))
		return errTampered
	}
	fmt.Fprintf(io.out, "The proof holds: %s %s, %d changes, signed by %s at %d changes.\n", oneLine(p.Table), oneLine(p.Key), len(p.Leaves), at.Origin, at.Size)
	for _, f := range p.Leaves {
		fmt.Fprintf(io.out, "  %s  %s  %s\n", db.Time(f.Time).Format(time.RFC3339), oneLine(f.Action), oneLine(f.Actor))
	}
	if p.Row == nil {
		fmt.Fprintln(io.out, "The file does not carry the record's content.")
	}
	return nil
}

// errTampered is the end of a verification that found something: the exit code is 1.
var errTampered = errors.New("this is not what was signed")

func printReport(io *streams, r *ledger.Report) error {
	for _, p := range r.Problems {
		fmt.Fprintln(io.out, problemLine(p))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(io.out, "… and %d more\n", r.Omitted)
	}
	fmt.Fprintf(io.err, "%d changes, %d records in %d tables, %d checkpoints: %d problems, in %s\n",
		r.Leaves, r.Rows, len(r.Tables), r.Checkpoints, len(r.Problems)+r.Omitted, r.Took.Round(time.Millisecond))
	if !r.OK() {
		return errTampered
	}
	return nil
}

// problemLine names what was found: kind, record or leaf, what is wrong, and the last honest change.
func problemLine(p ledger.Problem) string {
	var b strings.Builder
	b.WriteString(string(p.Kind))
	if p.Table != "" {
		fmt.Fprintf(&b, " %s/%s", oneLine(p.Table), oneLine(p.Key))
	}
	if p.Index >= 0 {
		fmt.Fprintf(&b, " leaf %d", p.Index)
	}
	fmt.Fprintf(&b, ": %s", oneLine(p.Detail))
	if p.Last != nil {
		fmt.Fprintf(&b, "; last honest change: %s by %s at %s", oneLine(p.Last.Action), oneLine(p.Last.Actor), p.Last.Time.Format(time.RFC3339))
	}
	return b.String()
}

// readSmall reads a file that somebody else may have made.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // it is only read
	data, err := io.ReadAll(io.LimitReader(file, maxProof+1))
	if err == nil && len(data) > maxProof {
		err = fault.New(fault.TooLarge, "", "%s is larger than %d bytes", path, maxProof)
	}
	return data, err
}

type ledgerProveCmd struct {
	Table  string `arg:"" help:"The record's table."`
	Key    string `arg:"" help:"The record's key."`
	Output string `short:"o" required:"" placeholder:"FILE" help:"The file to write; one that is there is not replaced."`
	NoRow  bool   `help:"Leave out the record's content and nonce: the history alone."`
}

// Run writes a proof.
func (c *ledgerProveCmd) Run(ctx context.Context, g *Globals, _ *streams) error {
	return withLedger(ctx, g, func(ctx context.Context, log *ledger.Log) error {
		p, err := log.Prove(ctx, c.Table, c.Key, !c.NoRow)
		if err != nil {
			return err
		}
		data, err := p.Encode()
		if err != nil {
			return err
		}
		file, err := os.OpenFile(c.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = file.Write(data)
		return errors.Join(err, file.Close())
	})
}

type ledgerCheckpointCmd struct{}

// Run prints the newest checkpoint.
func (c *ledgerCheckpointCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withLedger(ctx, g, func(ctx context.Context, log *ledger.Log) error {
		checkpoint, err := log.Checkpoint(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(io.out, checkpoint.Note)
		return err
	})
}

type ledgerAdoptCmd struct {
	Table  string `arg:"" help:"The table whose rows are accepted."`
	Reason string `required:"" help:"Why: it is kept in the ledger."`
}

// Run accepts what verify names in a table, or cannot check.
func (c *ledgerAdoptCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withLedger(ctx, g, func(ctx context.Context, log *ledger.Log) error {
		rows, err := log.Accept(ctx, c.Table, c.Reason)
		if err == nil {
			_, err = fmt.Fprintf(io.out, "%d rows of %s accepted\n", rows, c.Table)
		}
		return err
	})
}

type ledgerKeyCmd struct{}

// Run prints the public key.
func (c *ledgerKeyCmd) Run(ctx context.Context, g *Globals, io *streams) error {
	return withLedger(ctx, g, func(_ context.Context, log *ledger.Log) error {
		_, err := fmt.Fprintln(io.out, log.PublicKey())
		return err
	})
}
