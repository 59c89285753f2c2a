package noise

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"yagura/internal/detect/alert"
	"yagura/sigma"
)

// Past is what an exception would have kept back, as far as the alerts' sample events tell.
type Past struct {
	Rules   int       // that the filter concerns
	Looked  int       // alerts that were looked at, the latest
	Since   time.Time // when the oldest of them was last seen
	More    bool      // there are older ones, which were not
	Whole   int       // alerts all of whose samples would have been kept back
	Part    int       // alerts some of whose samples would have been
	Events  int       // samples looked at
	Kept    int       // samples that would have been kept back
	Alerts  []PastAlert
	Refused string // why the filter cannot be used for a rule
}

// PastAlert is an alert that an exception would have kept back, or some of it.
type PastAlert struct {
	*alert.Alert
	Kept, Events int
}

// Bounds of looking back.
const (
	pastAlerts = 300
	pastListed = 6
	pastBytes  = 16 << 20
	pastTime   = 3 * time.Second
)

// Past tells what a filter would have kept back of the latest alerts of the rules that it concerns.
func (s *Store) Past(ctx context.Context, alerts *alert.Store, f *sigma.Filter) (*Past, error) {
	p := new(Past)
	rules := make(map[string]*sigma.Rule)
	var keys []string
	for _, r := range s.opt.Rules() {
		if f.Concerns(r) {
			key := alert.RuleKey(r)
			rules[key], keys = r, append(keys, key)
		}
	}
	p.Rules = len(keys)
	if len(keys) == 0 {
		return p, nil
	}
	most := pastAlerts + 1
	if len(keys) > pastAlerts {
		keys = nil // of all rules, and those that it does not concern are passed over
	}
	sieves := make(map[string]*sieve)
	read, end := 0, time.Now().Add(pastTime)
	err := alerts.Past(ctx, keys, most, func(a *alert.Alert, samples []alert.Sample) bool {
		r := rules[a.RuleID]
		if r == nil {
			return true
		}
		if p.Looked == pastAlerts || read > pastBytes || time.Now().After(end) {
			p.More = true
			return false
		}
		one, known := sieves[a.RuleID]
		if !known {
			var err error
			if one, err = newSieve(f, r, s.opt.Sigma); err != nil {
				p.Refused = err.Error()
			}
			sieves[a.RuleID] = one
		}
		p.Looked, p.Since = p.Looked+1, a.LastSeen
		kept := 0
		for _, x := range samples {
			read += len(x.Event)
			if one != nil && one.keeps(readEvent(x.Event)) {
				kept++
			}
		}
		p.add(a, kept, len(samples))
		return true
	})
	return p, err
}

func (p *Past) add(a *alert.Alert, kept, events int) {
	p.Events, p.Kept = p.Events+events, p.Kept+kept
	if kept == 0 {
		return
	}
	if kept == events {
		p.Whole++
	} else {
		p.Part++
	}
	if len(p.Alerts) < pastListed {
		p.Alerts = append(p.Alerts, PastAlert{a, kept, events})
	}
}

// readEvent reads a sample as rules are matched against it; what is no object has no fields.
func readEvent(text []byte) sigma.Fields {
	var fields sigma.Fields
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fields
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return fields
		}
		fields = appendValues(fields, name.(string), raw)
	}
	return fields
}

// appendValues adds a field's values: a list is as many values, what is no text is as JSON writes it.
func appendValues(fields sigma.Fields, name string, raw json.RawMessage) sigma.Fields {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return fields
	case raw[0] == '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			return fields
		}
		for _, item := range list {
			fields = appendValues(fields, name, item)
		}
		return fields
	case raw[0] == '"':
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return fields
		}
		return append(fields, sigma.Field{Name: name, Value: text})
	case string(raw) == "null":
		return append(fields, sigma.Field{Name: name, Null: true})
	}
	return append(fields, sigma.Field{Name: name, Value: string(raw)})
}
