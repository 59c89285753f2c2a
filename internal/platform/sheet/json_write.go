package sheet

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"math"
	"time"
)

// writeJSON writes an array of objects, one a line, with the columns' names in their order; moments as RFC 3339 in UTC.
func writeJSON(w io.Writer, t Table, rows iter.Seq2[[]any, error]) error {
	out := bufio.NewWriterSize(w, 64<<10)
	names := make([][]byte, len(t.Columns))
	for i, c := range t.Columns {
		name, err := json.Marshal(c.Name)
		if err != nil {
			return err
		}
		names[i] = append(name, ':')
	}
	before, line := "[\n", []byte(nil)
	err := t.each(rows, func(cells []any) error {
		line = append(append(line[:0], before...), '{')
		before = ",\n"
		for i, cell := range cells {
			if i > 0 {
				line = append(line, ',')
			}
			value, err := jsonValue(cell)
			if err != nil {
				return err
			}
			line = append(append(line, names[i]...), value...)
		}
		_, err := out.Write(append(line, '}'))
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if line == nil {
		end = "[]\n"
	}
	if _, err := out.WriteString(end); err != nil {
		return err
	}
	return out.Flush()
}

func jsonValue(cell any) ([]byte, error) {
	switch v := cell.(type) {
	case nil, string, bool, int, int64:
		return json.Marshal(v)
	case Link:
		return json.Marshal(v.Text)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return []byte("null"), nil
		}
		return json.Marshal(v)
	case time.Time:
		if v.IsZero() {
			return []byte("null"), nil
		}
		return json.Marshal(v.UTC().Format(time.RFC3339Nano))
	case Day:
		if time.Time(v).IsZero() {
			return []byte("null"), nil
		}
		return json.Marshal(time.Time(v).Format(dayForm))
	}
	return nil, unknownCell(cell)
}
