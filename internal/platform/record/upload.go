package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	// MaxLines is the most lines of an import, MaxCells the most columns.
	MaxLines = 50_000
	MaxCells = 200
	// KeepUpload is how long a list waits for its sender's word.
	KeepUpload = time.Hour
	// maxUploads is how many lists one person has waiting.
	maxUploads = 5
	// uploadBatch is how many lines are read, compared or written at once.
	uploadBatch = 200
)

// Upload is a list that somebody sent to be imported. Nobody but who sent it sees it.
type Upload struct {
	ID       string
	Kind     string
	At       time.Time
	Name     string   // of the file
	Headings []string // its columns
	Mapping  []string // the field that each column is; "" for none
	Blanks   bool     // an empty cell empties the field, instead of leaving it alone
	State    string   // UploadSent, UploadChecked, UploadDone
	Fates    map[Fate]int64
}

// The states of an upload: which columns are which fields is still to be said; a dry run says what would become of each line; imported.
const (
	UploadSent    = "sent"
	UploadChecked = "checked"
	UploadDone    = "done"
)

// Lines is how many lines the list has.
func (u *Upload) Lines() (n int64) {
	for _, count := range u.Fates {
		n += count
	}
	return n
}

// Fate is what becomes of a line.
type Fate string

// The fates: those that a dry run foresees, and those that came of it. A line is late where its record was changed after the dry run.
const (
	FateWaiting Fate = "waiting"
	FateNew     Fate = "new"
	FateChange  Fate = "change"
	FateSame    Fate = "same"
	FateWrong   Fate = "wrong"
	FateMade    Fate = "made"
	FateChanged Fate = "changed"
	FateLate    Fate = "late"
)

// Problem is why a line cannot be imported.
type Problem struct {
	Field string `json:"field"` // "" for the line as a whole
	Key   string `json:"key"`   // of the message
	Args  []any  `json:"args"`
}

// Line is a line of an upload.
type Line struct {
	Number   int64 // in the file, the headings being 1
	Cells    []string
	Fate     Fate
	RecordID string // of the record that it changes, or that was made of it
	Changes  []Change
	Problems []Problem

	version int64
	texts   map[string]string
}

// Upload keeps a list until its sender says what is to be done with it, or for an hour. rows are its lines, the headings first; what ends
// them early is the error. It takes the right to write records of the kind.
func (s *Store) Upload(ctx context.Context, by *auth.User, kind, name string, rows iter.Seq2[[]string, error]) (u *Upload, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	if err := mayImport(k.Kind, by); err != nil {
		return nil, err
	}
	u = &Upload{ID: db.NewID(), Kind: kind, Name: clip(clean(name), 200), State: UploadSent, Fates: make(map[Fate]int64)}
	if err := s.forget(ctx, by); err != nil {
		return nil, err
	}
	var batch []Line
	number := int64(0)
	for cells, err := range rows {
		if err != nil {
			return nil, errors.Join(err, s.DropUpload(context.WithoutCancel(ctx), by, kind, u.ID))
		}
		number++
		if number == 1 {
			if err := s.beginUpload(ctx, by, u, cells); err != nil {
				return nil, err
			}
			continue
		}
		if blankRow(cells) {
			continue
		}
		if batch = append(batch, Line{Number: number, Cells: cut(cells, len(u.Headings))}); len(batch) == uploadBatch {
			if err := s.keepLines(ctx, u, batch); err != nil {
				return nil, errors.Join(err, s.DropUpload(context.WithoutCancel(ctx), by, kind, u.ID))
			}
			batch = batch[:0]
		}
	}
	if err := s.keepLines(ctx, u, batch); err != nil {
		return nil, errors.Join(err, s.DropUpload(context.WithoutCancel(ctx), by, kind, u.ID))
	}
	if u.Fates[FateWaiting] == 0 {
		return nil, errors.Join(invalid("record.import.fault.empty", nil, "the list has no lines"), s.DropUpload(ctx, by, kind, u.ID))
	}
	return u, nil
}

func mayImport(k *Kind, by *auth.User) error {
	if k.Without.Import || k.Without.Create && k.Without.Edit {
		return fault.New(fault.Forbidden, "record.import.fault.never", "records of kind %s are not imported", k.Name)
	}
	if !by.May(k.MayRead()) {
		return fault.New(fault.Forbidden, "fault.forbidden", "reading takes %s", k.MayRead())
	}
	return mayWrite(k, by)
}

func blankRow(cells []string) bool {
	return !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" })
}

// cut gives a row as many cells as there are columns, and makes them fit to be kept.
func cut(cells []string, n int) []string {
	row := make([]string, n)
	for i := range min(n, len(cells)) {
		row[i] = clip(clean(cells[i]), maxLong+1)
	}
	return row
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

// beginUpload keeps the head of a list.
func (s *Store) beginUpload(ctx context.Context, by *auth.User, u *Upload, headings []string) error {
	for len(headings) > 0 && strings.TrimSpace(headings[len(headings)-1]) == "" {
		headings = headings[:len(headings)-1]
	}
	if len(headings) == 0 || len(headings) > MaxCells {
		return invalid("record.import.fault.columns", []any{MaxCells}, "the list has %d columns", len(headings))
	}
	for _, h := range headings {
		u.Headings = append(u.Headings, clip(strings.Join(strings.Fields(clean(h)), " "), 200))
	}
	u.Mapping = make([]string, len(u.Headings))
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		u.At = tx.Now()
		_, err := tx.Exec(`INSERT INTO record_upload (id, kind, person, at, name, headings, mapping, blanks, state) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)`,
			u.ID, u.Kind, by.ID, db.Micros(u.At), u.Name, jsonText(u.Headings), jsonText(u.Mapping), u.State)
		return err
	})
}

// jsonText writes what has only texts and numbers in it, which cannot fail.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a value of this package that is no JSON
	}
	return string(text)
}

func (s *Store) keepLines(ctx context.Context, u *Upload, batch []Line) error {
	if len(batch) == 0 {
		return nil
	}
	if u.Fates[FateWaiting] += int64(len(batch)); u.Fates[FateWaiting] > MaxLines {
		return &fault.Error{Code: fault.TooLarge, Key: "record.import.fault.lines", Args: []any{MaxLines}, Detail: "the list has too many lines"}
	}
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		add, err := tx.Prepare(`INSERT INTO record_upload_line (upload_id, line, cells, fate, record_id, version, texts, changes, problems)
			VALUES ($1, $2, $3, $4, '', 0, '{}', '[]', '[]')`)
		if err != nil {
			return err
		}
		for _, l := range batch {
			if _, err := add.Exec(u.ID, l.Number, jsonText(l.Cells), FateWaiting); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget drops the lists that waited too long, and makes room for one more of the person's.
func (s *Store) forget(ctx context.Context, by *auth.User) error {
	var old []string
	err := s.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
		id := func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) }
		old, err = db.List(tx, id, `SELECT id FROM record_upload WHERE at < $1 LIMIT 100`, db.Micros(tx.Now().Add(-KeepUpload)))
		if err != nil {
			return err
		}
		mine, err := db.List(tx, id, `SELECT id FROM record_upload WHERE person = $1 ORDER BY at DESC, id DESC LIMIT 1000`, by.ID)
		if err == nil && len(mine) >= maxUploads {
			old = append(old, mine[maxUploads-1:]...)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range old {
		if err := s.drop(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// dropBatch is how many lines of a list are dropped at once: others write in between.
const dropBatch = 2000

// drop forgets a list: first it is one that waited too long, whatever its age, so that nobody sees it in part and what a crash leaves is found by
// the next to forget; then its lines go, and it.
func (s *Store) drop(ctx context.Context, id string) error {
	err := s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE record_upload SET at = 0 WHERE id = $1`, id)
		return err
	})
	for more := true; more && err == nil; {
		err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			n, err := tx.Exec(`DELETE FROM record_upload_line WHERE upload_id = $1 AND line IN (SELECT line FROM record_upload_line WHERE upload_id = $1 ORDER BY line LIMIT $2)`, id, dropBatch)
			if more = n == dropBatch; err != nil || more {
				return err
			}
			_, err = tx.Exec(`DELETE FROM record_upload WHERE id = $1`, id)
			return err
		})
	}
	return err
}

// DropUpload forgets a list.
func (s *Store) DropUpload(ctx context.Context, by *auth.User, kind, id string) error {
	err := s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		_, err := s.uploadHead(tx, by, kind, id)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return nil // it never came as far as being kept
	}
	if err != nil {
		return err
	}
	return s.drop(ctx, id)
}

// ForgetUploads drops the lists that waited too long, whoever sent them.
func (s *Store) ForgetUploads(ctx context.Context) error { return s.forget(ctx, System()) }

// Uploads returns the lists that somebody sent and that are kept yet, the latest first.
func (s *Store) Uploads(ctx context.Context, by *auth.User, kind string) (list []*Upload, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		id := func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) }
		ids, err := db.List(tx, id, `SELECT id FROM record_upload WHERE person = $1 AND kind = $2 AND at >= $3 ORDER BY at DESC, id DESC LIMIT $4`,
			by.ID, kind, db.Micros(tx.Now().Add(-KeepUpload)), maxUploads)
		if err != nil {
			return err
		}
		for _, id := range ids {
			u, err := s.upload(tx, by, kind, id)
			if err != nil {
				return err
			}
			list = append(list, u)
		}
		return nil
	})
	return list, err
}

// UploadOf returns a list that somebody sent.
func (s *Store) UploadOf(ctx context.Context, by *auth.User, kind, id string) (u *Upload, err error) {
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		u, err = s.upload(tx, by, kind, id)
		return err
	})
	return u, err
}

// upload reads a list with the count of its lines' fates, which looks at each of them.
func (s *Store) upload(tx *db.Tx, by *auth.User, kind, id string) (*Upload, error) {
	u, err := s.uploadHead(tx, by, kind, id)
	if err != nil {
		return nil, err
	}
	_, err = db.List(tx, func(row db.Scanner) (f Fate, err error) {
		var n int64
		err = row.Scan(&f, &n)
		u.Fates[f] = n
		return f, err
	}, `SELECT fate, COUNT(*) FROM record_upload_line WHERE upload_id = $1 GROUP BY fate`, id)
	return u, err
}

// uploadHead reads a list without the count of its lines.
func (s *Store) uploadHead(tx *db.Tx, by *auth.User, kind, id string) (*Upload, error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	if err := mayImport(k.Kind, by); err != nil {
		return nil, err
	}
	u := &Upload{ID: id, Kind: kind, Fates: make(map[Fate]int64)}
	var at, blanks int64
	var headings, mapping string
	err = tx.QueryRow(`SELECT at, name, headings, mapping, blanks, state FROM record_upload WHERE id = $1 AND kind = $2 AND person = $3 AND at >= $4`,
		id, kind, by.ID, db.Micros(tx.Now().Add(-KeepUpload))).Scan(&at, &u.Name, &headings, &mapping, &blanks, &u.State)
	if err != nil {
		return nil, err
	}
	u.At, u.Blanks = db.Time(at), blanks == 1
	if err := errors.Join(json.Unmarshal([]byte(headings), &u.Headings), json.Unmarshal([]byte(mapping), &u.Mapping)); err != nil {
		return nil, fmt.Errorf("the upload %s: %w", id, err)
	}
	return u, nil
}

// UploadLines returns one page of an upload's lines, of one fate or, with "", of all; cursor as with lists.
func (s *Store) UploadLines(ctx context.Context, by *auth.User, kind, id string, fate Fate, cursor string, limit int) (page db.Page[Line], err error) {
	limit = min(max(limit, 1), MaxPage)
	after := int64(0)
	if cursor != "" {
		if err := db.DecodeCursor(cursor, &after); err != nil {
			return page, err
		}
	}
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		if _, err := s.uploadHead(tx, by, kind, id); err != nil {
			return err
		}
		list, err := uploadLines(tx, id, after, limit+1, fate)
		if err != nil {
			return err
		}
		page, err = db.Paged(list, limit, func(l Line) []any { return []any{l.Number} })
		return err
	})
	return page, err
}

// uploadLines reads the lines after one, of some fates or, with none or "", of all.
func uploadLines(tx *db.Tx, id string, after int64, limit int, fates ...Fate) ([]Line, error) {
	w := new(db.Where)
	w.And("upload_id = ?", id)
	w.And("line > ?", after)
	if len(fates) > 0 && fates[0] != "" {
		db.In(w, "fate", fates)
	}
	return db.List(tx, scanLine, `SELECT line, cells, fate, record_id, version, texts, changes, problems FROM record_upload_line`+w.String()+
		` ORDER BY line LIMIT `+w.Next(1), w.Args(limit)...)
}

func scanLine(row db.Scanner) (l Line, err error) {
	var cells, texts, changes, problems string
	if err := row.Scan(&l.Number, &cells, &l.Fate, &l.RecordID, &l.version, &texts, &changes, &problems); err != nil {
		return l, err
	}
	err = errors.Join(json.Unmarshal([]byte(cells), &l.Cells), json.Unmarshal([]byte(texts), &l.texts), json.Unmarshal([]byte(changes), &l.Changes),
		json.Unmarshal([]byte(problems), &l.Problems))
	for i := range l.Problems {
		for j, arg := range l.Problems[i].Args {
			if n, ok := arg.(float64); ok {
				l.Problems[i].Args[j] = int64(n)
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("line %s of an upload: %w", strconv.FormatInt(l.Number, 10), err)
	}
	return l, err
}
