package logstore_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logstorage"

	"yagura/internal/event"
	"yagura/internal/platform/logstore"
)

// sample is an event as a source of many PCs sends it, with so many fields.
func sample(fields int) *event.Event {
	e := numbered(0)
	for i := range fields - e.NumFields() - 1 { // event.id is one
		e.Add(fmt.Sprintf("field.%d", i), fmt.Sprintf("value %d", i))
	}
	return e
}

const batch = 1000

// BenchmarkAppend measures rows into the store beside the same rows into the bare engine.
func BenchmarkAppend(b *testing.B) {
	for _, fields := range []int{10, 40} {
		b.Run(fmt.Sprintf("store/%d_fields", fields), func(b *testing.B) {
			s, e := open(b, logstore.Options{}), sample(fields)
			rows := s.NewRows()
			for n := 0; b.Loop(); n++ {
				e.Time = noon.Add(time.Duration(n) * time.Millisecond)
				if rows.Add(e); rows.Len() == batch {
					if err := s.Append(rows); err != nil {
						b.Fatal(err)
					}
					rows.Reset()
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
		b.Run(fmt.Sprintf("engine/%d_fields", fields), func(b *testing.B) {
			_ = open(b, logstore.Options{}) // sets the engine up
			engine := logstorage.MustOpenStorage(b.TempDir()+"/engine", &logstorage.StorageConfig{Retention: 365 * 24 * time.Hour * 10, FlushInterval: 5 * time.Second})
			defer engine.MustClose()
			e := sample(fields)
			rows := logstorage.GetLogRows(nil, nil, nil, nil, "")
			list := []logstorage.Field{{Name: "event.id", Value: e.ID}}
			for _, f := range e.Fields() {
				list = append(list, logstorage.Field{Name: f.Name, Value: f.Value})
			}
			stream := []logstorage.Field{{Name: event.HostName, Value: e.Get(event.HostName)}}
			for n := 0; b.Loop(); n++ {
				rows.MustAdd(logstorage.TenantID{}, noon.Add(time.Duration(n)*time.Millisecond).UnixNano(), list, stream)
				if rows.RowsCount() == batch {
					engine.MustAddRows(rows)
					rows.ResetKeepSettings()
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkSearch measures queries among YAGURA_BENCH_ROWS rows of 10 fields, 200,000 where that is not set.
func BenchmarkSearch(b *testing.B) {
	count, err := strconv.Atoi(os.Getenv("YAGURA_BENCH_ROWS"))
	if err != nil {
		count = 200_000
	}
	s := open(b, logstore.Options{})
	rows := s.NewRows()
	for i := range count {
		e := sample(9)
		e.ID = fmt.Sprintf("spool-%08x-%08x-%d", i/50_000, i, 0)
		e.Time = noon.Add(time.Duration(i) * 20 * time.Millisecond)
		e.Set(event.Message, fmt.Sprintf("session %d opened for user u%d", i, i%500))
		e.Set(event.HostName, fmt.Sprintf("pc-%d", i%50))
		if rows.Add(e); rows.Len() == batch {
			if err := s.Append(rows); err != nil {
				b.Fatal(err)
			}
			rows.Reset()
		}
	}
	if err := s.Append(rows); err != nil {
		b.Fatal(err)
	}
	s.Flush()
	needle := fmt.Sprintf("message:%d", count/3)
	for name, q := range map[string]logstore.Query{
		"needle":         {LogsQL: needle},
		"needle_newest":  {LogsQL: needle, Limit: 100, Newest: true},
		"newest_100":     {Limit: 100, Newest: true},
		"newest_of_user": {LogsQL: "message:u7", Limit: 100, Newest: true},
		"phrase_none":    {LogsQL: `"no such phrase"`, Limit: 100, Newest: true},
		"top_hosts":      {LogsQL: `* | top 10 by (host.name)`},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := s.Query(b.Context(), q, func(*event.Event) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("ids_of_a_segment", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := s.IDs(b.Context(), "spool-00000001-", func(string) { n++ }); err != nil || n != 50_000 {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("hits", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Hits(b.Context(), logstore.Query{}, time.Hour, event.HostName); err != nil {
				b.Fatal(err)
			}
		}
	})
	st := s.Stats()
	b.Logf("%d rows in %d MB, %.0f bytes a row", st.Rows, st.Bytes>>20, float64(st.Bytes)/float64(max(st.Rows, 1)))
}
