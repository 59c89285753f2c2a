package record

import (
	"context"
	"io"
	"path"
	"strings"
	"time"
	"unicode"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	// DefaultMaxFile is the largest attachment where nothing else is configured: 1 GiB.
	DefaultMaxFile = 1 << 30
	// MaxAttachments is how many a record may have, removed ones included.
	MaxAttachments = 500
	// MaxPlace is the longest name of a place, in characters; MaxFileName that of a file.
	MaxPlace    = 200
	MaxFileName = 200
)

// What is done to attachments, in the history; the chain of custody has it in its own words.
const (
	attached        = "attach"
	attachMoved     = "attach.place"
	attachOffered   = "attach.offer"
	attachTaken     = "attach.take"
	attachDamaged   = "attach.damaged"
	attachRemoved   = "attach.remove"
	attachNameField = "attach.name" // no fields of a kind: they have dots
	attachPlace     = "attach.place"
	attachHolder    = "attach.holder"
)

// Attachment is a file that belongs to a record. Everything of it that came from outside is hostile: it is never unpacked or understood.
type Attachment struct {
	ID       string
	Kind     string
	RecordID string
	At       time.Time
	Author   string
	Name     string // without folders and control characters
	Size     int64
	SHA256   string
	Media    string // by its first bytes, whatever its name says
	Note     string
	Place    string // where the physical original lies
	Holder   string // who answers for the original
	Offered  string // who is to take it over and has not yet confirmed, "" for nobody
	// CheckedAt is when its bytes were last compared with SHA256, Damaged what they were then where they differed.
	CheckedAt  time.Time
	Damaged    string
	RemovedAt  time.Time
	RemovedBy  string
	RemovedWhy string
	ErasedAt   time.Time // when the file of a removed one was given up
	Version    int64
}

// Attaching is what goes with a file.
type Attaching struct {
	Name  string
	Note  string
	Place string
}

// MaxFile is the largest file that can be attached, in bytes.
func (s *Store) MaxFile() int64 {
	if s.opt.MaxFile > 0 {
		return s.opt.MaxFile
	}
	return DefaultMaxFile
}

// Attach adds a file to a record that somebody may change. It is on disk before it is in the database; memory does not grow with it.
// Errors: fault.TooLarge, Wrong, fault.Conflict where the record has MaxAttachments.
func (s *Store) Attach(ctx context.Context, by *auth.User, kind, id string, file io.Reader, with Attaching) (a Attachment, err error) {
	a = Attachment{ID: db.NewID(), Kind: kind, RecordID: id, Name: fileName(with.Name), Version: 1}
	if a.Note, err = textOf("note", with.Note, MaxNote, false); err != nil {
		return a, err
	}
	if a.Place, err = lineOf("place", with.Place, MaxPlace, false); err != nil {
		return a, err
	}
	may := func(tx *db.Tx) (*Record, error) { return s.mayAttach(tx, by, kind, id) }
	// Nobody fills the disk who may not attach.
	if err := s.opt.DB.Read(ctx, func(tx *db.Tx) error { _, err := may(tx); return err }); err != nil {
		return a, err
	}
	first := new(head)
	stored, err := s.opt.Blobs.Put(ctx, io.TeeReader(file, first), s.MaxFile())
	if err != nil {
		return a, err
	}
	a.Size, a.SHA256 = stored.Size, stored.SHA256
	a.Media, _ = blob.Kind(a.Name, first.bytes)
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := may(tx)
		if err != nil {
			return err
		}
		a.At, a.Author, a.Holder = tx.Now(), tx.Actor(), tx.Actor()
		err = s.put(tx, "record_attachment", a.ID, "create", `INSERT INTO record_attachment (`+attachmentColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $5, '', 0, '', 0, '', '', 0, 1)`,
			a.ID, kind, id, db.Micros(a.At), a.Author, a.Name, a.Size, a.SHA256, a.Media, a.Note, a.Place)
		if err != nil {
			return err
		}
		if err := s.custody(tx, a.ID, Received, "", a.SHA256, a.Place); err != nil {
			return err
		}
		return s.happened(tx, r, attached, a.Note, []Change{{attachNameField, "", a.Name}})
	})
	return a, err
}

// mayAttach refuses who may not change the record, and a record that has enough.
func (s *Store) mayAttach(tx *db.Tx, by *auth.User, kind, id string) (*Record, error) {
	_, r, err := s.forWriting(tx, by, kind, id)
	if err != nil {
		return nil, err
	}
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM record_attachment WHERE kind = $1 AND record_id = $2`, kind, id).Scan(&n); err != nil {
		return nil, err
	}
	if n >= MaxAttachments {
		return nil, &fault.Error{Code: fault.Conflict, Key: "record.fault.attachments", Args: []any{MaxAttachments}, Detail: "the record has as many attachments as it may have"}
	}
	return r, nil
}

// head keeps the first bytes that pass, by which blob.Kind knows a file.
type head struct{ bytes []byte }

const headSize = 4 << 10

func (h *head) Write(p []byte) (int, error) {
	if room := headSize - len(h.bytes); room > 0 {
		h.bytes = append(h.bytes, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// fileName makes a name from outside fit to be shown and to be saved under: its last part, without what steers terminals, turns the
// direction of writing ("fdp.exe" shown as "exe.pdf") or is refused by Windows.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(clean(name), `\`, "/"))
	name = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsControl(c), unicode.Is(unicode.Cf, c), unicode.Is(unicode.Zl, c), unicode.Is(unicode.Zp, c):
			return -1
		case strings.ContainsRune(`<>:"|?*`, c):
			return '_'
		}
		return c
	}, name)
	name = strings.Trim(name, " .")
	if name == "" || name == "/" {
		return "file"
	}
	if runes := []rune(name); len(runes) > MaxFileName {
		end := []rune(path.Ext(name))
		end = end[:min(len(end), 20)]
		name = string(runes[:MaxFileName-len(end)]) + string(end)
	}
	return name
}

const attachmentColumns = `id, kind, record_id, at, author, name, size, sha256, media, note, place, holder, offered, checked_at, damaged,
	removed_at, removed_by, removed_why, erased_at, version`

func scanAttachment(row db.Scanner) (a Attachment, err error) {
	var at, checked, removed, erased int64
	err = row.Scan(&a.ID, &a.Kind, &a.RecordID, &at, &a.Author, &a.Name, &a.Size, &a.SHA256, &a.Media, &a.Note, &a.Place, &a.Holder, &a.Offered,
		&checked, &a.Damaged, &removed, &a.RemovedBy, &a.RemovedWhy, &erased, &a.Version)
	a.At, a.CheckedAt, a.RemovedAt, a.ErasedAt = db.Time(at), db.Time(checked), db.Time(removed), db.Time(erased)
	return a, err
}

// Attachments returns the files of a record that may be shown to somebody, in the order they came, removed ones among them.
func (s *Store) Attachments(ctx context.Context, by *auth.User, kind, id string) (list []Attachment, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.GetTx(tx, by, kind, id); err != nil {
			return err
		}
		list, err = db.List(tx, scanAttachment, `SELECT `+attachmentColumns+` FROM record_attachment WHERE kind = $1 AND record_id = $2
			ORDER BY id LIMIT $3`, kind, id, MaxAttachments)
		return err
	})
	return list, err
}

// Attachment returns one file of a record that may be shown to somebody; another record's is a fault.NotFound.
func (s *Store) Attachment(ctx context.Context, by *auth.User, kind, id, attachment string) (a Attachment, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		_, a, err = s.attachment(tx, by, kind, id, attachment)
		return err
	})
	return a, err
}

func (s *Store) attachment(tx *db.Tx, by *auth.User, kind, id, attachment string) (*Record, Attachment, error) {
	r, err := s.GetTx(tx, by, kind, id)
	if err != nil {
		return nil, Attachment{}, err
	}
	a, err := scanAttachment(tx.QueryRow(`SELECT `+attachmentColumns+` FROM record_attachment WHERE id = $1 AND kind = $2 AND record_id = $3`, attachment, kind, id))
	if fault.Is(err, fault.NotFound) {
		err = noneOf("attachment", attachment)
	}
	return r, a, err
}

// Look is how much of a file somebody means to see, by which the chain of custody knows a reading.
type Look int

// LookWhole is all of it, and a reading of its own. LookPart is a part: those that one person asks for within OneReading of a reading are that
// same reading, however many there are. LookOutside is what it is called and how large it is: no reading.
const (
	LookWhole Look = iota
	LookPart
	LookOutside
)

// OneReading is how long after a reading the parts that its reader asks for belong to it: programs fetch large files, and viewers PDF, in parts.
const OneReading = 10 * time.Minute

// OpenAttachment opens a file for reading, and writes into its chain of custody who reads it. Removed ones are not opened. The context must
// last as long as it is read.
func (s *Store) OpenAttachment(ctx context.Context, by *auth.User, kind, id, attachment string, look Look) (a Attachment, content io.ReadSeekCloser, err error) {
	may := func(tx *db.Tx) error {
		if _, a, err = s.attachment(tx, by, kind, id, attachment); err == nil && !a.RemovedAt.IsZero() {
			err = noneOf("attachment", attachment)
		}
		return err
	}
	if err = s.opt.DB.Read(ctx, may); err != nil {
		return a, nil, err
	}
	// Beside the transaction that writes: a bucket may take its time, and others wait for their turn.
	if content, err = s.opt.Blobs.Open(ctx, a.SHA256); err != nil {
		return a, nil, err
	}
	if look == LookOutside {
		return a, content, nil
	}
	known := false
	if look == LookPart { // most parts are of a reading that is written down: no wait for a turn to write
		err = s.opt.DB.Read(ctx, func(tx *db.Tx) (err error) { known, err = readLately(tx, by, attachment); return err })
	}
	if err == nil && !known {
		err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			if err := may(tx); err != nil {
				return err
			}
			if look == LookPart { // asked for at the same time as others
				if known, err := readLately(tx, by, a.ID); known || err != nil {
					return err
				}
			}
			return s.custody(tx, a.ID, Read, "", "", "")
		})
	}
	if err != nil {
		_ = content.Close()
		return a, nil, err
	}
	return a, content, nil
}

// readLately reports whether somebody's reading of a file that a part may belong to is in its chain of custody.
func readLately(tx *db.Tx, by *auth.User, attachment string) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM record_custody WHERE attachment_id = $1 AND actor = $2 AND action = $3 AND at > $4 LIMIT 1) AS found`,
		attachment, by.ID, Read, db.Micros(tx.Now().Add(-OneReading))).Scan(&n)
	return n > 0, err
}

// Used reports whether an attachment needs a stored file: all that are there do, and those that were removed until Purge gave them up.
func (s *Store) Used(ctx context.Context, sha string) (used bool, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		var n int
		err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM record_attachment WHERE sha256 = $1 AND erased_at = 0 LIMIT 1) AS found`, sha).Scan(&n)
		used = n > 0
		return err
	})
	return used, err
}

// purgeBatch is how many attachments are given up in one transaction.
const purgeBatch = 200

// Purge gives up the files of attachments that were removed longer ago than they are kept. What they were stays listed; blob.Store's Sweep
// takes the files away that nothing uses any more.
func (s *Store) Purge(ctx context.Context) (n int, err error) {
	if s.opt.KeepRemoved <= 0 {
		return 0, nil
	}
	for {
		some := 0
		err := s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			list, err := db.List(tx, scanAttachment, `SELECT `+attachmentColumns+` FROM record_attachment
				WHERE removed_at > 0 AND removed_at < $1 AND erased_at = 0 ORDER BY removed_at, id LIMIT $2`, db.Micros(tx.Now().Add(-s.opt.KeepRemoved)), purgeBatch)
			if err != nil {
				return err
			}
			for _, a := range list {
				err := s.put(tx, "record_attachment", a.ID, "erase", `UPDATE record_attachment SET erased_at = $1, version = version + 1 WHERE id = $2`, db.Micros(tx.Now()), a.ID)
				if err == nil {
					err = s.custody(tx, a.ID, Erased, a.SHA256, "", "")
				}
				if err != nil {
					return err
				}
			}
			some = len(list)
			return nil
		})
		if n += some; err != nil || some < purgeBatch {
			return n, err
		}
	}
}
