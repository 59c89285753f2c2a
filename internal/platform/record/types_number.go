package record

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/db"
	"yagura/sigma"
)

// Int is a whole number.
type Int struct{}

func (Int) Word() string { return "int" }

// Parse takes full-width digits and commas between thousands, too.
func (Int) Parse(text string, _ *Env) (any, error) {
	text = strings.ReplaceAll(strings.TrimSpace(norm.NFKC.String(text)), ",", "")
	if text == "" {
		return int64(0), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return int64(0), invalid("record.fault.number", nil, "%.80q is no whole number", text)
	}
	return n, nil
}

func (Int) Text(v any) string {
	n, _ := v.(int64)
	return strconv.FormatInt(n, 10)
}

func (Int) toDB(v any) any              { n, _ := v.(int64); return n }
func (Int) fromDB(raw any) (any, error) { return fromInt(raw) }

func (t Int) where(w *db.Where, column string, texts []string, env *Env) error {
	return ranged(w, column, texts, func(text string, _ bool) (any, error) { return t.Parse(text, env) })
}

// Bool is yes or no.
type Bool struct{}

func (Bool) Word() string { return "bool" }

func (Bool) Parse(text string, _ *Env) (any, error) {
	switch strings.ToLower(strings.TrimSpace(norm.NFKC.String(text))) {
	case "", "false", "0", "no", "いいえ", "×":
		return false, nil
	case "true", "1", "yes", "on", "はい", "○":
		return true, nil
	}
	return false, invalid("record.fault.bool", nil, "%.80q is neither true nor false", text)
}

func (Bool) Text(v any) string {
	if yes, _ := v.(bool); yes {
		return "true"
	}
	return ""
}

func (Bool) toDB(v any) any {
	if yes, _ := v.(bool); yes {
		return int64(1)
	}
	return int64(0)
}

func (Bool) fromDB(raw any) (any, error) {
	n, err := fromInt(raw)
	return n != int64(0), err
}

func (t Bool) where(w *db.Where, column string, texts []string, env *Env) error {
	return either(w, texts, column+" = 0", func(text string) (string, []any, error) {
		yes, err := t.Parse(text, env)
		return column + " = ?", []any{t.toDB(yes)}, err
	})
}

// Level is a severity, from informational to critical.
type Level struct{}

func (Level) Word() string { return "level" }

func (Level) Parse(text string, _ *Env) (any, error) {
	if text = strings.TrimSpace(text); text == "" {
		return sigma.LevelNone, nil
	}
	level, err := sigma.ParseLevel(text)
	if err != nil {
		return sigma.LevelNone, invalid("record.fault.level", nil, "%v", err)
	}
	return level, nil
}

func (Level) Text(v any) string {
	if level, _ := v.(sigma.Level); level != sigma.LevelNone {
		return level.String()
	}
	return ""
}

func (Level) toDB(v any) any { level, _ := v.(sigma.Level); return int64(level) }

func (Level) fromDB(raw any) (any, error) {
	n, err := fromInt(raw)
	return sigma.Level(n.(int64)), err
}

func (t Level) where(w *db.Where, column string, texts []string, env *Env) error {
	return ranged(w, column, texts, func(text string, _ bool) (any, error) {
		level, err := t.Parse(text, env)
		return t.toDB(level), err
	})
}

// Moment is a point in time.
type Moment struct{}

func (Moment) Word() string { return "moment" }

// Parse takes RFC 3339 and what the forms of browsers and people write, in the reader's time zone.
func (Moment) Parse(text string, env *Env) (any, error) {
	return parseTime(text, env, false)
}

func (Moment) Text(v any) string {
	if at, _ := v.(time.Time); !at.IsZero() {
		return at.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

func (Moment) toDB(v any) any { at, _ := v.(time.Time); return db.Micros(at) }

func (Moment) fromDB(raw any) (any, error) {
	n, err := fromInt(raw)
	return db.Time(n.(int64)), err
}

// where takes "2026-11-01..2026-11-30", "2026-11-01..", and "24h", "7d": since then.
func (t Moment) where(w *db.Where, column string, texts []string, env *Env) error {
	for i, text := range texts {
		if back, ok := span(text); ok {
			texts[i] = env.Now.Add(-back).UTC().Format(time.RFC3339Nano) + ".."
		}
	}
	return ranged(w, column, texts, func(text string, end bool) (any, error) {
		at, err := parseTime(text, env, end)
		return db.Micros(at), err
	})
}

// Deadline is when something is to be done: a point in time, or the end of a day.
type Deadline struct{ Moment }

func (Deadline) Word() string { return "deadline" }

// Parse reads a day as its end.
func (Deadline) Parse(text string, env *Env) (any, error) { return parseTime(text, env, true) }

// Overdue is a filter's word for deadlines that have passed.
const Overdue = "overdue"

// where takes "overdue", and "7d": from now until then.
func (t Deadline) where(w *db.Where, column string, texts []string, env *Env) error {
	now := env.Now.UTC()
	for i, text := range texts {
		if ahead, ok := span(text); ok {
			texts[i] = now.Format(time.RFC3339Nano) + ".." + now.Add(ahead).Format(time.RFC3339Nano)
		} else if text == Overdue {
			texts[i] = "1970-01-02.." + now.Format(time.RFC3339Nano)
		}
	}
	return t.Moment.where(w, column, texts, env)
}

// Day is a date without a time.
type Day struct{ textual }

func (Day) Word() string { return "day" }

func (Day) Parse(text string, env *Env) (any, error) {
	at, err := parseTime(text, &Env{Now: env.now(), Zone: time.UTC}, false)
	if err != nil || at.IsZero() {
		return "", err
	}
	return at.Format(time.DateOnly), nil
}

func (t Day) where(w *db.Where, column string, texts []string, env *Env) error {
	return ranged(w, column, texts, func(text string, _ bool) (any, error) { return t.Parse(text, env) })
}

func (e *Env) now() time.Time {
	if e == nil || e.Now.IsZero() {
		return time.Now()
	}
	return e.Now
}

// parseTime reads a time as people and browsers write it; a day alone is its beginning, or, for an end, its last microsecond.
func parseTime(text string, env *Env, end bool) (time.Time, error) {
	text = strings.TrimSpace(norm.NFKC.String(text))
	if text == "" {
		return time.Time{}, nil
	}
	text = strings.NewReplacer("/", "-", "年", "-", "月", "-", "日", "").Replace(text)
	for _, layout := range []string{time.RFC3339Nano, "2006-1-2T15:04:05", "2006-1-2T15:04", "2006-1-2 15:04:05", "2006-1-2 15:04"} {
		if at, err := time.ParseInLocation(layout, text, env.zone()); err == nil {
			return sane(at, text)
		}
	}
	day, err := time.ParseInLocation("2006-1-2", text, env.zone())
	if err != nil {
		return time.Time{}, invalid("record.fault.time", nil, "%.80q is no date and no time", text)
	}
	if end {
		day = day.AddDate(0, 0, 1).Add(-time.Microsecond)
	}
	return sane(day, text)
}

// sane refuses years that are a slip of the hand, and that no calendar shows.
func sane(at time.Time, text string) (time.Time, error) {
	if at.Year() < 1900 || at.Year() > 2200 {
		return time.Time{}, invalid("record.fault.year", nil, "%.80q is not between the years 1900 and 2200", text)
	}
	return at.UTC().Truncate(time.Microsecond), nil
}

// span reads "24h", "30m", "7d", "2w".
func span(text string) (time.Duration, bool) {
	if len(text) < 2 || len(text) > 6 {
		return 0, false
	}
	n, err := strconv.Atoi(text[:len(text)-1])
	unit := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[text[len(text)-1]]
	if err != nil || n < 0 || unit == 0 {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// ranged adds the condition that a column is one of the values of a filter, or within one of its ranges "a..b", both ends included,
// either left out. value reads one of them; end says that it is a range's last.
func ranged(w *db.Where, column string, texts []string, value func(text string, end bool) (any, error)) error {
	return either(w, texts, column+" = "+emptyOf(value), func(text string) (string, []any, error) {
		from, to, isRange := strings.Cut(text, "..")
		if !isRange {
			to = from
		}
		if !isRange { // a value that begins and ends at once is looked up in an index, which a range of one is not
			first, err := value(text, false)
			last, _ := value(text, true)
			if err == nil && first == last {
				return column + " = ?", []any{first}, nil
			}
		}
		var parts []string
		var args []any
		for _, bound := range []struct {
			text, operator string
			end            bool
		}{{from, " >= ?", false}, {to, " <= ?", true}} {
			if bound.text == "" {
				continue
			}
			v, err := value(bound.text, bound.end)
			if err != nil {
				return "", nil, err
			}
			parts, args = append(parts, column+bound.operator), append(args, v)
		}
		if len(parts) == 0 {
			return "", nil, invalid("record.fault.range", nil, "%.80q is no range", text)
		}
		return "(" + strings.Join(parts, " AND ") + ")", args, nil
	})
}

// emptyOf is how SQL writes the empty value of what value reads.
func emptyOf(value func(string, bool) (any, error)) string {
	if v, _ := value("", false); v == "" {
		return "''"
	}
	return "0"
}
