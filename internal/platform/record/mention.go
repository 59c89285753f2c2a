package record

import (
	"slices"
	"strings"
	"unicode"

	"yagura/internal/platform/db"
)

// maxMentions bounds whom one comment can tell.
const maxMentions = 30

// mentions resolves the "@word"s of a text: a mail address, or its part before the "@" where that is one person's. Who may not see the
// record, and what names nobody, stays plain text: from a comment nobody learns who there is.
func (s *Store) mentions(tx *db.Tx, r *Record, text string) (list []Mention, err error) {
	for _, word := range mentionWords(text) {
		person, err := s.opt.People.Called(tx, word)
		if err != nil {
			return nil, err
		}
		if person == "" {
			continue
		}
		if _, may, err := s.seen(tx, person, r); err != nil {
			return nil, err
		} else if may {
			list = append(list, Mention{word, person})
		}
	}
	return list, nil
}

// mentionWords finds what stands behind an "@" that begins a word, each once. Code, in backquotes, mentions nobody.
func mentionWords(text string) (words []string) {
	code := false
	previous := ' '
	for at, c := range text {
		if c == '`' {
			code = !code
		}
		begins := !isMentionRune(previous) && previous != '@'
		previous = c
		if c != '@' || code || !begins {
			continue
		}
		word := mentionWord(text[at+1:])
		if word != "" && !slices.Contains(words, word) {
			if words = append(words, word); len(words) == maxMentions {
				break
			}
		}
	}
	return words
}

// mentionWord is the address, or its first part, that a text begins with. What ends a sentence is not part of it.
func mentionWord(text string) string {
	end := strings.IndexFunc(text, func(c rune) bool { return !isMentionRune(c) && c != '@' })
	if end < 0 {
		end = len(text)
	}
	word := text[:end]
	if local, domain, ok := strings.Cut(word, "@"); ok && strings.Contains(domain, "@") {
		word = local
	}
	if strings.HasPrefix(word, "@") {
		return ""
	}
	return strings.TrimRight(word, ".@-_+")
}

// isMentionRune tells the characters of mail addresses. Japanese text follows a mention without a space, and is not part of it.
func isMentionRune(c rune) bool {
	return c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)) || strings.ContainsRune(".-_+", c)
}
