package app

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"

	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/httpd"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/mail"
	"yagura/internal/platform/seal"
)

// KeyOptions say where the keys of secrets at rest come from.
func KeyOptions(c *config.Config) seal.Options {
	return seal.Options{
		File: cmp.Or(c.Secrets.KeyFile, filepath.Join(c.Data, "seal.key")), Env: c.Secrets.Key.Reveal(), Command: c.Secrets.Command, Wrapped: c.Secrets.Wrapped,
	}
}

// ACMEFolder is where certificates of an authority and their keys are kept, sealed.
func ACMEFolder(c *config.Config) string { return filepath.Join(c.Data, "acme") }

// OpenKeys opens what looking after the keys takes: the keys, the database and its ledger, and nobody's account. Other than
// OpenRecords it goes on where a key is missing, so that a command can name it. The key file must be there.
func OpenKeys(ctx context.Context, c *config.Config) (x *Records, err error) {
	x = &Records{Config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.Close())
		}
	}()
	if x.Keys, err = seal.Load(ctx, KeyOptions(c)); err != nil {
		return x, err
	}
	if x.DB, err = db.Open(ctx, cmp.Or(c.Database.URL.Reveal(), DatabasePath(c))); err != nil {
		return x, err
	}
	if err := migrate(ctx, x.DB); err != nil {
		return x, err
	}
	if x.Mail, err = mail.Open(ctx, mail.Options{DB: x.DB, Keys: x.Keys}); err != nil { // its table; nothing is sent
		return x, err
	}
	if x.Ledger, err = ledger.Open(ctx, x.DB, ledger.Options{KeyFile: filepath.Join(c.Data, "ledger.key")}); err != nil {
		return x, err
	}
	return x, x.Ledger.Track(ctx, Tables()...)
}

// Sealed is how many values lie under a key, by where they lie.
type Sealed map[string]int64

// Total is how many values these are.
func (s Sealed) Total() (n int64) {
	for _, count := range s {
		n += count
	}
	return n
}

// SurveyKeys counts what is sealed, by the id of its key. What no key of ours can have sealed counts under "".
func (x *Records) SurveyKeys(ctx context.Context) (map[string]Sealed, error) {
	all := make(map[string]Sealed)
	add := func(place string, counts map[string]int64) {
		for id, n := range counts {
			if all[id] == nil {
				all[id] = make(Sealed)
			}
			all[id][place] += n
		}
	}
	for _, c := range SealedColumns() {
		counts, err := seal.Survey(ctx, x.DB, []seal.Column{c})
		if err != nil {
			return nil, err
		}
		add(c.String(), counts)
	}
	counts, err := httpd.SurveyACME(ACMEFolder(x.Config))
	if err != nil {
		return nil, err
	}
	add("acme", counts)
	return all, nil
}

// RotateKeys re-seals what is sealed in the database under another key than the newest. Records get a leaf each, in the
// transaction that re-seals them: the ledger says that the stored form changed, and who changed it.
func (x *Records) RotateKeys(ctx context.Context, progress func(c seal.Column, resealed int64)) (seal.Report, error) {
	records := Tables()
	return x.Keys.Rotate(ctx, x.DB, seal.Rotation{
		Columns: SealedColumns(), Progress: progress,
		Changed: func(tx *db.Tx, c seal.Column, id string) error {
			if !slices.ContainsFunc(records, func(t ledger.Table) bool { return t.Name == c.Table && !slices.Contains(t.Omit, c.Column) }) {
				return nil
			}
			return x.Ledger.Append(tx, ledger.Entry{Table: c.Table, Key: id, Action: "reseal"})
		},
	})
}
