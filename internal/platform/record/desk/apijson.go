package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// maxBody is the largest body of a change.
const maxBody = 1 << 20

// readJSON reads the body of a change.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	return web.ReadJSON(w, r, into, maxBody)
}

// fromJSON reads the fields of a record as programs write them.
func (x *desk) fromJSON(r *http.Request, body map[string]any) (record.Values, error) {
	texts, wrong := make(map[string]string, len(body)), record.Wrong{}
	for name, raw := range body {
		text, err := textOf(raw)
		if err != nil {
			wrong[name] = fault.New(fault.Invalid, "record.fault.json", "%s: %v", name, err)
			continue
		}
		texts[name] = text
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return x.kind.Parse(texts, x.env(r))
}

// textOf writes a JSON value as the text that a field is read from.
func textOf(raw any) (string, error) {
	switch v := raw.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case []any:
		words := make([]string, len(v))
		for i, one := range v {
			word, ok := one.(string)
			if !ok {
				return "", errors.New("a list takes texts only")
			}
			words[i] = word
		}
		return strings.Join(words, ", "), nil
	}
	return "", fmt.Errorf("%T is neither a text nor a number nor a list", raw)
}

type deletedJSON struct {
	At  time.Time `json:"at"`
	By  string    `json:"by"`
	Why string    `json:"why"`
}

// toJSON is a record as programs see it; lists leave secret fields out.
func toJSON(rec *record.Record, whole bool) map[string]any {
	out := map[string]any{"id": rec.ID, "version": rec.Version, "deleted": nil}
	if !rec.DeletedAt.IsZero() {
		out["deleted"] = deletedJSON{rec.DeletedAt, rec.DeletedBy, rec.DeletedWhy}
	}
	for _, f := range rec.Kind.All() {
		if whole || !f.Secret {
			out[f.Name] = valueJSON(rec, f)
		}
	}
	return out
}

func valueJSON(rec *record.Record, f *record.Field) any {
	switch v := rec.Get(f.Name).(type) {
	case bool, int64:
		return v
	case []string:
		if v == nil {
			return []string{}
		}
		return v
	}
	text := rec.Text(f.Name)
	if word := f.Type.Word(); text == "" && word != "text" && word != "long" {
		return nil
	}
	return text
}
