package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// ReadJSON reads what MarshalJSON wrote: one flat object of texts, numbers, booleans, nulls and lists of them. Objects within are an error; so is
// what is no object.
func ReadJSON(data []byte) (*Event, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("an event is a JSON object: %w", err)
	}
	ev := new(Event)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("an event's JSON: %w", err)
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("an event's JSON: %w", err)
		}
		list, many := value.([]any)
		if !many {
			list = []any{value}
		}
		for _, one := range list {
			if err := ev.addJSON(name.(string), one); err != nil {
				return nil, err
			}
		}
	}
	_, err := dec.Token()
	return ev, err
}

func (e *Event) addJSON(name string, value any) error {
	switch v := value.(type) {
	case string:
		e.Add(name, v)
	case json.Number:
		e.AddKind(name, v.String(), Number)
	case bool:
		e.AddKind(name, strconv.FormatBool(v), Bool)
	case nil:
		e.AddKind(name, "", Null)
	default:
		return fmt.Errorf("an event's JSON: %s holds a %T", name, value)
	}
	return nil
}
