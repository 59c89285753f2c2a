package logstore

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"yagura/internal/event"
	"yagura/internal/platform/fault"
)

// Limits of a query's text: the engine's parser takes time in the cube of the depth.
const (
	maxQueryBytes = 1 << 20
	maxQueryDepth = 64
)

// question is a LogsQL text in its two parts, without comments, with the engine's names for our fields: an event's message lies
// in _msg and its @timestamp in _time, and who knows ECS need not know that.
type question struct {
	filter string // never empty
	pipes  string // after the first "|"; "" for none
}

// readQuestion takes a LogsQL text apart. It judges only what the engine's parser is not safe from; the rest is that one's to refuse.
func readQuestion(text string) (question, error) {
	if len(text) > maxQueryBytes {
		return question{}, invalid(fmt.Errorf("the query has %d bytes; %d are allowed", len(text), maxQueryBytes))
	}
	s := scanner{rest: text, scopes: []scope{inFilter}}
	for s.next() {
		if len(s.scopes) > maxQueryDepth {
			return question{}, invalid(fmt.Errorf("brackets are more than %d deep at byte %d", maxQueryDepth, len(text)-len(s.rest)))
		}
	}
	if s.options {
		return question{}, invalid(fmt.Errorf("options(…) are not taken"))
	}
	q := question{filter: strings.TrimSpace(s.out.String())}
	if s.piped {
		q.filter, q.pipes = strings.TrimSpace(s.filter), strings.TrimSpace(s.out.String())
	}
	if q.filter == "" {
		q.filter = "*"
	}
	return q, nil
}

// invalid is what is wrong with a query.
func invalid(err error) error {
	return fault.New(fault.Invalid, "fault.search.query", "LogsQL: %w", err)
}

// refused is why the engine does not run a query that it has read: it would take too much memory, or a part of it fails.
func refused(err error) error {
	if strings.Contains(err.Error(), "of memory") { // the engine has no other sign: "since it requires more than 964MB of memory"
		return fault.New(fault.Invalid, "fault.search.memory", "LogsQL: %w", err)
	}
	return invalid(err)
}

// with is the whole query with further pipes.
func (q question) with(more string) string {
	text := q.filter
	for _, pipes := range [...]string{q.pipes, more} {
		if pipes != "" {
			text += " | " + pipes
		}
	}
	return text
}

// scope is what words mean at a place in a query.
type scope uint8

const (
	inFilter scope = iota // words are searched for; a name is followed by ":"
	inPipe                // words are names of fields, or the language's own
	inStream              // {…}: names of a stream's own fields
)

// scanner reads a query by the tokens of the engine's lexer.
type scanner struct {
	rest    string
	out     strings.Builder
	scopes  []scope // of each open bracket; the first is that of the whole
	glued   bool    // the next token continues a word: no white space, bracket or operator was in between
	before  string  // the last token, in lower case
	filter  string  // what was read before the first pipe
	piped   bool
	options bool // the query begins with options(…)
}

func (s *scanner) scope() scope { return s.scopes[len(s.scopes)-1] }

// next reads a token and writes what the engine is to read for it. It returns false at the end.
func (s *scanner) next() bool {
	s.space()
	if s.rest == "" {
		return false
	}
	token := tokenOf(s.rest)
	s.rest = s.rest[len(token):]
	if !s.glued && token == "@" && tokenOf(s.rest) == "timestamp" {
		token, s.rest = "@timestamp", s.rest[len("timestamp"):]
	}
	switch token {
	case "(", "[", "{":
		s.options = s.options || s.before == "options" && strings.EqualFold(strings.TrimSpace(s.out.String()), "options")
		s.open(token)
	case ")", "]", "}":
		if len(s.scopes) > 1 {
			s.scopes = s.scopes[:len(s.scopes)-1]
		}
		s.write(token, true)
	case "|":
		s.pipe()
	case ",", "!", "=", "!=", "=~", "!~", ":", "<", ">":
		s.write(token, false)
	case "-":
		s.write(token, s.glued) // at the beginning of a word it negates
	default:
		s.word(token)
	}
	return true
}

func (s *scanner) write(token string, glued bool) {
	s.out.WriteString(token)
	s.glued, s.before = glued, strings.ToLower(token)
}

// space leaves out white space and comments, which become one space.
func (s *scanner) space() {
	for {
		rest := strings.TrimLeftFunc(s.rest, unicode.IsSpace)
		if strings.HasPrefix(rest, "#") {
			_, rest, _ = strings.Cut(rest, "\n")
		} else if len(rest) == len(s.rest) {
			return
		}
		s.rest, s.glued = rest, false
		s.out.WriteByte(' ')
	}
}

// open enters a bracket. Of the brackets among pipes these hold a filter or a whole query: if (…), in(…), union (…), and the
// second of join by (…) (…).
func (s *scanner) open(token string) {
	inner := s.scope()
	switch {
	case token == "{":
		inner = inStream
	case inner == inPipe && (s.before == "if" || s.before == "in" || s.before == "union" || s.before == ")"):
		inner = inFilter
	}
	s.scopes = append(s.scopes, inner)
	s.write(token, false)
}

// pipe begins the next pipe: the first of the whole query or of one in brackets, or the next one.
func (s *scanner) pipe() {
	if len(s.scopes) == 1 && !s.piped {
		s.filter, s.piped = s.out.String(), true
		s.out.Reset()
	} else {
		s.out.WriteByte('|')
	}
	s.glued, s.before = false, "|"
	s.scopes[len(s.scopes)-1] = inPipe
	s.space()
	switch strings.ToLower(tokenOf(s.rest)) {
	case "filter", "where":
		s.scopes[len(s.scopes)-1] = inFilter
	}
}

// word writes a word or a quoted text, by the engine's name where it names one of our fields.
func (s *scanner) word(token string) {
	name := ""
	switch unquoted(token) {
	case event.Message:
		name = "_msg"
	case "@timestamp":
		name = "_time"
	}
	quoted := name != "" && strings.ContainsAny(token[:1], "\"'`")
	switch {
	case name == "" || s.glued:
	case s.scope() == inFilter && s.before != ":" && strings.HasPrefix(strings.TrimLeftFunc(s.rest, unicode.IsSpace), ":"):
		token = name
	case s.scope() == inPipe && !quoted && !strings.HasPrefix(s.rest, "("):
		token = name
	}
	s.write(token, true)
}

// tokenOf is the first token of text, which does not begin with white space: as the engine's lexer reads it.
func tokenOf(text string) string {
	n := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && r != '.' && (r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
	switch {
	case n < 0:
		return text
	case n > 0:
		return text[:n]
	}
	switch text[0] {
	case '"', '`':
		if prefix, err := strconv.QuotedPrefix(text); err == nil {
			return prefix
		}
	case '\'':
		if n := singleQuoted(text); n > 0 {
			return text[:n]
		}
	case '=', '!':
		if len(text) > 1 && (text[1] == '~' || text[:2] == "!=") {
			return text[:2]
		}
	}
	_, size := utf8.DecodeRuneInString(text)
	return text[:size]
}

// singleQuoted is how long the text in single quotes at the beginning is, 0 where the quotes are not closed.
func singleQuoted(text string) int {
	for rest := text[1:]; rest != ""; {
		if rest[0] == '\'' {
			return len(text) - len(rest) + 1
		}
		_, _, tail, err := strconv.UnquoteChar(rest, '\'')
		if err != nil {
			return 0
		}
		rest = tail
	}
	return 0
}

// unquoted is the token's text.
func unquoted(token string) string {
	switch token[0] {
	case '"', '`':
		if text, err := strconv.Unquote(token); err == nil {
			return text
		}
	case '\'':
		return strings.Trim(token, "'") // good enough to know a name by
	}
	return token
}

// quote writes text as a LogsQL string.
func quote(text string) string { return strconv.Quote(text) }

// quotedField is the engine's name of a field, as LogsQL writes it.
func quotedField(name string) string {
	switch name {
	case event.Message:
		return "_msg"
	case "@timestamp":
		return "_time"
	default:
		return quote(name)
	}
}
