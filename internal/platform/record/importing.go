package record

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

// Mapping says what the columns of an upload are.
type Mapping struct {
	Fields []string // one a column, "" for a column that is not imported; "state" may only say what is so anyway
	Blanks bool     // an empty cell empties the field, instead of leaving it alone
	// Read makes of a cell what the field's type reads, where people write something else: a choice in their own words. Nil leaves all as it is.
	Read func(f *Field, cell string) string
}

// importable reports whether a column of a list can be the field.
func (k *Kind) importable(name string) bool {
	f := k.Field(name)
	return f != nil && (name == "state" || !f.Machine && !f.fixed)
}

// Importable returns the fields that a list's columns can be.
func (k *Kind) Importable() []*Field {
	return slices.DeleteFunc(k.All(), func(f *Field) bool { return !k.importable(f.Name) })
}

// DryRun says of every line of an upload what would become of it, and changes nothing else.
func (s *Store) DryRun(ctx context.Context, env *Env, kind, id string, m Mapping) (*Upload, error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, err
	}
	d := &dryRun{s: s, k: k, env: env.remembering(), m: m, keys: make(map[string]int64)}
	if err := s.setMapping(ctx, env.By, k, id, m); err != nil {
		return nil, err
	}
	for after := int64(0); ; {
		var lines []Line
		err := s.opt.DB.Read(ctx, func(tx *db.Tx) (err error) {
			lines, err = uploadLines(tx, id, after, uploadBatch, "")
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(lines) == 0 {
			break
		}
		read, err := d.read(lines) // beside a transaction: it looks people up
		if err != nil {
			return nil, err
		}
		if err := s.opt.DB.Read(ctx, func(tx *db.Tx) error { return d.judge(tx, lines, read) }); err != nil {
			return nil, err
		}
		err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
			if err := d.stands(tx, id); err != nil {
				return err
			}
			return keepFates(tx, id, lines)
		})
		if err != nil {
			return nil, err
		}
		after = lines[len(lines)-1].Number
	}
	err = s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		if err := d.stands(tx, id); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE record_upload SET state = $1 WHERE id = $2`, UploadChecked, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.UploadOf(ctx, env.By, kind, id)
}

// setMapping keeps what the columns are; the dry run before, if there was one, is void.
func (s *Store) setMapping(ctx context.Context, by *auth.User, k *kept, id string, m Mapping) error {
	return s.opt.DB.Write(ctx, func(tx *db.Tx) error {
		u, err := s.upload(tx, by, k.Name, id)
		if err != nil {
			return err
		}
		switch {
		case u.State == UploadDone || u.begun():
			return fault.New(fault.Conflict, "record.import.fault.done", "the upload %s is imported", id)
		case len(m.Fields) != len(u.Headings):
			return invalid("record.import.fault.mapping", nil, "%d fields for %d columns", len(m.Fields), len(u.Headings))
		}
		some := false
		for i, name := range m.Fields {
			switch {
			case name == "":
				continue
			case !k.importable(name):
				return invalid("record.fault.field", []any{name}, "%s has no field %q that people fill in", k.Name, name)
			case slices.Contains(m.Fields[:i], name):
				return invalid("record.import.fault.twice", []any{name}, "two columns are the field %q", name)
			}
			some = true
		}
		if !some {
			return invalid("record.import.fault.mapping", nil, "no column is a field")
		}
		_, err = tx.Exec(`UPDATE record_upload SET mapping = $1, blanks = $2, state = $3 WHERE id = $4`, jsonText(m.Fields), flag(m.Blanks), UploadSent, id)
		return err
	})
}

// begun reports whether lines of it are imported already.
func (u *Upload) begun() bool { return u.Fates[FateMade]+u.Fates[FateChanged]+u.Fates[FateLate] > 0 }

// remembering is the same reader, who looks up each name once: a list has the same few people in all of its lines.
func (e *Env) remembering() *Env {
	once := func(find func(string) (string, error)) func(string) (string, error) {
		if find == nil {
			return nil
		}
		type answer struct {
			id  string
			err error
		}
		known := make(map[string]answer)
		return func(text string) (string, error) {
			a, ok := known[text]
			if !ok {
				a.id, a.err = find(text)
				known[text] = a
			}
			return a.id, a.err
		}
	}
	c := *e
	c.Person, c.Unit = once(e.Person), once(e.Unit)
	if e.Below != nil {
		below := make(map[string][]string)
		c.Below = func(id string) (list []string, err error) {
			if known, ok := below[id]; ok {
				return known, nil
			}
			if list, err = e.Below(id); err == nil {
				below[id] = list
			}
			return list, err
		}
	}
	return &c
}

// dryRun is one under way.
type dryRun struct {
	s    *Store
	k    *kept
	env  *Env
	m    Mapping
	keys map[string]int64 // the line on which each was seen first
}

// stands refuses to go on where another dry run began or ended since: what that one said may be imported already, and is not said again.
func (d *dryRun) stands(tx *db.Tx, id string) error {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM record_upload WHERE id = $1 AND state = $2 AND mapping = $3 AND blanks = $4`,
		id, UploadSent, jsonText(d.m.Fields), flag(d.m.Blanks)).Scan(&n)
	if err == nil && n == 0 {
		err = fault.New(fault.Conflict, "record.import.fault.again", "another dry run of the upload %s was begun meanwhile", id)
	}
	return err
}

// readLine is what stands in a line.
type readLine struct {
	values Values
	wrong  Wrong
	state  string
}

// read reads the cells of some lines.
func (d *dryRun) read(lines []Line) ([]readLine, error) {
	list := make([]readLine, len(lines))
	for i := range lines {
		texts := d.texts(&lines[i])
		list[i].state = texts["state"]
		delete(texts, "state")
		var err error
		if list[i].values, err = d.k.Parse(texts, d.env); err != nil {
			wrong, ok := errors.AsType[Wrong](err)
			if !ok {
				return nil, err
			}
			list[i].wrong = wrong
		}
	}
	return list, nil
}

// judge says what would become of some lines.
func (d *dryRun) judge(tx *db.Tx, lines []Line, read []readLine) error {
	var keys []string
	for _, r := range read {
		if key := d.key(r.values); key != "" {
			keys = append(keys, key)
		}
	}
	found, err := d.s.byKey(tx, d.env.By, d.k, keys)
	if err != nil {
		return err
	}
	for i := range lines {
		l := &lines[i]
		l.Fate, l.RecordID, l.version, l.Changes, l.Problems, l.texts = FateWrong, "", 0, nil, nil, make(map[string]string)
		values, before := read[i].values, read[i].wrong
		for name, v := range values {
			l.texts[name] = d.k.Field(name).Type.Text(v)
		}
		key := d.key(values)
		err := d.fate(tx, l, values, read[i].state, key, found[key])
		if wrong, ok := errors.AsType[Wrong](err); ok {
			for name, e := range before {
				wrong[name] = e
			}
			err = wrong
		} else if err == nil {
			err = before.orNil()
		}
		if l.Problems, err = problems(err); err != nil {
			return err
		}
		if len(l.Problems) > 0 {
			l.Fate = FateWrong
		}
	}
	return nil
}

// texts are the cells of a line, by field.
func (d *dryRun) texts(l *Line) map[string]string {
	texts := make(map[string]string)
	for i, name := range d.m.Fields {
		if name == "" || i >= len(l.Cells) {
			continue
		}
		cell := l.Cells[i]
		if d.m.Read != nil {
			cell = d.m.Read(d.k.Field(name), cell)
		}
		if strings.TrimSpace(cell) == "" && !d.m.Blanks {
			continue
		}
		texts[name] = cell
	}
	return texts
}

func (d *dryRun) key(values Values) string {
	if d.k.Key == "" {
		return ""
	}
	text, _ := values[d.k.Key].(string)
	return text
}

// fate says what would become of a line with those values, for which those records were found.
func (d *dryRun) fate(tx *db.Tx, l *Line, values Values, state, key string, found []*Record) error {
	if first, ok := d.keys[key]; key != "" && ok && first != l.Number {
		return Wrong{d.k.Key: invalid("record.import.fault.key_twice", []any{first}, "the key %q stands in line %d, too", key, first)}
	}
	if key != "" {
		d.keys[key] = l.Number
	}
	switch {
	case len(found) > 1:
		return Wrong{d.k.Key: invalid("record.import.fault.many", nil, "there is more than one record with the key %q", key)}
	case len(found) == 0 && d.k.Without.Create:
		return invalid("record.import.fault.no_new", nil, "records of kind %s are not made by people", d.k.Name)
	case len(found) == 0:
		if state != "" && state != d.k.States[0].Name {
			return Wrong{"state": invalid("record.import.fault.state", nil, "a new record cannot be in state %q", state)}
		}
		l.Fate = FateNew
		return d.k.blank(tx).fill(values, making, d.env.By)
	case d.k.Without.Edit:
		return invalid("record.import.fault.no_edit", nil, "records of kind %s are not changed by people", d.k.Name)
	}
	before := found[0]
	l.RecordID, l.version, l.Fate = before.ID, before.Version, FateChange
	if state != "" && state != before.State {
		return Wrong{"state": invalid("record.import.fault.move", nil, "the record is in state %q, and only a move changes that", before.State)}
	}
	after := before.clone()
	if err := after.fill(values, editing, d.env.By); err != nil {
		return err
	}
	if l.Changes = changes(before, after); len(l.Changes) == 0 {
		l.Fate = FateSame
	}
	return nil
}

// problems says an error so that it can be kept and shown in any language. Errors that no line is the cause of are returned.
func problems(err error) ([]Problem, error) {
	if err == nil {
		return nil, nil
	}
	wrong, ok := errors.AsType[Wrong](err)
	if !ok {
		wrong = Wrong{"": err}
	}
	var list []Problem
	for field, one := range wrong {
		f, ok := errors.AsType[*fault.Error](one)
		if !ok || f.Code == fault.Internal || f.Code == fault.Unavailable || f.Code == fault.Busy {
			return nil, err
		}
		if f.Key == "" {
			f = fault.New(f.Code, "fault."+string(f.Code), "%s", f.Detail)
		}
		list = append(list, Problem{Field: field, Key: f.Key, Args: f.Args})
	}
	slices.SortFunc(list, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	return list, nil
}

// byKey finds the records that have one of the keys, are not deleted, and may be shown to somebody.
func (s *Store) byKey(tx *db.Tx, by *auth.User, k *kept, keys []string) (map[string][]*Record, error) {
	found := make(map[string][]*Record)
	if k.Key == "" || len(keys) == 0 {
		return found, nil
	}
	for _, key := range keys {
		if _, known := found[key]; known {
			continue
		}
		w := new(db.Where)
		w.And("deleted_at = 0")
		w.And(k.Field(k.Key).column()+" = ?", key)
		if err := k.visible(tx, by, w); err != nil {
			return nil, err
		}
		// That there are two is all that one must know: a title may stand in thousands.
		list, err := db.List(tx, k.scan, `SELECT `+k.columns+` FROM `+k.Table+w.String()+` LIMIT 2`, w.Args()...)
		if err != nil {
			return nil, err
		}
		found[key] = list
	}
	return found, nil
}

func keepFates(tx *db.Tx, id string, lines []Line) error {
	set, err := tx.Prepare(`UPDATE record_upload_line SET fate = $1, record_id = $2, version = $3, texts = $4, changes = $5, problems = $6
		WHERE upload_id = $7 AND line = $8`)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := set.Exec(l.Fate, l.RecordID, l.version, jsonText(l.texts), jsonText(l.Changes), jsonText(l.Problems), id, l.Number); err != nil {
			return err
		}
	}
	return nil
}

// Import does what the dry run said, batch by batch, each in a transaction with the note of what became of its lines, until all is done or
// the time is over; more says that there is more to do, and to call it again. Nothing is done twice. Lines whose records were changed since the
// dry run are left (FateLate).
func (s *Store) Import(ctx context.Context, env *Env, kind, id string, within time.Duration) (u *Upload, more bool, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return nil, false, err
	}
	env = env.remembering()
	until := time.Now().Add(within)
	last := int64(0) // the line behind which there may be more to do
	for more = true; more && ctx.Err() == nil; {
		done := last
		err := s.opt.DB.Write(ctx, func(tx *db.Tx) (err error) {
			done, more, err = s.importBatch(tx, k, env, id, last)
			return err
		})
		if err != nil {
			return nil, false, err
		}
		last = done
		if time.Now().After(until) {
			break
		}
	}
	u, err = s.UploadOf(ctx, env.By, kind, id)
	return u, more, err
}

// importBatch does what is to be done with the next lines after one and returns the last of them. What a batch takes does not grow with the
// list: its lines are counted when all of it is done.
func (s *Store) importBatch(tx *db.Tx, k *kept, env *Env, id string, after int64) (last int64, more bool, err error) {
	u, err := s.uploadHead(tx, env.By, k.Name, id)
	if err != nil {
		return after, false, err
	}
	switch u.State {
	case UploadDone:
		return after, false, nil
	case UploadSent:
		return after, false, fault.New(fault.Conflict, "record.import.fault.unchecked", "the upload %s had no dry run", id)
	}
	lines, err := uploadLines(tx, id, after, uploadBatch, FateNew, FateChange)
	if err != nil {
		return after, false, err
	}
	if len(lines) == 0 {
		if u, err = s.upload(tx, env.By, k.Name, id); err == nil {
			err = s.imported(tx, env.By, u)
		}
		return after, false, err
	}
	var keys []string
	for _, l := range lines {
		if key := l.texts[k.Key]; l.Fate == FateNew && key != "" {
			keys = append(keys, key)
		}
	}
	taken, err := s.byKey(tx, env.By, k, keys)
	if err != nil {
		return after, false, err
	}
	for i := range lines {
		if err := s.importLine(tx, k, env, &lines[i], taken); err != nil {
			return after, false, err
		}
	}
	return lines[len(lines)-1].Number, true, keepFates(tx, id, lines)
}

// importLine makes or changes the record of one line.
func (s *Store) importLine(tx *db.Tx, k *kept, env *Env, l *Line, taken map[string][]*Record) error {
	if l.Fate == FateNew && len(taken[l.texts[k.Key]]) > 0 {
		l.Fate = FateLate // somebody made it since
		return nil
	}
	values, err := k.Parse(l.texts, nil) // as the dry run wrote them: whom they name is looked up already
	if err == nil {
		err = tx.Try(func() error {
			if l.Fate == FateNew {
				r, err := s.CreateTx(tx, env.By, k.Name, values)
				if err == nil {
					l.RecordID = r.ID
				}
				return err
			}
			_, err := s.EditTx(tx, env.By, k.Name, l.RecordID, l.version, values, "")
			return err
		})
	}
	if l.Fate == FateChange && (fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound)) {
		l.Fate = FateLate
		return nil
	}
	if l.Problems, err = problems(err); err != nil {
		return err
	}
	switch {
	case len(l.Problems) > 0:
		l.Fate = FateWrong
	case l.Fate == FateNew:
		l.Fate = FateMade
	default:
		l.Fate = FateChanged
	}
	return nil
}

// imported ends an import: who brought what is written down.
func (s *Store) imported(tx *db.Tx, by *auth.User, u *Upload) error {
	if _, err := tx.Exec(`UPDATE record_upload SET state = $1 WHERE id = $2`, UploadDone, u.ID); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO record_import (id, kind, actor, at, name, made, changed, unchanged, refused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		u.ID, u.Kind, by.ID, db.Micros(tx.Now()), u.Name, u.Fates[FateMade], u.Fates[FateChanged], u.Fates[FateSame], u.Fates[FateWrong]+u.Fates[FateLate])
	if err != nil {
		return err
	}
	return s.opt.Ledger.Append(tx, ledger.Entry{Table: "record_import", Key: u.ID, Action: "create"})
}
