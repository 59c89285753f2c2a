package blob

import (
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nameBytes is the longest file name, in UTF-8. File systems take 255.
const nameBytes = 200

// CleanName makes a file name of what a stranger called a file: its last part, in one line, without characters that turn text round,
// separate paths or mean something to a file system, not longer than 200 bytes, with its ending. Japanese and other letters
// stay, composed (NFC), as not every system sends them. It is never empty.
func CleanName(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(c rune) rune {
		switch {
		case unicode.Is(unicode.Cf, c), unicode.Is(unicode.Cc, c), c == '\u2028', c == '\u2029':
			return -1 // not to be seen, and made for showing "exe.gpj" as something else
		case unicode.IsSpace(c):
			return ' '
		case strings.ContainsRune(`<>:"|?*`, c):
			return '_'
		}
		return c
	}, name)
	name = strings.Trim(name, ". ") // no hidden files, and Windows drops what ends so
	if stem, _, _ := strings.Cut(name, "."); reserved(stem) {
		name = "_" + name
	}
	if name == "" {
		return "file"
	}
	return shorten(name)
}

// reserved reports whether Windows means a device by that name, whatever its ending.
func reserved(stem string) bool {
	stem = strings.ToUpper(strings.TrimSpace(stem))
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "COM") || strings.HasPrefix(stem, "LPT")) && stem[3] >= '0' && stem[3] <= '9'
}

// shorten cuts a long name before its ending.
func shorten(name string) string {
	if len(name) <= nameBytes {
		return name
	}
	ending := path.Ext(name)
	if len(ending) > 20 {
		ending = "" // a long name with a dot in it
	}
	cut := nameBytes - len(ending)
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return strings.TrimRight(name[:cut], ". ") + ending
}

// Disposition is the Content-Disposition header for a file (RFC 6266): to be kept, or to be shown in the browser. The name, cleaned,
// is there twice: in ASCII for old readers, and as it is (RFC 8187).
func Disposition(name string, inline bool) string {
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	name = CleanName(name)
	ascii := strings.Map(func(c rune) rune {
		if c > unicode.MaxASCII || c == '%' || c == ';' {
			return '_'
		}
		return c
	}, name)
	// PathEscape leaves a few signs that RFC 8187 wants escaped; url.QueryEscape leaves none, and writes spaces as "+".
	return kind + `; filename="` + ascii + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
