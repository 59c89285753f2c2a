package rule

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/record"
	"yagura/sigma"
)

// What is told in the history of a rule's record about its file.
const (
	fileChanged = "file.changed"
	fileGone    = "file.gone"
	fileBack    = "file.back"
)

// mirrorBatch is how many records are written in one transaction: others wait for it.
const mirrorBatch = 100

// mirrored is a rule's record as far as it follows the file.
type mirrored struct {
	id, title, digest, mirror string
	severity                  sigma.Level
	rest                      []any // in the order of mirrorColumns
}

// mirrorColumns are those besides id and title.
var mirrorColumns = [...]string{"severity", "title_ja", "product", "category", "service", "tactics", "techniques", "maturity", "health", "origin",
	"author", "license", "path", "digest", "mirror"}

// mirror is what a rule's record says of its file.
func (r *Rule) mirror() mirrored {
	m := mirrored{id: r.Key, title: cmp.Or(line(r.Title, 300), r.Key), digest: hex.EncodeToString(r.file.digest[:]), severity: r.Severity()}
	maturity := r.Status
	if !slices.Contains(maturities(), maturity) {
		maturity = ""
	}
	m.rest = []any{int64(m.severity), line(r.translated("title", i18n.Japanese), 300), line(r.Logsource.Product, 100), line(r.Logsource.Category, 100),
		line(r.Logsource.Service, 100), words(r.Tactics()), words(r.Techniques()), maturity, string(r.Health()), string(r.Origin),
		line(r.Author, 1000), line(r.License, 300), line(r.File, 1000), m.digest}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", m.title, m.rest, r.words))
	m.mirror = hex.EncodeToString(sum[:16])
	m.rest = append(m.rest, m.mirror)
	return m
}

// line is a text of a file as one line that every database takes.
func line(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")), " ")
	for utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most])
	}
	return text
}

// words are kept with a space before and after each, as record.Tags has them.
func words(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " " + line(strings.Join(list, " "), 1000) + " "
}

// known is what the table has of a rule.
type known struct {
	mirrored
	health Health
	path   string
}

func scanKnown(row db.Scanner) (k known, err error) {
	var level int64
	err = row.Scan(&k.id, &k.title, &level, &k.health, &k.path, &k.digest, &k.mirror)
	k.severity = sigma.Level(level)
	return k, err
}

const knownColumns = `id, title, severity, health, path, digest, mirror`

// Mirror brings the records of rules in step with the rules that are loaded: new ones get one, in the state where they begin; what changed in a
// file is written and told in the record's history; a rule whose file has gone keeps its record, its state and its history. It writes differences
// alone, a batch at a time. Nodes of one database are given the same rules; who comes second finds nothing to do.
func (l *Library) Mirror(ctx context.Context) error {
	if l.opt.States == nil || l.opt.Records == nil {
		return nil
	}
	set := l.Set()
	var rows []known
	err := l.opt.States.db.Read(ctx, func(tx *db.Tx) (err error) {
		rows, err = db.List(tx, scanKnown, `SELECT `+knownColumns+` FROM rule_rule`)
		return err
	})
	if err != nil {
		return err
	}
	have := make(map[string]string, len(rows))
	var gone []string
	for _, k := range rows {
		have[k.id] = k.mirror
		if _, ok := set.byKey[k.id]; !ok && k.health != Gone && !set.unsure(k.path) {
			gone = append(gone, k.id)
		}
	}
	var news []*Rule
	for _, r := range set.Rules {
		if mirror, ok := have[r.Key]; !ok || mirror != r.mirror().mirror {
			news = append(news, r)
		}
	}
	for some := range slices.Chunk(news, mirrorBatch) {
		if err := l.opt.States.db.Write(ctx, func(tx *db.Tx) error { return l.write(tx, some) }); err != nil {
			return fmt.Errorf("bringing the records of rules in step with their files: %w", err)
		}
	}
	for some := range slices.Chunk(gone, mirrorBatch) {
		if err := l.opt.States.db.Write(ctx, func(tx *db.Tx) error { return l.leave(tx, some) }); err != nil {
			return fmt.Errorf("marking rules whose files have gone: %w", err)
		}
	}
	if len(news)+len(gone) > 0 {
		l.log.Info("records of rules brought in step with their files", "written", len(news), "gone", len(gone))
	}
	return nil
}

// unsure reports whether a file may be there though nothing of it was loaded, because its folder could not be read.
func (s *Set) unsure(path string) bool {
	return slices.ContainsFunc(s.unread, func(unread string) bool { return strings.HasPrefix(path, unread) })
}

// write brings the records of some rules in step.
func (l *Library) write(tx *db.Tx, rules []*Rule) error {
	w, ids := new(db.Where), make([]string, len(rules))
	for i, r := range rules {
		ids[i] = r.Key
	}
	db.In(w, "id", ids)
	rows, err := db.List(tx, scanKnown, `SELECT `+knownColumns+` FROM rule_rule`+w.String(), w.Args()...)
	if err != nil {
		return err
	}
	have := make(map[string]known, len(rows))
	for _, k := range rows {
		have[k.id] = k
	}
	insert, update, err := prepareMirror(tx)
	if err != nil {
		return err
	}
	var made, reworded []string
	var entries []ledger.Entry
	for _, r := range rules {
		m := r.mirror()
		old, ok := have[m.id]
		switch {
		case !ok:
			now := db.Micros(tx.Now())
			if _, err := insert.Exec(append([]any{m.id, m.title, string(r.State), now, tx.Actor(), now, tx.Actor(), 1}, m.rest...)...); err != nil {
				return err
			}
			made, entries = append(made, m.id), append(entries, ledger.Entry{Table: "rule_rule", Key: m.id, Action: "create"})
		case old.mirror != m.mirror:
			if _, err := update.Exec(append([]any{m.id, m.title}, m.rest...)...); err != nil {
				return err
			}
			if err := l.told(tx, old, m); err != nil {
				return err
			}
			reworded = append(reworded, m.id)
		}
	}
	if err := l.opt.Records.Made(tx, Name, made...); err != nil {
		return err
	}
	if err := l.opt.Records.Reworded(tx, Name, reworded...); err != nil {
		return err
	}
	if err := l.opt.Ledger.Append(tx, entries...); err != nil {
		return err
	}
	return l.recall(tx, made)
}

func prepareMirror(tx *db.Tx) (insert, update *db.Stmt, err error) {
	columns, marks, sets := "id, title, state, created_at, created_by, updated_at, updated_by, version", "$1, $2, $3, $4, $5, $6, $7, $8", "title = $2"
	for i, column := range mirrorColumns {
		columns += ", " + column
		marks += fmt.Sprintf(", $%d", i+9)
		sets += fmt.Sprintf(", %s = $%d", column, i+3)
	}
	if insert, err = tx.Prepare(`INSERT INTO rule_rule (` + columns + `) VALUES (` + marks + `)`); err != nil {
		return nil, nil, err
	}
	update, err = tx.Prepare(`UPDATE rule_rule SET ` + sets + ` WHERE id = $1`)
	return insert, update, err
}

// told keeps in the history that a rule's file is another, or is back.
func (l *Library) told(tx *db.Tx, old known, now mirrored) error {
	var changes []record.Change
	for _, c := range []record.Change{
		{Field: "title", From: old.title, To: now.title},
		{Field: "severity", From: record.Level{}.Text(old.severity), To: record.Level{}.Text(now.severity)},
		{Field: "digest", From: old.digest, To: now.digest},
	} {
		if c.From != c.To {
			changes = append(changes, c)
		}
	}
	switch {
	case old.health == Gone:
		return l.opt.Records.Tell(tx, Name, now.id, fileBack, "", changes...)
	case len(changes) > 0:
		return l.opt.Records.Tell(tx, Name, now.id, fileChanged, "", changes...)
	}
	return nil
}

// leave marks rules whose files have gone.
func (l *Library) leave(tx *db.Tx, ids []string) error {
	for _, id := range ids {
		changed, err := tx.Exec(`UPDATE rule_rule SET health = $2, mirror = '' WHERE id = $1 AND health <> $2`, id, string(Gone))
		if err == nil && changed > 0 {
			err = l.opt.Records.Tell(tx, Name, id, fileGone, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recall puts into the history of new records what people had decided about their rules before rules were records.
func (l *Library) recall(tx *db.Tx, ids []string) error {
	for _, id := range ids {
		var enabled, at int64
		var actor string
		err := tx.QueryRow(`SELECT enabled, changed_at, changed_by FROM rule_state WHERE rule_id = $1`, id).Scan(&enabled, &at, &actor)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		e := record.Entry{At: db.Time(at), Actor: actor, Action: "move.retire", Changes: []record.Change{{Field: "state", From: string(Live), To: string(Retired)}}}
		if enabled != 0 {
			e.Action, e.Changes[0].From, e.Changes[0].To = "move.activate", string(Retired), string(Live)
		}
		if err := l.opt.Records.Recall(tx, Name, id, e); err != nil {
			return err
		}
	}
	return nil
}
