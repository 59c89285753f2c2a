package record_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// benchRecords is how many records the lists are measured with; YAGURA_BENCH_RECORDS is another number.
const benchRecords = 1_000_000

// benchTable is the loans' with the indexes that a room would give it: what lists are sorted by, and what people filter by together with the
// usual order; with deleted_at at the end, so that counting looks into no row.
const benchTable = loanTable + `;
	CREATE INDEX loan_updated ON loan_loan (updated_at, id, deleted_at);
	CREATE INDEX loan_state ON loan_loan (state, updated_at, id, deleted_at);
	CREATE INDEX loan_state_due ON loan_loan (state, due, id, deleted_at);
	CREATE INDEX loan_owner ON loan_loan (owner, updated_at, id, deleted_at);
	CREATE INDEX loan_unit ON loan_loan (unit, updated_at, id, deleted_at);
	CREATE INDEX loan_due ON loan_loan (due, id, deleted_at);
	CREATE INDEX loan_title ON loan_loan (title, id, deleted_at);
	CREATE INDEX loan_number ON loan_loan (number, id, deleted_at);
	CREATE INDEX loan_cost ON loan_loan (cost, number, id, deleted_at);
	CREATE INDEX loan_deleted ON loan_loan (deleted_at) WHERE deleted_at > 0;
	CREATE INDEX loan_host ON loan_loan (host, updated_at, id, deleted_at);
	CREATE INDEX loan_severity ON loan_loan (severity, updated_at, id, deleted_at)`

// benchRow is the n-th record in SQL that both engines know: nine of ten are back, 40 are aoki's, one in a hundred has the tag rare.
const benchRow = `SELECT 'r' || CAST(10000000 + n AS TEXT), 'Notebook ' || CAST(n % 5000 AS TEXT) || ' serial' || CAST(n AS TEXT),
	CASE WHEN n % 50 = 0 THEN 'wanted' WHEN n % 10 = 1 THEN 'out' ELSE 'back' END,
	CASE WHEN n % 25000 = 7 THEN 'aoki' ELSE 'p' || CAST(n % 1000 AS TEXT) END, CASE WHEN n % 100 = 3 THEN 'shibuya' ELSE 'u' || CAST(n % 50 AS TEXT) END,
	CASE WHEN n % 4 = 0 THEN 1700000000000000 + (n * 7919 % 1000000) * 200000000 ELSE 0 END, CASE WHEN n % 100 = 0 THEN ' rare ' ELSE '' END,
	1600000000000000 + n * 1000000, 'aoki', 1700000000000000 + (n * 104729 % 1000000) * 1000000, 'aoki', 1, 0, '', '',
	'L-' || CAST(n AS TEXT), CASE WHEN n % 2 = 0 THEN 'pc' ELSE 'phone' END, n * 31 % 100000, n % 6, '2026-04-01', '', n % 2, 'pc-' || CAST(n % 20000 AS TEXT), '', 0 `

// manyLoans fills a database for a benchmark.
func manyLoans(b *testing.B, d *db.DB) *record.Store {
	b.Helper()
	n := benchRecords
	if text := os.Getenv("YAGURA_BENCH_RECORDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	return fillLoans(b, d, n)
}

// fillLoans makes n loans without the store, which would take its time.
func fillLoans(b testing.TB, d *db.DB, n int) *record.Store {
	b.Helper()
	s := recordtest.Open(b, d, benchTable, loan())
	numbers := fmt.Sprintf(`FROM (WITH RECURSIVE c(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c WHERE n < %d) SELECT n FROM c) AS numbers`, n)
	statements := []string{
		`INSERT INTO loan_loan ` + benchRow + numbers,
		`INSERT INTO record_tag SELECT 'loan', 'rare', id FROM loan_loan WHERE tags = ' rare '`,
	}
	if d.Engine() == db.PostgreSQL {
		statements = append(statements, `INSERT INTO loan_loan_text_doc (key, words) SELECT id, to_tsvector('simple', title || ' l ' || substr(number, 3)) FROM loan_loan ORDER BY id`, `ANALYZE`)
	} else {
		statements = append(statements, `INSERT INTO loan_loan_text_doc (key, words) SELECT id, ' ' || LOWER(title) || ' l ' || substr(number, 3) || ' ' FROM loan_loan ORDER BY id`,
			`INSERT INTO loan_loan_text_words (rowid, words) SELECT doc, words FROM loan_loan_text_doc`)
	}
	for _, statement := range statements {
		if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkLists measures what a list's page asks of the store, a page with its count, with a million records: the 95th of a hundred times beside
// the bare query of the index.
func BenchmarkLists(b *testing.B) {
	d := dbtest.New(b)
	s := manyLoans(b, d)
	env := s.Env(b.Context(), aoki, nil)
	k, err := s.Kind("loan")
	if err != nil {
		b.Fatal(err)
	}
	timed := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := do(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
	timed("bare", func() error {
		return d.Read(b.Context(), func(tx *db.Tx) error {
			_, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) },
				`SELECT id FROM loan_loan WHERE deleted_at = 0 ORDER BY updated_at DESC, id DESC LIMIT 51`)
			return err
		})
	})
	deep := map[string]string{"": deepCursor(b, int64(1700500000000000), "r10500000"), "sort=number": deepCursor(b, "L-5", "r10500000")}
	for _, address := range []string{
		"", "sort=number", "sort=-title", "sort=due", "sort=-dear", "state=open", "state=wanted", "state=back&sort=number", "state=!back", "owner=me", "owner=me&state=open",
		"owner=me&sort=title", "owner=-", "unit=shibuya", "unit=shibuya&state=open", "unit=shibuya&sort=-cost", "due=overdue&state=open", "due=overdue&state=open&sort=due",
		"due=7d", "tags=rare", "tags=rare&sort=number", "severity=critical", "severity=high..&state=open", "cost=99000..", "cost=5..6", "host=pc-17", "thing=pc",
		"q=notebook", "q=serial4711", "q=serial99&state=open", "q=notebook+4711&sort=number", "q=L-77", "q=nothing", "title=serial4711", "note=nothing", "created_at=2020-09-14..2020-09-14",
		"state=open&owner=-", "cost=1..2&thing=phone", "deleted=true",
	} {
		q, err := k.ParseQuery(parse(address))
		if err != nil {
			b.Fatal(err)
		}
		timed("page/"+address, func() error {
			_, err := s.Listed(b.Context(), "loan", q, env, "", 50)
			return err
		})
		if cursor := deep[address]; cursor != "" {
			timed("deep/"+address, func() error {
				_, err := s.List(b.Context(), "loan", q, env, cursor, 50)
				return err
			})
		}
	}
}

func deepCursor(b *testing.B, values ...any) string {
	b.Helper()
	cursor, err := db.EncodeCursor(values...)
	if err != nil {
		b.Fatal(err)
	}
	return cursor
}

// parse reads an address that is written here.
func parse(address string) map[string][]string {
	values := make(map[string][]string)
	for pair := range strings.SplitSeq(address, "&") {
		if name, text, ok := strings.Cut(pair, "="); ok {
			values[name] = append(values[name], strings.ReplaceAll(text, "+", " "))
		}
	}
	return values
}

// BenchmarkExport reads every record of a million as an export does, beside the bare query, and says how much memory was in use at most.
func BenchmarkExport(b *testing.B) {
	d := dbtest.New(b)
	s := manyLoans(b, d)
	env := s.Env(b.Context(), aoki, nil)
	measured := func(name string, do func(each func()) error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var peak uint64
				n := 0
				err := do(func() {
					if n++; n%50_000 == 0 {
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						peak = max(peak, m.HeapInuse)
					}
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
				b.ReportMetric(float64(n), "records")
			}
		})
	}
	measured("bare", func(each func()) error {
		return d.Read(b.Context(), func(tx *db.Tx) error {
			rows, err := tx.Query(`SELECT * FROM loan_loan ORDER BY updated_at, id`)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }()
			into := make([]any, 25)
			for i := range into {
				into[i] = new(any)
			}
			for rows.Next() {
				if err := rows.Scan(into...); err != nil {
					return err
				}
				each()
			}
			return rows.Err()
		})
	})
	measured("export", func(each func()) error {
		_, err := s.Export(b.Context(), "loan", record.Query{}, env, record.Exporting{Format: "json", Each: func(*record.Record) error { each(); return nil }})
		return err
	})
}

// BenchmarkImport imports 20,000 lines, half of them new, and says how much memory was in use at most; the dry run and the import beside
// the bare making of as many records in one transaction.
func BenchmarkImport(b *testing.B) {
	const lines = 20_000
	peak := func(b *testing.B, do func() error) {
		var most uint64
		done := make(chan struct{})
		sampled := make(chan struct{})
		go func() {
			defer close(sampled)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapInuse)
				}
			}
		}()
		err := do()
		close(done)
		<-sampled
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(most)/(1<<20), "peak-MiB")
		b.ReportMetric(lines*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	}
	d := dbtest.New(b)
	s := fillLoans(b, d, lines/2)
	env := s.Env(b.Context(), aoki, nil)
	var id string
	b.Run("upload", func(b *testing.B) {
		peak(b, func() error {
			u, err := s.Upload(b.Context(), aoki, "loan", "x", func(yield func([]string, error) bool) {
				for i := range lines + 1 {
					if i == 0 && !yield([]string{"number", "title", "owner", "note"}, nil) || i > 0 && !yield([]string{fmt.Sprint("L-", i), fmt.Sprint("title ", i), "baba", strings.Repeat("x", 300)}, nil) {
						return
					}
				}
			})
			if err == nil {
				id = u.ID
			}
			return err
		})
	})
	b.Run("dry-run", func(b *testing.B) {
		peak(b, func() error {
			_, err := s.DryRun(b.Context(), env, "loan", id, record.Mapping{Fields: []string{"number", "title", "owner", "note"}})
			return err
		})
	})
	b.Run("import", func(b *testing.B) {
		peak(b, func() error {
			u, more, err := s.Import(b.Context(), env, "loan", id, time.Hour)
			if err == nil && (more || u.Fates[record.FateMade] != lines/2 || u.Fates[record.FateChanged] != lines/2) {
				err = fmt.Errorf("%v", u.Fates)
			}
			return err
		})
	})
	b.Run("bare", func(b *testing.B) {
		peak(b, func() error {
			return d.Write(b.Context(), func(tx *db.Tx) error {
				for i := range lines {
					if _, err := s.CreateTx(tx, aoki, "loan", record.Values{"number": fmt.Sprint("B-", i), "title": fmt.Sprint("title ", i), "note": strings.Repeat("x", 300)}); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}
