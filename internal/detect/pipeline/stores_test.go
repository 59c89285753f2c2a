package pipeline_test

import (
	"context"
	"errors"
	"path/filepath"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/db"
	"yagura/internal/platform/logstore"
	"yagura/internal/platform/record"
)

// stores are the program's own log store and alerts in a folder.
type stores struct {
	store  *logstore.Store
	alerts *alert.Store
	db     *db.DB
}

func openStores(ctx context.Context, dir string) (s *stores, err error) {
	s = new(stores)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.store, err = logstore.Open(filepath.Join(dir, "store"), logstore.Options{}); err != nil {
		return s, err
	}
	if s.db, err = db.Open(ctx, filepath.Join(dir, "alerts.db")); err != nil {
		return s, err
	}
	s.alerts = alert.NewStore(s.db, alert.Options{})
	if err := s.db.Migrate(ctx, "record", record.Migrations()); err != nil {
		return s, err
	}
	return s, s.db.Migrate(ctx, "alert", alert.Migrations())
}

func (s *stores) close() error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}
