package elastic

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/fault"
)

// appendReply appends the answer to a bulk request.
func (q *request) appendReply(dst []byte, f filter, took time.Duration) []byte {
	failed := false
	for i := range q.ops {
		if status, _, _ := q.outcome(&q.ops[i]); status >= 300 {
			failed = true
			break
		}
	}
	dst = append(dst, '{')
	if f.has("took") {
		dst = strconv.AppendInt(append(dst, `"took":`...), took.Milliseconds(), 10)
		dst = append(dst, ',')
	}
	if f.has("errors") {
		dst = strconv.AppendBool(append(dst, `"errors":`...), failed)
		dst = append(dst, ',')
	}
	if items := f.items(); items != none {
		dst = append(dst, `"items":[`...)
		given := newIDs()
		for i := range q.ops {
			dst = q.appendItem(dst, &q.ops[i], items, given)
		}
		dst = append(trimComma(dst), ']')
	}
	return append(trimComma(dst), '}')
}

func trimComma(dst []byte) []byte {
	if dst[len(dst)-1] == ',' {
		return dst[:len(dst)-1]
	}
	return dst
}

// outcome says what became of an operation.
func (q *request) outcome(op *operation) (status int, kind, reason string) {
	if op.status != 0 {
		return op.status, op.kind, op.reason
	}
	if err := q.groups[op.group].err; err != nil {
		return fault.CodeOf(err).HTTPStatus(), errorType(err), err.Error()
	}
	return 201, "", ""
}

// appendItem appends one item of the answer and a comma; nothing where the filter leaves nothing of it.
func (q *request) appendItem(dst []byte, op *operation, show itemFields, given *ids) []byte {
	status, kind, reason := q.outcome(op)
	if show&(showStatus|showDocument) == 0 && kind == "" {
		return dst
	}
	dst = append(append(append(dst, `{"`...), op.verb...), `":{`...)
	if show&showDocument != 0 {
		id := op.id
		if id == nil && kind == "" {
			id = []byte(given.next())
		}
		if kind == "" {
			dst = appendDocument(dst, op.index, id)
		} else {
			dst = appendString(append(dst, `"_index":`...), op.index)
			dst = appendString(append(dst, `,"_id":`...), string(id))
		}
		dst = append(dst, ',')
	}
	if show&showStatus != 0 {
		dst = strconv.AppendInt(append(dst, `"status":`...), int64(status), 10)
		dst = append(dst, ',')
	}
	if show&showError != 0 && kind != "" {
		dst = appendString(append(dst, `"error":{"type":`...), kind)
		dst = appendString(append(dst, `,"reason":`...), reason)
		dst = append(dst, '}')
	}
	return append(trimComma(dst), "}},"...)
}

// appendDocument appends the members that describe a created document.
func appendDocument(dst []byte, index string, id []byte) []byte {
	dst = appendString(append(dst, `"_index":`...), index)
	dst = appendString(append(dst, `,"_id":`...), string(id))
	return append(dst, `,"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1`...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string; what is no UTF-8 becomes the replacement character.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if plain(s) {
		return append(append(dst, s...), '"')
	}
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}

// plain reports whether s stands in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ids gives documents without an id one that no other has.
type ids struct {
	prefix string
	count  uint64
}

func newIDs() *ids { return &ids{prefix: rand.Text()[:16]} }

func (s *ids) next() string {
	s.count++
	return s.prefix + strconv.FormatUint(s.count, 36)
}

// itemFields says which parts of an item the client wants.
type itemFields uint8

const (
	none       itemFields = 0
	showStatus itemFields = 1 << iota
	showError
	showDocument
	everything = showStatus | showError | showDocument
)

// filter is filter_path: the parts of the answer that the client wants. Beats and Logstash ask for
// "errors,items.*.error,items.*.status", which makes the answer a fraction of its size.
// Patterns that leave out (with a leading "-") are not followed: the client gets more than it asked for.
type filter []string

func newFilter(text string) filter {
	if text == "" || strings.Contains(text, "-") {
		return nil
	}
	return strings.Split(text, ",")
}

func (f filter) has(name string) bool {
	if f == nil {
		return true
	}
	for _, pattern := range f {
		if head, _, _ := strings.Cut(pattern, "."); covers(head, name) {
			return true
		}
	}
	return false
}

func (f filter) items() itemFields {
	if f == nil {
		return everything
	}
	show := none
	for _, pattern := range f {
		part := strings.Split(pattern, ".")
		if !covers(part[0], "items") {
			continue
		}
		if part[0] == "**" || len(part) < 3 {
			return everything
		}
		switch name := part[2]; {
		case name == "status":
			show |= showStatus
		case name == "error":
			show |= showError
		case strings.Contains(name, "*"):
			return everything
		case strings.HasPrefix(name, "_") || name == "result":
			show |= showDocument
		}
	}
	return show
}

// covers reports whether one segment of a pattern fits a name.
func covers(pattern, name string) bool {
	if head, tail, wild := strings.Cut(pattern, "*"); wild {
		tail = strings.TrimLeft(tail, "*")
		return strings.HasPrefix(name, head) && strings.HasSuffix(name, tail)
	}
	return pattern == name
}
