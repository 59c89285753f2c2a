package normalise_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
)

// TestNoEventGrowsBeyondItsOriginal: what is small on its way stays small, and takes little to read.
func TestNoEventGrowsBeyondItsOriginal(t *testing.T) {
	n := newNormaliser(t)
	long := strings.Repeat("n", 100_000)
	var members strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&members, `,"k%d":1`, i)
	}
	object := `{"k":1` + members.String() + `}`
	const system = `<Event><System><Provider Name="p"/><EventID>1</EventID><Channel>c</Channel></System><EventData>`
	for _, row := range []struct {
		name   string
		format intake.Format
		data   string
	}{
		{"members under a long name", intake.JSON, `{"` + long + `":` + object + `}`},
		{"members under many long names", intake.JSON, strings.Repeat(`{"`+long[:10_000]+`":`, 20) + object + strings.Repeat("}", 20)},
		{"Windows data under a long name", intake.JSON, `{"Event":{"System":{"EventID":1,"Channel":"x","Provider":{"Name":"y"}},"EventData":{"` + long + `":{"a":` + strings.Repeat(`{"a":1,"b":`, 20) + `1` + strings.Repeat("}", 20) + `}}}}`},
		{"structured data of a long id", intake.Syslog, "<13>1 2026-01-02T03:04:05Z h a - - [" + long + strings.Repeat(` a="b"`, 5000) + "] x"},
		{"structured data of many parameters", intake.Syslog, "<13>1 2026-01-02T03:04:05Z h a - - [x" + strings.Repeat(` a="b"`, 50_000) + "] x"},
		{"structured data of many elements", intake.Syslog, "<13>1 2026-01-02T03:04:05Z h a - - " + strings.Repeat("[x]", 50_000) + " x"},
		{"elements in one of a long name", intake.Line, system + "<" + long + ">" + strings.Repeat("<b>1</b>", 1000) + "</" + long + "></EventData></Event>"},
		{"a text in many parts", intake.Line, system + `<Data Name="x">` + strings.Repeat("<![CDATA["+long[:1000]+"]]>", 3000) + "</Data></EventData></Event>"},
		{"a log line of many clients", intake.Line, `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 1 "a" "b"` + strings.Repeat(` "192.0.2.1"`, 20_000)},
		{"sudo with many users", intake.Syslog, "<86>Nov  2 09:00:01 h sudo: a : " + strings.Repeat("USER=a ; ", 20_000)},
		{"a rendered message of many lines", intake.JSON, `{"Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"SourceName":"Microsoft-Windows-Sysmon","Message":"Process Create:\nUtcTime: x\n` + strings.Repeat(`Image: x\n`, 20_000) + `"}`},
		{"one name again and again", intake.JSON, `{"eventName":"x"` + strings.Repeat(`,"eventName":"x"`, 60_000) + `}`},
		{"many a from", intake.Syslog, "<86>Nov  2 09:00:01 h x: " + strings.Repeat("from ", 100_000)},
	} {
		batch := &intake.Batch{Format: row.format, Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		ev := new(event.Event)
		if err := n.Normalise(batch, &intake.Item{Data: []byte(row.data)}, ev); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		size := 0
		for _, f := range ev.Fields() {
			size += len(f.Name) + len(f.Value)
		}
		if size > 8*len(row.data)+1<<20 || ev.NumFields() > 1100 || took > 5*time.Second || after.TotalAlloc-before.TotalAlloc > 128<<20 {
			t.Errorf("%s: %d KiB became %d fields with %d KiB, in %v and %d MiB", row.name, len(row.data)>>10, ev.NumFields(), size>>10, took, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
	}
}

// TestNobodySpeaksInOurPlace: names of ours in an original are the original's own.
func TestNobodySpeaksInOurPlace(t *testing.T) {
	n := newNormaliser(t)
	batch := &intake.Batch{Format: intake.JSON, Source: "pos-01", Input: "api", Remote: "192.0.2.1", Received: time.Now()}
	for format, data := range map[intake.Format]string{
		intake.JSON: `{"yagura":{"source":"trusted","x":"https://evil.example.com/"},"yagura.input":"file","event":{"id":"x"},"Event":{"System":{"EventID":1,"Channel":"x","Provider":{"Name":"y"}}}}`,
		intake.HEC:  `{"event":{"yagura.source":"trusted","yagura.x":"https://evil.example.com/"},"fields":{"yagura.input":"file","event.id":"x"}}`,
		intake.OTLP: `{"attributes":{"yagura.source":"trusted","yagura.x":"https://evil.example.com/","yagura.input":"file","event.id":"x"}}`,
		intake.Line: `yagura.source=trusted yagura.x=https://evil.example.com/ yagura.input=file event.id=x`,
	} {
		batch.Format = format
		ev := new(event.Event)
		if err := n.Normalise(batch, &intake.Item{Data: []byte(data)}, ev); err != nil {
			t.Fatal(err)
		}
		text := string(ev.AppendJSON(nil))
		if fmt.Sprint(ev.Values(event.SourceID), ev.Values(event.SourceInput)) != "[pos-01] [api]" || ev.Has("event.id") {
			t.Errorf("%s: %s", format, text)
		}
		if ev.Get("native.yagura.source") != "trusted" || !strings.Contains(fmt.Sprint(ev.Observables(nil)), "evil.example.com") {
			t.Errorf("%s: what the original says is lost or hidden: %s", format, text)
		}
	}
}
