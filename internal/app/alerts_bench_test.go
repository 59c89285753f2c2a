package app

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fulltext"
)

// benchAlert is the n-th alert of a house with many, in SQL that both engines know: three years of 200 rules, 5,000 hosts and 3,000 people, nine of
// ten closed, 50 new ones in 1,000, 40 of them the reader's.
const benchAlert = `INSERT INTO alert_alert (id, rule_id, title, severity, tactics, techniques, entity_kind, entity, entity_key, host_name, user_name, source_ip, state, verdict,
	first_seen, last_seen, count, samples, created_at, updated_at, version, unit, owner, due, tags, created_by, updated_by, deleted_at, deleted_by, deleted_why)
SELECT '01900000-0000-7000-8000-' || CAST(100000000000 + n AS TEXT), 'rule-' || CAST(n * 7919 % 200 AS TEXT), '不審なサインイン Suspicious logon ' || CAST(n % 5000 AS TEXT),
	CASE WHEN n % 997 = 0 THEN 5 WHEN n % 20 = 0 THEN 4 ELSE n % 3 + 1 END, ' credential-access ', ' T1110 ', CASE WHEN n % 2 = 0 THEN 'host' ELSE 'user' END,
	CASE WHEN n % 2 = 0 THEN 'pc-' || CAST(n * 31 % 5000 AS TEXT) ELSE 'user' || CAST(n * 17 % 3000 AS TEXT) END,
	CASE WHEN n % 2 = 0 THEN 'pc-' || CAST(n * 31 % 5000 AS TEXT) ELSE 'user' || CAST(n * 17 % 3000 AS TEXT) END,
	'pc-' || CAST(n * 31 % 5000 AS TEXT), 'user' || CAST(n * 17 % 3000 AS TEXT), '10.0.' || CAST(n % 250 AS TEXT) || '.' || CAST(n / 250 % 250 AS TEXT),
	CASE WHEN n % 20 = 0 THEN 'new' WHEN n % 20 = 1 THEN 'in_progress' ELSE 'closed' END, CASE WHEN n % 20 > 1 THEN 'false_positive' ELSE '' END,
	1700000000000000 + n * 90000000, 1700000600000000 + n * 90000000, n % 300 + 1, 0, 1700000000000000 + n * 90000000, 1700000600000000 + n * 90000000, 1, '',
	CASE WHEN n % 25000 = 1 THEN '{reader}' WHEN n % 20 > 0 THEN 'p' || CAST(n % 30 AS TEXT) ELSE '' END, 0, '', 'system', '', 0, '', ''
FROM (WITH RECURSIVE c(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c WHERE n < {n}) SELECT n FROM c) AS numbers`

// manyAlerts is a house with as many alerts as YAGURA_BENCH_RECORDS says, a million without it, and somebody who looks at them. With
// YAGURA_BENCH_KEEP, a folder, the house stays there and is measured again; with PostgreSQL in the database of YAGURA_POSTGRES itself.
func manyAlerts(b *testing.B) (*house, auth.Person) {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("YAGURA_BENCH_RECORDS"), "1000000"))
	if err != nil {
		b.Fatal(err)
	}
	settings := make(map[string]string)
	if keep := os.Getenv("YAGURA_BENCH_KEEP"); keep != "" {
		settings["data"] = keep
		if os.Getenv("YAGURA_TEST_ENGINE") == "postgres" {
			settings["database.url"] = os.Getenv("YAGURA_POSTGRES")
		}
	}
	h := newHouseFor(b, io.Discard, settings, func(e *Engine) auth.Authenticator { return visiting{e.Accounts} })
	const mail = "reader@example.jp"
	if reader, err := h.Accounts.PersonByEmail(b.Context(), mail); err == nil {
		return h, reader // of a house that was kept
	}
	reader, err := h.Accounts.Create(b.Context(), auth.NewPerson{Email: mail, Name: "読み手", Roles: []string{"admin"}, State: auth.Active})
	if err != nil {
		b.Fatal(err)
	}
	fillAlerts(b, h, reader, n)
	return h, reader
}

// fillAlerts makes n alerts without the store, which would take its time.
func fillAlerts(b *testing.B, h *house, reader auth.Person, n int) {
	b.Helper()
	statements := []string{benchAlert}
	if h.DB.Engine() == db.PostgreSQL {
		statements = append(statements, `INSERT INTO alert_alert_text_doc (key, words) SELECT id, to_tsvector('simple', {words}) FROM alert_alert ORDER BY id`, `ANALYZE`)
	} else {
		statements = append(statements, `INSERT INTO alert_alert_text_doc (key, words) SELECT id, ' ' || {words} || ' ' FROM alert_alert ORDER BY id`,
			`INSERT INTO alert_alert_text_words (rowid, words) SELECT doc, words FROM alert_alert_text_doc`)
	}
	// The words of the titles as the index has them, and the number behind them.
	words := "'" + strings.Join(fulltext.Words("不審なサインイン Suspicious logon"), " ") + " ' || substr(title, 26) || ' ' || replace(entity, '-', ' ')"
	fill := strings.NewReplacer("{reader}", reader.ID, "{n}", strconv.Itoa(n), "{words}", words)
	for _, statement := range statements {
		statement = fill.Replace(statement)
		if err := h.DB.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPagesOfAlerts measures the list's page through everything that a browser's request passes, with a million alerts: the 50th and the 95th
// of a hundred, beside the bare query of the index that the usual order has. Run it with -benchtime 200x.
func BenchmarkPagesOfAlerts(b *testing.B) {
	h, reader := manyAlerts(b)
	handler := h.site.Handler()
	get := func(path string) string {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		r.AddCookie(&http.Cookie{Name: visit, Value: reader.ID})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("GET %s: status %d\n%s", path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	timed := func(name string, do func()) {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				do()
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*50/100].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
	timed("bare", func() {
		err := h.DB.Read(b.Context(), func(tx *db.Tx) error {
			_, err := db.List(tx, func(row db.Scanner) (id string, err error) { return id, row.Scan(&id) }, `SELECT id FROM alert_alert ORDER BY last_seen DESC, id DESC LIMIT 51`)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	deep := "/alerts?view=all"
	for range 20 {
		_, rest, ok := strings.Cut(get(deep), "cursor=")
		if !ok {
			break
		}
		cursor, _, _ := strings.Cut(rest, `"`)
		deep = "/alerts?view=all&cursor=" + cursor
	}
	for _, page := range []struct{ name, path string }{
		{"usual", "/alerts"}, {"mine", "/alerts?view=mine"}, {"closed", "/alerts?view=closed"}, {"all", "/alerts?view=all"}, {"by-severity", "/alerts?view=all&sort=-severity"},
		{"by-count", "/alerts?view=all&sort=-count"}, {"entity", "/alerts?entity=pc-31"}, {"user", "/alerts?user=user17"}, {"rule", "/alerts?rule=rule-7"},
		{"severity", "/alerts?severity=critical"}, {"technique", "/alerts?technique=T1110"},
		{"words-en", "/alerts?q=logon"}, {"words-ja", "/alerts?q=" + url.QueryEscape("サインイン")}, {"few-words", "/alerts?q=" + url.QueryEscape("不審 4711")}, {"deep", deep},
	} {
		timed(page.name, func() { get(page.path) })
	}
}

// thrown counts what is sent and keeps nothing.
type thrown struct {
	header http.Header
	bytes  int64
}

func (t *thrown) Header() http.Header         { return t.header }
func (t *thrown) WriteHeader(int)             {}
func (t *thrown) Write(p []byte) (int, error) { t.bytes += int64(len(p)); return len(p), nil }

// BenchmarkExportOfAlerts sends a million alerts as files, through everything that a browser's request passes, and says how much memory was in use
// at most meanwhile, above what was before. Run it with -benchtime 1x.
func BenchmarkExportOfAlerts(b *testing.B) {
	h, reader := manyAlerts(b)
	handler := h.site.Handler()
	for _, format := range []string{"csv", "xlsx", "json"} {
		b.Run(format, func(b *testing.B) {
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			var most atomic.Uint64
			done := make(chan struct{})
			go func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(20 * time.Millisecond):
						var now runtime.MemStats
						runtime.ReadMemStats(&now)
						most.Store(max(most.Load(), now.HeapAlloc))
					}
				}
			}()
			var sent int64
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/alerts/-/export?view=all&format="+format, nil)
				r.AddCookie(&http.Cookie{Name: visit, Value: reader.ID})
				w := &thrown{header: make(http.Header)}
				handler.ServeHTTP(w, r)
				sent = w.bytes
			}
			close(done)
			b.ReportMetric(float64(sent)/1e6, "MB")
			b.ReportMetric((float64(most.Load())-float64(before.HeapAlloc))/1e6, "heap-MB")
		})
	}
}
