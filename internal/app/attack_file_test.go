package app

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// unpacked are the parts of an archive.
func unpacked(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	parts := make(map[string]string)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts[f.Name] = string(text)
	}
	return parts
}

// oddNames are names that some system takes for more than a name.
func oddNames() []string {
	return []string{
		"../../../etc/passwd", `..\..\windows\system32\x.dll`, "/etc/cron.d/x", `C:\x`, `\\server\share\x`, "x\x00.txt", strings.Repeat("長", 1400) + ".txt", "evil\u202Efdp.exe", "\u2066x\u2069.pdf",
		"CON", "nul.txt", "LPT1.log", "x\r\nX-Evil: 1.txt", "x\n.txt", `x";filename*=UTF-8''evil.html.txt`, "'x'", ".", "..", "", " ", "....//x", "x:stream", "-rf", "~root", "x.html\x00.png", "%2e%2e%2fx", "\xff\xfe.txt",
		"<img src=x onerror=window.probed=1>.svg",
	}
}

// TestNoNameOfAFileLeadsAnywhere attaches files with odd names to a record of every kind. What comes back has a plain name and nothing that a
// browser runs, and the store has no file but those that are named by their hash.
func TestNoNameOfAFileLeadsAnywhere(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	for _, k := range b.Record.Kinds() {
		self := b.records[k.Name]
		for _, name := range oddNames() {
			answer := b.upload(self+"/attachments", name, `<svg xmlns="http://www.w3.org/2000/svg"><script>window.probed=1</script></svg>`, nil)
			if answer.Code >= 500 || answer.Header().Get("X-Evil") != "" {
				t.Errorf("%.40q: status %d", name, answer.Code)
			}
		}
		page := b.get(b.admin.ID, self+"?tab=evidence", nil).Body.String()
		list := regexp.MustCompile(`href="(`+self+`/attachments/[^"/]+)"`).FindAllStringSubmatch(page, -1)
		if len(list) < 20 {
			t.Fatalf("%d files are attached to %s", len(list), self)
		}
		for _, found := range list {
			answer := b.get(b.admin.ID, found[1]+"/file?inline=1", nil)
			h := answer.Header()
			way, args, err := mime.ParseMediaType(h.Get("Content-Disposition"))
			name := args["filename"]
			odd := strings.ContainsAny(name, `/\:"<>|`) || strings.ContainsFunc(name, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) })
			if err != nil || answer.Code != http.StatusOK || name == "" || name == "." || name == ".." || odd || len(name) > 255 || len(h["X-Evil"]) > 0 {
				t.Errorf("status %d, name %q, %v", answer.Code, name, err)
			}
			if way != "attachment" || h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
				t.Errorf("%q is sent as %v", name, h)
			}
		}
	}
	kept := regexp.MustCompile(`^[0-9a-f]{64}$`)
	err := filepath.WalkDir(filepath.Join(b.Config.Data, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" && !kept.MatchString(d.Name()) {
			t.Errorf("the store has a file %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// bombs are workbooks that are small and would be large: one part of zeros, many parts, and an archive in an archive.
func bombs(t *testing.T) map[string][]byte {
	t.Helper()
	pack := func(parts map[string]func(io.Writer)) []byte {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		for name, write := range parts {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			write(w)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	text := func(s string) func(io.Writer) { return func(w io.Writer) { _, _ = io.WriteString(w, s) } }
	const relations = `http://schemas.openxmlformats.org/officeDocument/2006/relationships`
	book := func(sheet func(io.Writer)) []byte {
		return pack(map[string]func(io.Writer){
			"_rels/.rels":                text(`<Relationships><Relationship Id="r1" Type="` + relations + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`),
			"xl/workbook.xml":            text(`<workbook xmlns:r="` + relations + `"><sheets><sheet name="a" r:id="r1"/></sheets></workbook>`),
			"xl/_rels/workbook.xml.rels": text(`<Relationships><Relationship Id="r1" Type="` + relations + `/worksheet" Target="sheet.xml"/></Relationships>`),
			"xl/sheet.xml":               sheet,
		})
	}
	block := bytes.Repeat([]byte("x"), 1<<20)
	inner := book(func(w io.Writer) {
		_, _ = io.WriteString(w, `<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>title</t></is></c></row><row r="2"><c r="A2" t="inlineStr"><is><t>`)
		for range 600 {
			_, _ = w.Write(block)
		}
		_, _ = io.WriteString(w, `</t></is></c></row></sheetData></worksheet>`)
	})
	many := make(map[string]func(io.Writer))
	for i := range 20_000 {
		many["xl/"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+strings.Repeat("y", i/50)] = text("")
	}
	return map[string][]byte{
		"one.xlsx":    inner,
		"many.xlsx":   pack(many),
		"nested.xlsx": pack(map[string]func(io.Writer){"xl/workbook.xml": func(w io.Writer) { _, _ = w.Write(inner) }}),
		"wide.xlsx":   book(text(`<worksheet><sheetData><row r="1"><c r="XFD1" t="inlineStr"><is><t>title</t></is></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>`)),
		"entity.xlsx": book(text(`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]><worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&b;&c;</t></is></c></row></sheetData></worksheet>`)),
	}
}

// TestNoImportOfAnyKindUnpacksABomb imports workbooks that would grow: each is refused with a reason, and nothing of it is kept.
func TestNoImportOfAnyKindUnpacksABomb(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	all := bombs(t)
	for name, bomb := range all {
		if name == "one.xlsx" && len(bomb) > 8<<20 {
			t.Fatalf("the bomb has %d bytes", len(bomb))
		}
		for _, k := range b.Record.Kinds() {
			if k.Without.Import {
				continue
			}
			answer := b.upload(k.Path+"/-/import", name, string(bomb), nil)
			if answer.Code != http.StatusUnprocessableEntity && answer.Code != http.StatusRequestEntityTooLarge || wrong(answer) == answer.Body.String() || strings.Contains(answer.Body.String(), "root:") {
				t.Errorf("%s into %s: status %d, %.300s", name, k.Name, answer.Code, wrong(answer))
			}
		}
	}
}
