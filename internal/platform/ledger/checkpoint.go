package ledger

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// checkpointEvery is how often a head is kept as a checkpoint, where there are new leaves.
const checkpointEvery = 10 * time.Minute

// Checkpoint is a state of the tree that the ledger's key signed.
type Checkpoint struct {
	Origin string
	Size   int64 // leaves
	Root   tlog.Hash
	Time   time.Time // when it was kept; zero for one that was read from a text
	Note   string    // the signed text
}

// openKey reads the signing key, or makes it at the first start.
func openKey(path string) (note.Signer, string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, "", fmt.Errorf("making the signing key: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, "", fmt.Errorf("the signing key: %w", err)
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, "", fault.New(fault.Invalid, "fault.ledger.key_open", "the signing key %s can be read by others (mode %v)", path, info.Mode().Perm())
	}
	private, public, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	signer, err := note.NewSigner(strings.TrimSpace(private))
	if err != nil {
		return nil, "", fault.New(fault.Invalid, "fault.ledger.key", "the signing key %s cannot be read", path) // never with its text
	}
	public = strings.TrimSpace(public)
	if verifier, err := note.NewVerifier(public); err != nil || verifier.KeyHash() != signer.KeyHash() || verifier.Name() != signer.Name() {
		return nil, "", fault.New(fault.Invalid, "fault.ledger.key", "the signing key %s has not its public key on the second line", path)
	}
	return signer, public, nil
}

// makeKey makes a key whose name is this ledger's origin. The file is complete or not there.
func makeKey(path string) error {
	private, public, err := note.GenerateKey(rand.Reader, "yagura-"+strings.ToLower(rand.Text()[:10]))
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".ledger-key-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // gone already when all went well
	_, err = fmt.Fprintf(file, "%s\n%s\n", private, public)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), path) // never over a key that is there
}

func signNote(signer note.Signer, text string) (string, error) {
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	return string(signed), err
}

// ParseCheckpoint reads a signed checkpoint and checks its signature. The error is fault.Invalid.
func ParseCheckpoint(text, publicKey string) (Checkpoint, error) {
	verifier, err := note.NewVerifier(publicKey)
	if err != nil {
		return Checkpoint{}, fault.New(fault.Invalid, "fault.ledger.public_key", "the public key: %w", err)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fault.New(fault.Invalid, "fault.ledger.checkpoint", "the checkpoint: %w", err)
	}
	c, err := parseBody(opened.Text)
	if err == nil && c.Origin != verifier.Name() {
		err = fmt.Errorf("it is of the ledger %q", c.Origin)
	}
	if err != nil {
		return Checkpoint{}, fault.New(fault.Invalid, "fault.ledger.checkpoint", "the checkpoint: %w", err)
	}
	c.Note = text
	return c, nil
}

// parseBody reads "origin, size, root" and ignores the extension lines that the format allows after them.
func parseBody(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return Checkpoint{}, errors.New("it has fewer than three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%q is no number of leaves", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%q is no root", lines[2])
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// Checkpoint keeps the newest head as a checkpoint and returns it. A checkpoint is a record itself, with a leaf; where nothing but
// that leaf is new, the kept one is returned. The error is fault.NotFound while there is no leaf.
func (l *Log) Checkpoint(ctx context.Context) (Checkpoint, error) {
	var c Checkpoint
	err := l.db.Write(ctx, func(tx *db.Tx) error {
		now, err := l.loadHead(tx)
		if err != nil {
			return err
		}
		if now.size == 0 {
			return fault.New(fault.NotFound, "", "the ledger has no leaf yet")
		}
		if c, err = newestCheckpoint(tx); err != nil || (c.Note != "" && c.Size+1 >= now.size) {
			return err
		}
		if c, err = ParseCheckpoint(now.note, l.public); err != nil {
			return err
		}
		c.Time = tx.Now()
		id := strconv.FormatInt(c.Size, 10)
		_, err = tx.Exec(`INSERT INTO ledger_checkpoint (id, size, at, note) VALUES ($1, $2, $3, $4)`, id, c.Size, db.Micros(c.Time), c.Note)
		if err != nil {
			return err
		}
		return l.Append(tx, Entry{Table: "ledger_checkpoint", Key: id, Action: "create"})
	})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("keeping a checkpoint: %w", err)
	}
	return c, nil
}

// newestCheckpoint returns the newest checkpoint that is kept, zero where there is none.
func newestCheckpoint(tx *db.Tx) (c Checkpoint, err error) {
	var at int64
	err = tx.QueryRow(`SELECT size, at, note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1`).Scan(&c.Size, &at, &c.Note)
	if fault.Is(err, fault.NotFound) {
		return Checkpoint{}, nil
	}
	c.Time = db.Time(at)
	return c, err
}

// Run keeps checkpoints while there is something new, until ctx ends, and a last one then. Beside that it verifies the ledger once a day
// and when it is asked to; a verification that runs when ctx ends is given up.
func (l *Log) Run(ctx context.Context, log *slog.Logger) {
	var verifications sync.WaitGroup
	verifications.Go(func() { l.runVerifications(ctx, log) })
	defer verifications.Wait()
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		if _, err := l.Checkpoint(limit); err != nil && !fault.Is(err, fault.NotFound) {
			log.Error("the ledger's checkpoint could not be kept", "error", err)
		}
		if err := l.KeepBeside(limit); err != nil {
			log.Error("the ledger's checkpoint beside its key could not be kept", "error", err)
		}
		cancel()
	}
}
