package seal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

// batch is how many rows are re-sealed in one transaction: few enough that nobody waits for the writer.
const batch = 100

// Column is a column of sealed texts: ” and NULL stand for nothing. Key is the table's primary key, one column of TEXT.
type Column struct{ Table, Key, Column string }

// Purpose is what the value in the row of that id is sealed for: "<table>.<column>/<id>".
func (c Column) Purpose(id string) string { return c.Table + "." + c.Column + "/" + id }

func (c Column) String() string { return c.Table + "." + c.Column }

// check refuses names that are not plain: they become SQL.
func (c Column) check() error {
	plain := regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	for _, name := range []string{c.Table, c.Key, c.Column} {
		if !plain.MatchString(name) {
			return fault.New(fault.Internal, "", "sealed column %s.%s (key %s): %q is no plain name", c.Table, c.Column, c.Key, name)
		}
	}
	return nil
}

// Rotation says how Rotate goes about it.
type Rotation struct {
	Columns []Column
	// Changed is told of each row that was re-sealed, in its transaction: for the ledger. It may be nil.
	Changed func(tx *db.Tx, c Column, id string) error
	// Progress is told after each transaction how many rows of the column are done. It may be nil.
	Progress func(c Column, resealed int64)
}

// Report is what Rotate did.
type Report struct {
	Resealed int64
	// Failed counts the values that do not open; they are left as they are. Errors has the first of them.
	Failed int64
	Errors []error
}

// maxErrors is how many failures a report names.
const maxErrors = 20

// Rotate re-seals what is not sealed under the newest key, in small transactions in the order of the keys. It may be
// stopped at any time and run again: what is done is passed over. Values that do not open are reported and left alone. A
// value that somebody writes meanwhile is not lost; it is sealed under the newest key that its writer knows.
func (k *Keys) Rotate(ctx context.Context, d *db.DB, how Rotation) (Report, error) {
	var report Report
	for _, c := range how.Columns {
		if err := c.check(); err != nil {
			return report, err
		}
	}
	for _, c := range how.Columns {
		done := int64(0)
		for after, more := "", true; more; {
			var step Report
			err := d.Write(ctx, func(tx *db.Tx) (err error) {
				step = Report{} // a transaction may be tried twice
				after, more, err = k.rotateBatch(tx, c, how.Changed, after, &step)
				return err
			})
			if err != nil {
				return report, fmt.Errorf("rotating %s: %w", c, err)
			}
			report.add(step)
			done += step.Resealed
			if how.Progress != nil {
				how.Progress(c, done)
			}
		}
	}
	return report, nil
}

func (r *Report) add(step Report) {
	r.Resealed += step.Resealed
	r.Failed += step.Failed
	r.Errors = append(r.Errors, step.Errors...)
	r.Errors = r.Errors[:min(len(r.Errors), maxErrors)]
}

type row struct{ id, sealed string }

// rotateBatch re-seals the rows behind the id after, and returns the last id that it saw and whether there may be more.
func (k *Keys) rotateBatch(tx *db.Tx, c Column, changed func(*db.Tx, Column, string) error, after string, step *Report) (last string, more bool, err error) {
	rows, err := db.List(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.sealed) },
		fmt.Sprintf(`SELECT %[1]s, %[2]s FROM %[3]s WHERE %[1]s > $1 AND %[2]s <> '' AND %[2]s NOT LIKE $2 ORDER BY %[1]s LIMIT %[4]d`,
			c.Key, c.Column, c.Table, batch),
		after, version+"."+k.Newest()+".%")
	if err != nil {
		return after, false, err
	}
	for _, r := range rows {
		after = r.id
		renewed, err := k.reseal(c.Purpose(r.id), r.sealed)
		if err != nil {
			step.Failed++
			step.Errors = append(step.Errors, err)
			continue
		}
		n, err := tx.Exec(fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE %s = $2 AND %s = $3`, c.Table, c.Column, c.Key, c.Column), renewed, r.id, r.sealed)
		if err != nil {
			return after, false, err
		}
		if n == 0 {
			continue // somebody wrote it in between
		}
		step.Resealed++
		if changed != nil {
			if err := changed(tx, c, r.id); err != nil {
				return after, false, err
			}
		}
	}
	return after, len(rows) == batch, nil
}

func (k *Keys) reseal(purpose, sealed string) (string, error) {
	plain, err := k.Open(purpose, sealed)
	if err != nil {
		return "", err
	}
	defer clear(plain)
	return k.Seal(purpose, plain)
}

// Survey counts the sealed values of the columns by the id of their key. What is not of the form that Seal writes counts
// under "". A key that none is under can be removed.
func Survey(ctx context.Context, d *db.DB, columns []Column) (map[string]int64, error) {
	type count struct {
		id string
		n  int64
	}
	total := make(map[string]int64)
	for _, c := range columns {
		if err := c.check(); err != nil {
			return nil, err
		}
		var counts []count
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			counts, err = db.List(tx, func(s db.Scanner) (one count, err error) { return one, s.Scan(&one.id, &one.n) },
				fmt.Sprintf(`SELECT substr(%[1]s, 1, %[3]d), COUNT(*) FROM %[2]s WHERE %[1]s <> '' GROUP BY substr(%[1]s, 1, %[3]d)`,
					c.Column, c.Table, len(version)+1+idSize+1))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("counting %s by key: %w", c, err)
		}
		for _, one := range counts {
			total[keyOf(one.id)] += one.n
		}
	}
	return total, nil
}

// keyOf returns the id in "s1.<id>.", "" where it is nothing like it.
func keyOf(prefix string) string {
	id, whole := strings.CutSuffix(strings.TrimPrefix(prefix, version+"."), ".")
	if _, err := idEncoding().DecodeString(id); !whole || err != nil || len(id) != idSize {
		return ""
	}
	return id
}

// KeyOf returns the id of the key that a sealed text names, "" where it is not of the form that Seal writes. It opens nothing.
func KeyOf(sealed string) string {
	id, _, err := parse(sealed)
	if err != nil {
		return ""
	}
	return id
}

// Check reports values in the columns that these keys cannot open: a start with another key file must not go on as if
// nothing were lost. The error is a fault.Unavailable that names the missing keys.
func (k *Keys) Check(ctx context.Context, d *db.DB, columns []Column) error {
	counts, err := Survey(ctx, d, columns)
	if err != nil {
		return err
	}
	var problems []error
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		if _, known := k.ring.find(id); !known && id != "" {
			problems = append(problems, fault.New(fault.Unavailable, "fault.seal.key",
				"%d values are %w: key %s, configured are %s; bring back the key file or the key",
				counts[id], ErrUnknownKey, id, strings.Join(k.IDs(), ", ")))
		}
	}
	return errors.Join(problems...)
}
