package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// headBytes of a file say what it is.
const headBytes = 4 << 10

// File is a file on its way to a browser.
type File struct {
	Name    string // as it was uploaded: hostile
	SHA256  string
	Content io.ReadSeeker
	Inline  bool // to be shown, where that is safe
}

// Serve answers with a file. It is always kept from doing anything: its type is not guessed by the browser, no script runs in it
// and it has no origin. Everything is downloaded; only pictures, PDF and plain text may be shown inline, and what a file is, its first
// bytes say, not its name. Parts can be asked for. The answer is not cached: each reading asks, so that it can be logged.
func Serve(w http.ResponseWriter, r *http.Request, f File) error {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(f.Content, head)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading the file %s: %w", f.SHA256, err)
	}
	if _, err := f.Content.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("reading the file %s: %w", f.SHA256, err)
	}
	kind, safe := Kind(f.Name, head[:n])
	inline := f.Inline && safe
	if !inline {
		kind = download
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", Disposition(f.Name, inline))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
	h.Set("ETag", `"`+f.SHA256+`"`)
	http.ServeContent(w, r, "", time.Time{}, f.Content)
	return nil
}

const download = "application/octet-stream"

// Kind says what a file is by its first bytes, and whether a browser may show it by itself: PNG, JPEG, GIF, WebP, PDF and plain
// text in UTF-8. Never SVG or HTML, whatever they are called, nor plain text that looks or is named like them.
func Kind(name string, head []byte) (contentType string, inline bool) {
	switch kind := http.DetectContentType(head); {
	case kind == "image/png", kind == "image/jpeg", kind == "image/gif", kind == "image/webp", kind == "application/pdf":
		return kind, true
	case strings.HasPrefix(kind, "text/plain") && isText(head) && !isMarkup(name, head):
		return "text/plain; charset=utf-8", true
	}
	return download, false
}

// isText reports whether these first bytes are UTF-8 without control characters.
func isText(head []byte) bool {
	for i := 0; i < len(head); {
		c, size := utf8.DecodeRune(head[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			return len(head) == headBytes && len(head)-i < utf8.UTFMax && !utf8.FullRune(head[i:]) // cut within a character
		case c < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", c), c == 0x7f:
			return false
		}
		i += size
	}
	return true
}

func isMarkup(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".svg", ".svgz", ".htm", ".html", ".xhtml", ".shtml", ".xml", ".xsl", ".mht", ".mhtml", ".hta":
		return true
	}
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\f"), []byte("<"))
}
