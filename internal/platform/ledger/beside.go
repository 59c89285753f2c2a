package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// besideKey is where a checkpoint is kept beside the signing key: outside of the database, so that who has that alone cannot put it
// back to an earlier state, or to none, unnoticed.
func besideKey(keyFile string) string {
	return strings.TrimSuffix(keyFile, filepath.Ext(keyFile)) + ".checkpoint"
}

// beside returns the checkpoint beside the key, zero where there is none. The error says that what is there is no checkpoint of this ledger.
func (l *Log) beside() (Checkpoint, error) {
	text, err := os.ReadFile(l.besideKey)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, nil
	}
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(string(text), l.public)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", l.besideKey, err)
	}
	return c, nil
}

// KeepBeside keeps the newest signed state beside the key. Where the history does not contain the one that is there, it stays, and the error says
// so: an administrator who knows why (a backup was restored) removes the file.
func (l *Log) KeepBeside(ctx context.Context) error {
	before, err := l.beside()
	if err != nil {
		return fmt.Errorf("keeping a checkpoint beside the key: %w", err)
	}
	var now head
	err = l.db.Read(ctx, func(tx *db.Tx) error {
		if now, err = l.loadHead(tx); err != nil || before.Size == 0 {
			return err
		}
		if now.size < before.Size {
			return fmt.Errorf("it has %d leaves, fewer than the %d of %s", now.size, before.Size, l.besideKey)
		}
		root, err := tlog.TreeHash(before.Size, hashReader(tx))
		if err == nil && root != before.Root {
			err = fmt.Errorf("at %d leaves it is not that of %s", before.Size, l.besideKey)
		}
		return err
	})
	if err != nil {
		return fault.New(fault.Conflict, "", "the ledger's history is not the one that was kept: %w", err)
	}
	if now.size == before.Size {
		return nil
	}
	return replaceFile(l.besideKey, now.note)
}

// replaceFile writes a file whole, or leaves what is there.
func replaceFile(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".ledger-checkpoint-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // gone already when all went well
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// sound reports whether the leaves are those that were signed, and the history the one that was kept. What the ledger says of itself decides which
// rows are adopted: somebody who hid or changed leaves while the server was stopped would otherwise have their rows signed at its start.
func (l *Log) sound(ctx context.Context, tx *db.Tx) (bool, error) {
	elsewhere, report := l.marks(nil), new(Report)
	v := &verification{log: l, report: report}
	_, err := v.growTree(ctx, tx, elsewhere.list)
	return report.OK() && elsewhere.problem == nil, err
}

// marks are the checkpoints that the history must contain: those given and the one beside the key.
type marks struct {
	list    []Checkpoint
	problem *Problem // of the one beside the key
}

func (l *Log) marks(given []Checkpoint) (m marks) {
	m.list = append(m.list, given...)
	switch c, err := l.beside(); {
	case err != nil:
		m.problem = &Problem{Kind: CheckpointLost, Index: -1, Detail: err.Error()}
	case c.Size > 0:
		m.list = append(m.list, c)
	}
	return m
}
