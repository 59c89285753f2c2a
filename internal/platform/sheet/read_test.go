package sheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/sheet"
)

// rows reads a file as lines of "line: cell | cell".
func rows(data []byte, lim sheet.Limits) (string, error) {
	r, err := sheet.Open(bytes.NewReader(data), lim)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for row, err := range r.Rows() {
		if err != nil {
			return out.String(), err
		}
		fmt.Fprintf(&out, "%d: %s\n", row.Line, strings.Join(row.Cells, " | "))
	}
	return out.String(), nil
}

func encode(t *testing.T, name, text string) []byte {
	t.Helper()
	var out []byte
	var err error
	switch name {
	case "Shift_JIS":
		out, err = japanese.ShiftJIS.NewEncoder().Bytes([]byte(text))
	case "UTF-16LE":
		out, err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(text))
	case "UTF-16BE":
		out, err = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().Bytes([]byte(text))
	case "UTF-8 with mark":
		out = []byte("\ufeff" + text)
	default:
		out = []byte(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCSVInEveryEncodingReadsTheSame(t *testing.T) {
	t.Parallel()
	const text = "名前,部署,番号\r\n髙橋 ①,ソフトウェア開発,００１２\r\n\"鈴木, 花子\",\"一行目\r\n二行目\",\"\"\"引用\"\"\"\r\n,,\r\nﾊﾝｶｸ,表示,0012\r\n"
	const want = "1: 名前 | 部署 | 番号\n2: 髙橋 ① | ソフトウェア開発 | ００１２\n3: 鈴木, 花子 | 一行目\n二行目 | \"引用\"\n6: ﾊﾝｶｸ | 表示 | 0012\n"
	for _, name := range []string{"UTF-8", "UTF-8 with mark", "UTF-16LE", "UTF-16BE", "Shift_JIS"} {
		got, err := rows(encode(t, name, text), sheet.Limits{})
		if err != nil || got != want {
			t.Errorf("%s, %v: %s", name, err, cmp.Diff(want, got))
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, want string }{
		{"semicolons", "a;b\n1,5;2\n", "1: a | b\n2: 1,5 | 2\n"},
		{"tabs", "a\tb\n\"1\t2\"\t3\n", "1: a | b\n2: 1\t2 | 3\n"},
		{"delimiters within quotes do not count", "\"a;b;c\",d\n1,2\n", "1: a;b;c | d\n2: 1 | 2\n"},
		{"one column", "a\nb\n", "1: a\n2: b\n"},
		{"empty lines", "\n\na,b\n\n1,2\n", "3: a | b\n5: 1 | 2\n"},
		{"old Mac", "a,b\r1,2\r", "1: a | b\n2: 1 | 2\n"},
		{"no end of line", "a,b\n1,2", "1: a | b\n2: 1 | 2\n"},
		{"empty", "", ""},
		{"nothing but a mark", "\ufeff", ""},
		{"uneven rows", "a,b,c\n1\n1,2,3,4\n", "1: a | b | c\n2: 1\n3: 1 | 2 | 3 | 4\n"},
		{"empty cells at the end", "a,b,,,\n,x,\n", "1: a | b\n2:  | x\n"},
		{"our apostrophe", "'=1+1,'-x,'plain,''=x\n", "1: =1+1 | -x | 'plain | '=x\n"},
		{"a replacement character that is meant", "a\ufffd\n", "1: a\ufffd\n"},
		{"a character over the edge of a buffer", strings.Repeat("a", 32<<10-1) + "あ,b\n", "1: " + strings.Repeat("a", 32<<10-1) + "あ | b\n"},
	} {
		got, err := rows([]byte(row.text), sheet.Limits{})
		if err != nil || got != row.want {
			t.Errorf("%s, %v: %s", row.name, err, cmp.Diff(row.want, got))
		}
	}
}

func TestWhatCannotBeReadIsSaidWithItsPlace(t *testing.T) {
	t.Parallel()
	lim := sheet.Limits{Rows: 3, Columns: 3, Cell: 10, Bytes: 10_000, Unpacked: 20_000}
	for _, row := range []struct {
		name, data string
		code       fault.Code
		key, want  string
	}{
		{"quote in a field", "a,b\n1,2\"\n", fault.Invalid, "fault.sheet.quote", "CSV, line 2, column 4"},
		{"quote never closed", "a,b\n1,\"2\n", fault.Invalid, "fault.sheet.quote", "CSV, line 2, column 6"},
		{"no encoding", "a\nb\n\xff\xff\n", fault.Invalid, "fault.sheet.encoding", "CSV, line 3, column 1"},
		{"UTF-8 by its mark, and is not", "\ufeffa\n\x83\x65\n", fault.Invalid, "fault.sheet.encoding", "CSV, line 2, column 1"},
		{"half a pair in UTF-16", "\xff\xfea\x00\n\x00\x00\xd8", fault.Invalid, "fault.sheet.encoding", "CSV, line 2, column 1"},
		{"binary", "\x7fELF\x00\x00", fault.Invalid, "fault.sheet.format", "neither CSV nor XLSX"},
		{"old Excel", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", fault.Invalid, "fault.sheet.old", "with a password"},
		{"no archive", "PK\x03\x04 and nothing", fault.Invalid, "fault.sheet.damaged", "the archive"},
		{"rows", "a\nb\nc\nd\n", fault.TooLarge, "fault.sheet.rows", "CSV, line 4, column 1: more than 3 rows"},
		{"columns", "a\n1,2,3,4\n", fault.TooLarge, "fault.sheet.columns", "CSV, line 2, column 4: more than 3 columns"},
		{"cell", "a\nb,12345678901\n", fault.TooLarge, "fault.sheet.cell", "CSV, line 2, column 2: a text of 11 bytes"},
		{"file", strings.Repeat("a\n", 5001), fault.TooLarge, "fault.sheet.bytes", "10002 bytes"},

		{"no sheet part", xlsx("", nil), fault.Invalid, "fault.sheet.damaged", "sheet1.xml"},
		{"cut off", xlsx(`<worksheet><sheetData><row r="1"><c r="A1"><v>1`, nil), fault.Invalid, "fault.sheet.damaged", "sheet1.xml"},
		{"no number", cells(`<c r="B1"><v>one</v></c>`), fault.Invalid, "fault.sheet.value", `表, line 1, column 2: "one" is no number`},
		{"an error", cells(`<c r="A1" t="e"><v>#N/A</v></c>`), fault.Invalid, "fault.sheet.value", "表, line 1, column 1: the formula's value is the error #N/A"},
		{"no shared text", cells(`<c r="A1" t="s"><v>7</v></c>`), fault.Invalid, "fault.sheet.value", `表, line 1, column 1: there is no shared text "7"`},
		{"not calculated", cells(`<c r="C1"><f>A1</f></c>`), fault.Invalid, "fault.sheet.formula", "表, line 1, column 3"},
		{"columns of XLSX", cells(`<c r="XFD1"><v>1</v></c>`), fault.TooLarge, "fault.sheet.columns", "表, line 1, column 16384"},
		{"beyond Excel's columns", cells(`<c r="XFE1"><v>1</v></c>`), fault.Invalid, "fault.sheet.damaged", `cell "XFE1"`},
		{"a cell of another row", cells(`<c r="A2"><v>1</v></c>`), fault.Invalid, "fault.sheet.damaged", `cell "A2" in row 1`},
		{"rows backwards", xlsx(`<sheetData><row r="2"/><row r="1"/></sheetData>`, nil), fault.Invalid, "fault.sheet.damaged", `row "1" behind row 2`},
		{"overlapping merged ranges", xlsx(`<sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData>`+strings.Repeat(`<mergeCell ref="A1:B9"/>`, 4), nil),
			fault.Invalid, "fault.sheet.damaged", "overlap"},
		{"a bomb", xlsx(`<sheetData>`+strings.Repeat(" ", 1<<20)+`</sheetData>`, nil), fault.TooLarge, "fault.sheet.unpacked", "too large"},
		{"a bomb of shared texts", xlsx(`<sheetData/>`, map[string]string{"xl/sharedStrings.xml": "<sst>" + strings.Repeat("<si/>", 1<<20)}), fault.TooLarge, "fault.sheet.unpacked", "too large"},
	} {
		_, err := rows([]byte(row.data), lim)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code != row.code || f.Key != row.key || !strings.Contains(f.Detail, row.want) {
			t.Errorf("%s: %v, want %s %s %q", row.name, err, row.code, row.key, row.want)
		}
	}
}

// xlsx packs a sheet, "表", into the least of a workbook; parts adds to it or takes its place.
func xlsx(content string, parts map[string]string) string {
	all := map[string]string{
		"_rels/.rels":     `<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": `<workbook xmlns:r="x"><sheets><sheet name="表" sheetId="1" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r1" Type="http://x/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="r2" Type="http://x/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>`,
		"xl/sharedStrings.xml": `<sst><si><t>共有</t></si><si><r><t>漢</t></r><r><t xml:space="preserve">字 </t></r><rPh sb="0" eb="2"><t>カンジ</t></rPh></si></sst>`,
	}
	if content != "" {
		all["xl/worksheets/sheet1.xml"] = content
	}
	for name, part := range parts {
		all[name] = part
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, part := range all {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, part)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.String()
}

func cells(content string) string {
	return xlsx(`<worksheet><sheetData><row r="1">`+content+`</row></sheetData></worksheet>`, nil)
}

func TestXLSXByHand(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, content, want string }{
		{"shared texts without their reading", `<sheetData><row r="3"><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row></sheetData>`, "3: 共有 | 漢字 \n"},
		{"places that are not given", `<sheetData><row><c><v>1</v></c><c><v>2</v></c></row><row><c r="C2"><v>3</v></c></row></sheetData>`, "1: 1 | 2\n2:  |  | 3\n"},
		{"a prefix for all", `<x:worksheet><x:sheetData><x:row r="1"><x:c r="A1"><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>`, "1: 1\n"},
		{"formulas as their values", `<sheetData><row><c t="str"><f>"a"&amp;1</f><v>a1</v></c><c><f>1/3</f><v>0.33333333333333331</v></c><c t="str"><f>""</f><v></v></c></row></sheetData>`,
			"1: a1 | 0.3333333333333333\n"},
		{"numbers", `<sheetData><row><c><v>1E+15</v></c><c><v>-0.1</v></c><c t="b"><v>1</v></c><c t="n"><v>12</v></c></row></sheetData>`, "1: 1000000000000000 | -0.1 | true | 12\n"},
		{"an empty sheet", `<worksheet><sheetData/></worksheet>`, ""},
		{"characters that XML lacks", `<sheetData><row><c t="inlineStr"><is><t>a_x000A_b_x005F_x000A_</t></is></c></row></sheetData>`, "1: a\nb_x000A_\n"},
		{"merged", `<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1"><v>1</v></c></row><row r="2"><c r="A2"/><c r="B2"><v>2</v></c></row>` +
			`<row r="3"><c r="B3"><v>3</v></c><c r="C3"><v>4</v></c></row></sheetData><mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="C3:$D$3"/></mergeCells>`,
			"1: 共有 | 1\n2: 共有 | 2\n3:  | 3 | 4 | 4\n"},
		{"an entity is no way out", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><sheetData><row><c t="inlineStr"><is><t>&amp;e;</t></is></c></row></sheetData>`, "1: &e;\n"},
	} {
		got, err := rows([]byte(xlsx(row.content, nil)), sheet.Limits{})
		if err != nil || got != row.want {
			t.Errorf("%s, %v: %s", row.name, err, cmp.Diff(row.want, got))
		}
	}
	if _, err := rows([]byte(xlsx(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><sheetData><row><c><v>&e;</v></c></row></sheetData>`, nil)), sheet.Limits{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an entity: %v", err)
	}
}

// TestXLSXAsExcelWritesIt reads what excelize made.
func TestXLSXAsExcelWritesIt(t *testing.T) {
	t.Parallel()
	f := excelize.NewFile()
	defer f.Close()
	set := func(cell string, value any, format string) {
		t.Helper()
		if err := f.SetCellValue("台帳", cell, value); err != nil {
			t.Fatal(err)
		}
		if format == "" {
			return
		}
		style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
		if err == nil {
			err = f.SetCellStyle("台帳", cell, cell, style)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.NewSheet("台帳"); err != nil {
		t.Fatal(err)
	}
	if err := f.SetSheetVisible("台帳", true); err != nil {
		t.Fatal(err)
	}
	f.SetActiveSheet(1)
	if err := f.SetSheetVisible("Sheet1", false); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC)
	set("A1", "品名", "")
	set("B1", when, "")                // excelize's own format for times
	set("C1", when, `yyyy"年"m"月"d"日"`) // the clock is there, whatever is shown
	set("D1", 45000, `[$-ja-JP]ggge"年"m"月"d"日"`)
	set("E1", 0.5, "h:mm")
	set("F1", 1.5, "[h]:mm:ss")
	set("G1", 1234567.891, "#,##0")
	set("H1", 0.25, "0.00%")
	set("I1", 12, `0"days"`)
	set("J1", 60, "yyyy/m/d")
	set("K1", 1, "yyyy/m/d")
	set("L1", "＝全角", "")
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		t.Fatal(err)
	}
	const want = "1: 品名 | 2026-11-25 09:30:00 | 2026-11-25 09:30:00 | 2023-03-15 | 12:00:00 | 36:00:00 | 1234567.891 | 0.25 | 12 | 1900-03-01 | 1900-01-01 | ＝全角\n"
	got, err := rows(out.Bytes(), sheet.Limits{})
	if err != nil || got != want {
		t.Errorf("%v: %s", err, cmp.Diff(want, got))
	}
}

func TestRowsCanBeReadAgain(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"a,b\n1,2\n", cells(`<c><v>1</v></c>`)} {
		r, err := sheet.Open(strings.NewReader(data), sheet.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		read := func() (n int) {
			for _, err := range r.Rows() {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			return n
		}
		if first, second := read(), read(); first != second || first == 0 {
			t.Errorf("%d rows, then %d", first, second)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\ufeffa;b\r\n", "\xff\xfea\x00,\x00", "\x83\x65\x83\x58\x83\x67,a", "\"a\nb\",'=c", "a\rb", "\"", "a\"b"} {
		f.Add([]byte(seed))
	}
	lim := sheet.Limits{Bytes: 1 << 20, Rows: 100, Columns: 20, Cell: 1000}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte("PK")) {
			return
		}
		obeys(t, data, lim)
	})
}

func FuzzXLSX(f *testing.F) {
	f.Add(`<sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData>`, `<styleSheet><numFmts><numFmt numFmtId="170" formatCode="[h]:mm"/></numFmts><cellXfs><xf numFmtId="170"/></cellXfs></styleSheet>`)
	f.Add(`<sheetData><row><c t="s"><v>1</v></c><c s="0"><f>A1</f><v>45000.5</v></c></row></sheetData><mergeCell ref="A1:B2"/>`, `<cellXfs><xf numFmtId="14"/></cellXfs>`)
	f.Add(`<row><c t="inlineStr"><is><r><t>a</t></r><rPh><t>b</t></rPh></is></c>`, "")
	lim := sheet.Limits{Bytes: 1 << 20, Unpacked: 1 << 20, Rows: 100, Columns: 20, Cell: 1000}
	f.Fuzz(func(t *testing.T, content, styles string) {
		obeys(t, []byte(xlsx(content, map[string]string{
			"xl/styles.xml": styles,
			"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r1" Type="/worksheet" Target="worksheets/sheet1.xml"/>` +
				`<Relationship Id="r2" Type="/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="r3" Type="/styles" Target="styles.xml"/></Relationships>`,
		})), lim)
	})
}

// FuzzArchive changes the archive itself.
func FuzzArchive(f *testing.F) {
	f.Add([]byte(cells(`<c><v>1</v></c>`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		obeys(t, data, sheet.Limits{Bytes: 1 << 20, Unpacked: 1 << 20, Rows: 100, Columns: 20, Cell: 1000})
	})
}

// obeys reads data: it must come out within the limits, or as a fault that is not ours.
func obeys(t *testing.T, data []byte, lim sheet.Limits) {
	t.Helper()
	r, err := sheet.Open(bytes.NewReader(data), lim)
	if err != nil {
		if fault.Is(err, fault.Internal) {
			t.Fatalf("%q: %v", data, err)
		}
		return
	}
	count, line := 0, 0
	for row, err := range r.Rows() {
		if err != nil {
			if fault.Is(err, fault.Internal) {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		if count++; count > lim.Rows || len(row.Cells) > lim.Columns || row.Line <= line || len(row.Cells) == 0 {
			t.Fatalf("row %d is %+v behind line %d", count, row, line)
		}
		line = row.Line
	}
}

// TestFilesOfOthers reads workbooks that other programs made, each beside a text of its rows.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.xlsx")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := rows(data, sheet.Limits{})
		want, missing := os.ReadFile(strings.TrimSuffix(path, ".xlsx") + ".txt")
		if err != nil || missing != nil || got != string(want) {
			t.Errorf("%s, %v, %v: %s", path, err, missing, cmp.Diff(string(want), got))
		}
	}
}
