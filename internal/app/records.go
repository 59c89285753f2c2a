package app

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"yagura/internal/platform/access"
	"yagura/internal/platform/approval"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/calendar"
	"yagura/internal/platform/config"
	"yagura/internal/platform/db"
	"yagura/internal/platform/document"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/letter"
	"yagura/internal/platform/mail"
	"yagura/internal/platform/notify"
	noticeroom "yagura/internal/platform/notify/room"
	"yagura/internal/platform/preference"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/desk"
	"yagura/internal/platform/scim"
	"yagura/internal/platform/seal"
)

//go:embed roles.yml
var rolesFile []byte

// Records is the database and what stands on it: keys, ledger, jobs, people, mail. The server has one, and so have the commands that
// work beside a server or on a stopped one's data folder.
type Records struct {
	Config    *config.Config
	Keys      *seal.Keys
	DB        *db.DB
	Blobs     *blob.Store
	Press     *document.Press
	Ledger    *ledger.Log
	Roles     *access.Roles
	Jobs      *jobs.Queue
	Mail      *mail.Outbox
	Accounts  *auth.Accounts
	Notify    *notify.Notifier
	Approvals *approval.Approvals
	Record    *record.Store
	// Organisation is how days are counted here: fiscal years, holidays, the zone of deadlines.
	Organisation calendar.Organisation

	breached *auth.Lists
}

// RecordsOptions are what differs between a server and a command.
type RecordsOptions struct {
	Log       *slog.Logger // nil is slog.Default()
	Demo      bool         // visitors from this machine are signed in
	PublicURL string       // where people find the server; "" is the configured one
	Events    auth.Events  // takes security events; nil leaves them to the log
}

// DatabasePath is the file of the records where no other database is configured.
func DatabasePath(c *config.Config) string { return filepath.Join(c.Data, "yagura.db") }

// OpenRecords opens the records of the configured data folder, which must be there, and brings their tables up to date.
func OpenRecords(ctx context.Context, c *config.Config, opt RecordsOptions) (x *Records, err error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	opt.PublicURL = cmp.Or(opt.PublicURL, c.HTTP.PublicURL)
	x = &Records{Config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.Close())
		}
	}()
	if x.Organisation, err = organisation(c.Organisation); err != nil {
		return x, err
	}
	if x.Keys, err = seal.Load(ctx, KeyOptions(c)); err != nil {
		return x, err
	}
	if x.DB, err = db.Open(ctx, cmp.Or(c.Database.URL.Reveal(), DatabasePath(c))); err != nil {
		return x, err
	}
	x.Press = document.NewPress(document.Options{Chromium: c.Documents.Chromium, Font: c.Documents.Font, Log: opt.Log})
	s3 := c.Blob.S3
	if x.Blobs, err = blob.Open(blob.Options{Dir: filepath.Join(c.Data, "blobs"), S3: blob.S3{
		Endpoint: s3.Endpoint, Bucket: s3.Bucket, Region: s3.Region, Prefix: s3.Prefix, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey.Reveal(),
	}}); err != nil {
		return x, err
	}
	if err := migrate(ctx, x.DB); err != nil {
		return x, err
	}
	if x.Ledger, err = ledger.Open(ctx, x.DB, ledger.Options{KeyFile: filepath.Join(c.Data, "ledger.key")}); err != nil {
		return x, err
	}
	if err := x.Ledger.Track(ctx, Tables()...); err != nil {
		return x, err
	}
	if x.Jobs, err = jobs.Open(ctx, jobs.Options{DB: x.DB, Ledger: x.Ledger, Log: opt.Log}); err != nil {
		return x, err
	}
	x.registerJobs(opt.Log)
	if err := x.openPeople(ctx, opt); err != nil {
		return x, err
	}
	return x, x.Keys.Check(ctx, x.DB, SealedColumns())
}

// openPeople opens roles, mail, accounts and approvals.
func (x *Records) openPeople(ctx context.Context, opt RecordsOptions) error {
	c := x.Config
	builtIn, err := access.Parse(rolesFile)
	if err != nil {
		return err
	}
	if x.Roles, err = access.Open(ctx, x.DB, x.Ledger, builtIn); err != nil {
		return err
	}
	x.Mail, err = mail.Open(ctx, mail.Options{DB: x.DB, Keys: x.Keys, Log: opt.Log, SMTP: mail.SMTP{
		Server: c.Mail.Server, Security: c.Mail.Security, User: c.Mail.User, Password: seal.Secret(c.Mail.Password), From: c.Mail.From,
	}})
	if err != nil {
		return err
	}
	letters, err := letter.New(x.Mail, opt.PublicURL)
	if err != nil {
		return err
	}
	settings := auth.Config{
		Roles: x.Roles, Seal: x.Keys, Ledger: x.Ledger, Mailer: letters, PublicURL: opt.PublicURL,
		IdleLimit: time.Duration(c.Auth.Idle), AbsoluteLimit: time.Duration(c.Auth.Absolute), StepUp: time.Duration(c.Auth.StepUp),
		Passive: func(r *http.Request) bool { return r.URL.Path == noticeroom.CountPath || desk.Asking(r) },
		SignOn:  c.OIDC.Issuer != "", AutoSignIn: opt.Demo, Listen: c.HTTP.Listen, Events: opt.Events, Log: opt.Log,
		Forget: []func(*db.Tx, string) error{scim.Forget(x.Ledger), preference.Forget, notify.Forget},
	}
	if c.Auth.Breached != "" {
		if x.breached, err = auth.OpenLists(c.Auth.Breached); err != nil {
			return fault.New(fault.Invalid, "fault.config.file", "auth.breached_passwords: %w", err)
		}
		settings.Breached = x.breached
	}
	if x.Accounts, err = auth.OpenAccounts(ctx, x.DB, settings); err != nil {
		return err
	}
	if err := x.openNotify(letters, opt); err != nil {
		return err
	}
	x.Approvals, err = approval.Open(ctx, approval.Options{DB: x.DB, Ledger: x.Ledger, People: x.Accounts, Required: c.Approvals.Required, Notify: x.Notify})
	x.Notify.Know(x.Approvals.Kind())
	x.Record = record.New(record.Options{
		DB: x.DB, Ledger: x.Ledger, People: x.Accounts, Blobs: x.Blobs, Calendar: x.Organisation.Calendar,
		Class:   record.Class(c.Documents.Classification),
		MaxFile: int64(c.Attachments.MaxSize), KeepRemoved: time.Duration(c.Attachments.KeepRemoved),
	})
	return err
}

// Close closes what was opened.
func (x *Records) Close() error {
	var errs []error
	if x.breached != nil {
		errs = append(errs, x.breached.Close())
	}
	if x.DB != nil {
		errs = append(errs, x.DB.Close())
	}
	return errors.Join(errs...)
}

// makeDataFolder makes the data folder, for its owner only.
func makeDataFolder(c *config.Config) error {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fault.New(fault.Invalid, "fault.data_folder", "the data folder: %w", err)
	}
	return nil
}

// run keeps the records in order until ctx ends: roles of other nodes, mails, links and sessions that have ended, checkpoints.
func (x *Records) run(ctx context.Context, log *slog.Logger, start func(func() error)) {
	start(func() error { x.Roles.Run(ctx, log); return nil })
	start(func() error { x.Accounts.Run(ctx); return nil })
	start(func() error { x.Ledger.Run(ctx, log); return nil })
	if x.Mail.Enabled() {
		start(func() error {
			if err := x.Mail.Run(ctx); err != nil {
				return fmt.Errorf("sending mail: %w", err)
			}
			return nil
		})
	}
}
