package fulltext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxText    = 256 << 10 // bytes of a text that are looked at
	maxWords   = 16_000    // of a text; PostgreSQL counts places up to 16,383
	maxWord    = 128       // bytes; what is longer is cut into several
	maxPhrases = 12        // of a query
	maxPhrase  = 48        // words of a phrase
)

// Phrase is words that stand side by side. Open is one whose last word is only the beginning of one.
type Phrase struct {
	Words []string
	Open  bool
}

// Words returns the words of a text in their order, as they are indexed: runs of letters and digits in lower case; of Japanese,
// Chinese and Korean each pair of neighbours, and the last character alone.
func Words(text string) []string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	var words []string
	for _, run := range runs(text) {
		words = append(words, run.words(true)...)
		if len(words) > maxWords {
			return words[:maxWords]
		}
	}
	return words
}

// Phrases returns what a query asks for: a phrase for each part between spaces.
func Phrases(query string) []Phrase {
	if len(query) > maxText {
		query = query[:maxText]
	}
	var phrases []Phrase
	for _, part := range strings.Fields(query) {
		var p Phrase
		parts := runs(part)
		for i, run := range parts {
			// Only what the query ends with may go on in the text.
			end := i == len(parts)-1
			p.Words = append(p.Words, run.words(!end)...)
			p.Open = end && (!run.dense || utf8.RuneCountInString(run.text) == 1)
		}
		if len(p.Words) == 0 {
			continue
		}
		if len(p.Words) > maxPhrase {
			p.Words, p.Open = p.Words[:maxPhrase], true
		}
		if phrases = append(phrases, p); len(phrases) == maxPhrases {
			break
		}
	}
	return phrases
}

// run is neighbours of one sort: of a script written without spaces (dense), or of any other.
type run struct {
	text  string
	dense bool
}

// words are the pairs of a dense run, or the run itself. last adds the last character alone, which a text has and a query has not.
func (r run) words(last bool) []string {
	if !r.dense {
		return pieces(r.text)
	}
	chars := []rune(r.text)
	var words []string
	for i := 0; i+1 < len(chars); i++ {
		words = append(words, string(chars[i:i+2]))
	}
	if last || len(chars) == 1 {
		words = append(words, string(chars[len(chars)-1:]))
	}
	return words
}

// pieces cuts a word that is too long between its characters.
func pieces(word string) []string {
	var list []string
	for len(word) > maxWord {
		cut := maxWord
		for !utf8.RuneStart(word[cut]) {
			cut--
		}
		list, word = append(list, word[:cut]), word[cut:]
	}
	return append(list, word)
}

// runs cuts a text at whatever is no letter, no digit and no mark of one, and where dense script begins and ends.
func runs(text string) []run {
	text = strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(text, " ")))
	var list []run
	start, inside, wasDense := 0, false, false
	flush := func(end int) {
		if inside {
			list = append(list, run{text[start:end], wasDense})
		}
		inside = false
	}
	for i, c := range text {
		isDense := dense(c)
		if !isDense && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			// A mark without a letter before it is a word to no engine; within one it would part what belongs together.
			if !(inside && !wasDense && unicode.Is(unicode.Mn, c)) {
				flush(i)
			}
			continue
		}
		if inside && isDense != wasDense {
			flush(i)
		}
		if !inside {
			start, inside, wasDense = i, true, isDense
		}
	}
	flush(len(text))
	return list
}

// dense reports whether a character is of a script that is written without spaces.
func dense(c rune) bool {
	return c >= 0x1100 && (unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || c == 'ー' || c == '々') && unicode.IsLetter(c)
}
