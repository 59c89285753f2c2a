package blob_test

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"yagura/internal/platform/blob"
)

const (
	png  = "\x89PNG\r\n\x1a\n"
	webp = "RIFF\x00\x00\x00\x00WEBPVP8 "
	svg  = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
)

func serve(t *testing.T, f blob.File, header http.Header) *http.Response {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	for name, values := range header {
		r.Header[name] = values
	}
	if err := blob.Serve(w, r, f); err != nil {
		t.Fatal(err)
	}
	return w.Result()
}

func TestOnlyPicturesPDFAndTextAreShown(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, content, kind string }{
		{"a.png", png, "image/png"},
		{"a.exe", png, "image/png"}, // what it is, not what it is called
		{"a.jpg", "\xff\xd8\xff\xe0", "image/jpeg"},
		{"a.gif", "GIF89a", "image/gif"},
		{"a.webp", webp, "image/webp"},
		{"a.pdf", "%PDF-1.7", "application/pdf"},
		{"a.txt", "櫓の記録\n", "text/plain; charset=utf-8"},
		{"a.log", "Nov 25 sshd[1]: \x1b[31mfailed\x1b[0m\n", "text/plain; charset=utf-8"},
		{"a.txt", strings.Repeat("あ", 4000), "text/plain; charset=utf-8"}, // the head ends within a character

		{"a.svg", svg, ""},
		{"a.png", svg, ""},
		{"a.txt", "\xef\xbb\xbf \n" + svg, ""},
		{"a.txt", "<p>", ""},
		{"a.png", "<!DOCTYPE html><script>alert(1)</script>", ""},
		{"a.html", "no markup at all", ""},
		{"a.txt", "<?xml version=\"1.0\"?>", ""},
		{"a.txt", "a\x00b", ""},
		{"a.txt", "\x8e\x96\x8c\xcc", ""}, // Shift_JIS
		{"a.txt", "cut at its end \xe6\xab", ""},
		{"a.ps", "%!PS-Adobe-", ""},
		{"a.zip", "PK\x03\x04", ""},
		{"a.bmp", "BM\x00\x00", ""},
		{"a.ico", "\x00\x00\x01\x00", ""},
		{"a.mp4", "\x00\x00\x00\x18ftypmp42", ""},
	} {
		kind, inline := blob.Kind(row.name, []byte(row.content)[:min(4096, len(row.content))])
		if inline != (row.kind != "") || (inline && kind != row.kind) {
			t.Errorf("%s with %.20q is %s, inline %v", row.name, row.content, kind, inline)
		}
		for _, asked := range []bool{false, true} {
			answer := serve(t, blob.File{Name: row.name, SHA256: hello, Content: strings.NewReader(row.content), Inline: asked}, nil)
			disposition, _, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition"))
			shown := asked && row.kind != ""
			if err != nil || (disposition == "inline") != shown {
				t.Errorf("%s with %.20q, asked inline %v: %s, %v", row.name, row.content, asked, disposition, err)
			}
			if got := answer.Header.Get("Content-Type"); !shown && got != "application/octet-stream" {
				t.Errorf("%s is downloaded as %s", row.name, got)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
				"Cache-Control": "private, no-store", "Etag": `"` + hello + `"`,
			} {
				if got := answer.Header.Get(name); got != want {
					t.Errorf("%s: %s is %q", row.name, name, got)
				}
			}
			if body, err := io.ReadAll(answer.Body); err != nil || string(body) != row.content {
				t.Errorf("%s came as %.20q, %v", row.name, body, err)
			}
		}
	}
}

func TestAPartOfAFileCanBeAskedFor(t *testing.T) {
	t.Parallel()
	answer := serve(t, blob.File{Name: "a.bin", SHA256: hello, Content: strings.NewReader("hello")}, http.Header{"Range": {"bytes=1-2"}})
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusPartialContent || string(body) != "el" {
		t.Errorf("%d %q", answer.StatusCode, body)
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("長", 100) // 300 bytes
	for _, row := range []struct{ name, clean, header string }{
		{"report.pdf", "report.pdf", `attachment; filename="report.pdf"; filename*=UTF-8''report.pdf`},
		{"報告書 1.pdf", "報告書 1.pdf", `attachment; filename="___ 1.pdf"; filename*=UTF-8''%E5%A0%B1%E5%91%8A%E6%9B%B8%201.pdf`},
		{"../../etc/passwd", "passwd", ""},
		{`C:\Users\taro\a.txt`, "a.txt", ""},
		{"..", "file", `attachment; filename="file"; filename*=UTF-8''file`},
		{"", "file", ""},
		{".bashrc", "bashrc", ""},
		{"a\r\nSet-Cookie: x=y.txt", "aSet-Cookie_ x=y.txt", ""},
		{"a\x00.txt", "a.txt", ""},
		{"invoice_\u202egnp.exe", "invoice_gnp.exe", ""},
		{"a\u2066b\u200f\ufeff.txt", "ab.txt", ""},
		{`a"; filename="evil.html`, "a_; filename=_evil.html", `attachment; filename="a__ filename=_evil.html"; filename*=UTF-8''a_%3B%20filename%3D_evil.html`},
		{"100%.txt", "100%.txt", `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`},
		{"<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_.png", ""},
		{"con.txt", "_con.txt", ""},
		{"COM7", "_COM7", ""},
		{"console.txt", "console.txt", ""},
		{"a. . ", "a", ""},
		{"\xff\xfe.txt", "_.txt", ""},
		{"か\u3099.txt", "が.txt", ""},
		{long + ".xlsx", strings.Repeat("長", 65) + ".xlsx", ""},
		{long + "." + long, strings.Repeat("長", 66), ""},
	} {
		if got := blob.CleanName(row.name); got != row.clean {
			t.Errorf("%q is called %q, want %q", row.name, got, row.clean)
		}
		if got := blob.Disposition(row.name, false); row.header != "" && got != row.header {
			t.Errorf("%q is sent as\n%s, want\n%s", row.name, got, row.header)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a.txt", "../a", "\u202e", "か\u3099", `a";b`, "\xff", "NUL.txt", strings.Repeat("長", 100) + ".a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean := blob.CleanName(name)
		if clean == "" || len(clean) > 200 || !utf8.ValidString(clean) || strings.HasPrefix(clean, ".") || strings.ContainsAny(clean, "/\\\"<>:|?*") {
			t.Fatalf("%q is called %q", name, clean)
		}
		for _, c := range clean {
			if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
				t.Fatalf("%q is called %q", name, clean)
			}
		}
		if again := blob.CleanName(clean); again != clean {
			t.Fatalf("cleaned twice, %q is %q, once %q", name, again, clean)
		}
		kind, params, err := mime.ParseMediaType(blob.Disposition(name, true))
		if err != nil || kind != "inline" || params["filename"] != clean {
			t.Fatalf("%q is sent as %s: %v %v", name, blob.Disposition(name, true), params, err)
		}
	})
}

func FuzzKind(f *testing.F) {
	for _, head := range []string{png, webp, svg, "%PDF-", "GIF89a<script>", "hello", "\xef\xbb\xbf<svg", "\xfe\xff\x00<"} {
		f.Add("a.txt", []byte(head))
	}
	f.Fuzz(func(t *testing.T, name string, head []byte) {
		kind, inline := blob.Kind(name, head)
		if !inline {
			return
		}
		switch kind {
		case "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf":
		case "text/plain; charset=utf-8":
			if bytes.HasPrefix(bytes.TrimSpace(head), []byte("<")) || bytes.IndexByte(head, 0) >= 0 {
				t.Fatalf("%q is shown as text", head)
			}
		default:
			t.Fatalf("%q is shown as %s", head, kind)
		}
	})
}
