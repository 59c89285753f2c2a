package desk_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/web/webtest"
)

// endless is a file of two gigabytes that is sent on and on.
type endless struct{ sent, size int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.sent >= e.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.size-e.sent)
	clear(p[:n])
	e.sent += n
	return int(n), nil
}

func TestAFileOfTwoGigabytesIsRefusedWhereItIsTooLarge(t *testing.T) {
	t.Parallel()
	c := open(t)
	self := c.make()
	file := &endless{size: 2 << 30}
	head := "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.bin\"\r\n\r\n"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, self+"/attachments", io.MultiReader(strings.NewReader(head), file, strings.NewReader("\r\n--edge--\r\n")))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=edge")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: "visitor", Value: string(webtest.Admin)})
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", w.Code)
	}
	if file.sent > recordtest.MaxFile+1<<20 {
		t.Errorf("%d bytes were read of a file that may have %d", file.sent, recordtest.MaxFile)
	}
}

// Whatever a filter is told, the answer is a list or the word that it is no value: never more than what the filter means, and no error of the engine.
func TestNoFilterSpeaksSQL(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lend("L-1", "owner", "aoki", "tags", "x")
	for _, f := range c.kind().All() {
		for _, text := range []string{
			"' OR '1'='1", `" OR 1=1 --`, "x'; DROP TABLE loan_loan; --", "/* */", "\\", "%", "_", "?", "$1", "NUL\x00byte", "\xff\xfe", strings.Repeat("'", 5000), "=' OR 1=1 --", "!' OR 1=1 --", "1..1 OR 1=1",
		} {
			answer := c.Do(webtest.Request{As: webtest.Reader, Path: "/loans?" + url.Values{f.Name: {text}}.Encode()})
			if answer.Code != http.StatusOK && answer.Code != http.StatusBadRequest {
				t.Errorf("%s=%.20q: status %d", f.Name, text, answer.Code)
			}
			if plain := !strings.HasPrefix(text, "!") && text != "%" && text != "_" && text != "?"; plain && answer.Code == http.StatusOK && shows(answer.Body.String()) != "" {
				t.Errorf("%s=%.20q shows %q", f.Name, text, shows(answer.Body.String()))
			}
		}
	}
	if got := shows(c.get(webtest.Reader, "/loans?view=all")); got != "L-1" {
		t.Errorf("afterwards there is %q", got)
	}
}
