package seal_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/seal"
)

// BenchmarkRotate re-seals 1,000 values an operation. The baseline is what the engine itself takes to change as many rows, each
// in a transaction of a hundred, too.
func BenchmarkRotate(b *testing.B) {
	const rows = 1000
	d := dbtest.New(b)
	err := d.Migrate(b.Context(), "vault", fstest.MapFS{"00001_vault.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE vault_secret (id TEXT NOT NULL PRIMARY KEY, sealed TEXT);")}})
	if err != nil {
		b.Fatal(err)
	}
	keys := []*seal.Keys{rotated(b, '1', '2'), rotated(b, '2', '1')}
	plain := strings.Repeat("k", 32)
	err = d.Write(b.Context(), func(tx *db.Tx) error {
		for i := range rows {
			id := fmt.Sprintf("%06d", i)
			text, err := keys[1].Seal(column.Purpose(id), []byte(plain))
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO vault_secret (id, sealed) VALUES ($1, $2)`, id, text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("rotate", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			report, err := keys[n%2].Rotate(b.Context(), d, seal.Rotation{Columns: []seal.Column{column}})
			if err != nil || report.Failed > 0 {
				b.Fatal(report, err)
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "values/s")
	})
	b.Run("engine alone", func(b *testing.B) {
		for b.Loop() {
			for from := 0; from < rows; from += 100 {
				err := d.Write(b.Context(), func(tx *db.Tx) error {
					for i := from; i < from+100; i++ {
						if _, err := tx.Exec(`UPDATE vault_secret SET sealed = $1 WHERE id = $2`, plain, fmt.Sprintf("%06d", i)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "values/s")
	})
}

func rotated(b *testing.B, older, newest byte) *seal.Keys {
	b.Helper()
	keys, err := seal.Load(b.Context(), seal.Options{Env: secret(older) + "," + secret(newest)})
	if err != nil {
		b.Fatal(err)
	}
	return keys
}
