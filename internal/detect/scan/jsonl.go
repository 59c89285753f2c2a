package scan

import (
	"io"
	"strconv"
	"time"

	"yagura/internal/event"
)

// JSONLines writes one JSON object a match:
// {"rule_id","title","level","time","file","record","event":{…}}, time in RFC 3339 and UTC, the event flat
// with ECS names.
type JSONLines struct{ W io.Writer }

var _ Visitor = JSONLines{}

// Visit appends the match's line.
func (JSONLines) Visit(dst []byte, m Match) []byte {
	for _, part := range [...]struct{ key, value string }{
		{`{"rule_id":`, m.Rule.ID},
		{`,"title":`, m.Rule.Title},
		{`,"level":`, m.Rule.Level.String()},
		{`,"time":`, m.Event.Time.UTC().Format(time.RFC3339Nano)},
		{`,"file":`, m.File},
	} {
		dst = append(dst, part.key...)
		dst = event.AppendQuoted(dst, part.value)
	}
	dst = append(dst, `,"record":`...)
	dst = strconv.AppendUint(dst, m.Record, 10)
	dst = append(dst, `,"event":`...)
	dst = m.Event.AppendJSON(dst)
	return append(dst, '}', '\n')
}

// Emit writes a chunk's lines.
func (j JSONLines) Emit(chunk []byte) error {
	if len(chunk) == 0 {
		return nil
	}
	_, err := j.W.Write(chunk)
	return err
}
