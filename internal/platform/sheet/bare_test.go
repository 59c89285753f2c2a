package sheet_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/xuri/excelize/v2"

	"yagura/internal/platform/sheet"
)

// bare runs an encoder by itself, as the baseline of BenchmarkWrite.
func bare(b *testing.B, n int, write func(rows iter.Seq2[[]any, error]) error) {
	b.ReportAllocs()
	for b.Loop() {
		if err := write(many(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func bareCSV(rows iter.Seq2[[]any, error]) error {
	out := csv.NewWriter(io.Discard)
	for row := range rows {
		texts := make([]string, len(row))
		for i, cell := range row {
			texts[i] = fmt.Sprint(cell)
		}
		if err := out.Write(texts); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func bareJSON(rows iter.Seq2[[]any, error]) error {
	out := json.NewEncoder(io.Discard)
	for row := range rows {
		object := make(map[string]any, len(row))
		for i, c := range register().Columns {
			object[c.Name] = row[i]
		}
		if err := out.Encode(object); err != nil {
			return err
		}
	}
	return nil
}

func bareXLSX(rows iter.Seq2[[]any, error]) error {
	f := excelize.NewFile()
	defer f.Close()
	out, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	n := 0
	for row := range rows {
		values := append([]any(nil), row...)
		if link, ok := values[6].(sheet.Link); ok {
			values[6] = link.Text
		}
		n++
		if err := out.SetRow(fmt.Sprintf("A%d", n), values); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Write(io.Discard)
}
