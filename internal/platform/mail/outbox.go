// Package mail sends mail: invitations, resets, notices. A mail is put into the outbox in the transaction of what it tells
// about, so that a rollback sends nothing and a commit loses nothing; a worker sends it from there.
//
// What it promises:
//
//   - A mail is sent, or it is found under Failed with the server's last words. It is tried for a day (or until
//     Message.Until), with growing pauses; a recipient that the server refuses for good fails at once.
//   - Two nodes on one database do not send the same mail: each claims what it sends. Only a node that dies, or loses its
//     connection, between the server's taking a mail and knowing of it makes it go out twice, then under the same
//     Message-ID.
//   - At rest a mail is sealed (its links may open doors); once sent it is deleted.
//   - One recipient a mail: nobody learns of others. A subject or an address cannot bring in headers of its own.
//   - No address, subject or text is in the log.
package mail

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/seal"
)

//go:embed migrations
var migrations embed.FS

const (
	// lifetime is how long a mail is tried.
	lifetime = 24 * time.Hour
	// keepFailed is how long a mail that could not be sent is kept.
	keepFailed = 30 * 24 * time.Hour
)

// Options are what an Outbox needs.
type Options struct {
	DB   *db.DB
	Keys *seal.Keys
	SMTP SMTP // an empty Server turns mail off
	Log  *slog.Logger
}

// Outbox is the mails that wait. It is safe for concurrent use.
type Outbox struct {
	db        *db.DB
	keys      *seal.Keys
	transport *transport // nil when mail is off
	log       *slog.Logger
	wake      chan struct{}
}

// Columns are the sealed columns of the outbox, for rotation.
func Columns() []seal.Column {
	return []seal.Column{{Table: "mail_outbox", Key: "id", Column: "sealed"}}
}

// Open brings the outbox's table up to date and checks the settings; it does not connect yet.
func Open(ctx context.Context, opt Options) (*Outbox, error) {
	o := &Outbox{db: opt.DB, keys: opt.Keys, log: opt.Log, wake: make(chan struct{}, 1)}
	if opt.SMTP.Server != "" {
		var err error
		if o.transport, err = opt.SMTP.check(); err != nil {
			return nil, err
		}
	}
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return o, opt.DB.Migrate(ctx, "mail", steps)
}

// Enabled reports whether there is a mail server. Where there is none, show the link instead.
func (o *Outbox) Enabled() bool { return o.transport != nil }

// Enqueue puts a mail into the outbox; it goes out once tx is committed. A fault.Invalid or fault.TooLarge says what is
// wrong with it, a fault.Unavailable that mail is off.
func (o *Outbox) Enqueue(tx *db.Tx, m Message) error {
	if !o.Enabled() {
		return fault.New(fault.Unavailable, "mail.fault.off", "no mail server is configured")
	}
	l, recipient, err := m.check()
	if err != nil {
		return err
	}
	plain, err := l.encode()
	if err != nil {
		return err
	}
	defer clear(plain)
	id := db.NewID()
	sealed, err := o.keys.Seal(Columns()[0].Purpose(id), plain)
	if err != nil {
		return err
	}
	until := tx.Now().Add(lifetime)
	if !m.Until.IsZero() && m.Until.Before(until) {
		until = m.Until
	}
	now := db.Micros(tx.Now())
	_, err = tx.Exec(`INSERT INTO mail_outbox (id, recipient, sealed, created_at, until_at, due_at, attempts, claim, failed_at, error)
		VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, '')`, id, recipient, sealed, now, db.Micros(until), now)
	if err != nil {
		return err
	}
	tx.AfterCommit(o.nudge)
	return nil
}

// nudge has the worker look at once.
func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Probe connects, signs in and says goodbye: for a "test" button. The error is a fault.Unavailable with the server's words.
func (o *Outbox) Probe(ctx context.Context) error {
	if !o.Enabled() {
		return fault.New(fault.Unavailable, "mail.fault.off", "no mail server is configured")
	}
	connection, err := o.transport.dial(ctx)
	if err != nil {
		return fault.New(fault.Unavailable, "mail.fault.server", "the mail server: %w", err)
	}
	connection.close()
	return nil
}
