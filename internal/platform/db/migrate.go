package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"yagura/internal/platform/fault"
)

// Migrate brings a room's tables to their newest form. migrations holds "00001_words.sql" files in goose's
// format, of which only the Up part is used. The room's version is kept in the table <room>_schema, so that
// rooms know nothing of each other's. It returns a fault.Unavailable where the database was written by a newer
// program: going back would lose what the newer one keeps.
func (d *DB) Migrate(ctx context.Context, room string, migrations fs.FS) error {
	options := []goose.ProviderOption{
		goose.WithTableName(room + "_schema"),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	if d.engine.dialect == goose.DialectPostgres {
		// Several nodes may start at once. SQLite belongs to one process, which its data folder's lock sees to.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock))
		if err != nil {
			return fmt.Errorf("migrations of %s: %w", room, err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(d.engine.dialect, d.write, migrations, options...)
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", room, err)
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", room, translate(err))
	}
	if current > newest {
		return fault.New(fault.Unavailable, "fault.database_newer",
			"the tables of %s are of version %d, written by a newer program than this one, which knows up to %d", room, current, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrations of %s: %w", room, translate(err))
	}
	return nil
}
