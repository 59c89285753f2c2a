package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

func FuzzBulk(f *testing.F) {
	f.Add([]byte("{\"create\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"n\":1}\n"))
	f.Add([]byte("{\"index\":{}}\r\n{\"n\":1}\r\n\r\n{\"delete\":{}}\n{\"update\":{}}\n{}\n"))
	f.Add([]byte("{\"index\":{\"_index\":\"\\u0000\\ud800\"}}\n{\"\xff\":[[[]]]}\nnonsense\n{\"index\""))
	f.Fuzz(func(t *testing.T, body []byte) {
		var q request
		q.read(body, "default", 1000)
		items := 0
		for _, g := range q.groups {
			items += len(g.items)
			for _, it := range g.items {
				if !json.Valid(it.Data) {
					t.Errorf("accepted as JSON: %q", it.Data)
				}
				if !bytes.Contains(body, it.Data) {
					t.Errorf("%q was never sent", it.Data)
				}
			}
		}
		accepted := 0
		for i := range q.ops {
			if status, _, _ := q.outcome(&q.ops[i]); status == 201 {
				accepted++
			}
		}
		if accepted != items {
			t.Errorf("%d operations accepted, %d items", accepted, items)
		}
		if reply := q.appendReply(nil, nil, time.Second); !json.Valid(reply) {
			t.Errorf("the answer is no JSON: %s", reply)
		}
	})
}

// winlogbeatBody is n events of the size that Winlogbeat sends for a Sysmon process creation, about 1.2 KB each.
func winlogbeatBody(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(`{"create":{"_index":"winlogbeat-9.0.1"}}` + "\n")
		fmt.Fprintf(&b, `{"@timestamp":"2026-04-01T00:00:%02d.123Z","agent":{"name":"pc-%04d","type":"winlogbeat","version":"9.0.1"},`+
			`"event":{"action":"Process Create (rule: ProcessCreate)","code":"1","kind":"event","provider":"Microsoft-Windows-Sysmon"},`+
			`"host":{"name":"pc-%04d","os":{"family":"windows","name":"Windows 11 Pro","version":"10.0"}},"winlog":{"channel":"Microsoft-Windows-Sysmon/Operational",`+
			`"computer_name":"pc-%04d.example.co.jp","event_id":"1","record_id":%d,"event_data":{"CommandLine":"\"C:\\Windows\\system32\\cmd.exe\" /c whoami /all",`+
			`"Image":"C:\\Windows\\System32\\cmd.exe","ParentImage":"C:\\Windows\\explorer.exe","ParentCommandLine":"C:\\Windows\\Explorer.EXE","User":"EXAMPLE\\tanaka",`+
			`"Hashes":"SHA256=B99D61D874728EDC0918CA0EB10EAB93D381E7367E377406E65963366C874450","IntegrityLevel":"Medium","LogonId":"0x3e7","ProcessGuid":"{a1b2c3d4-0000-0000-0000-000000000000}",`+
			`"CurrentDirectory":"C:\\Users\\tanaka\\","Company":"Microsoft Corporation","Description":"Windows Command Processor","FileVersion":"10.0.22621.1"}}}`+"\n",
			i%60, i%2000, i%2000, i%2000, i)
	}
	return b.Bytes()
}

// BenchmarkBulkRead reads a request of 10,000 documents and writes the answer; docs/s is the figure to look at. Its
// baseline is the bare validation of the same documents as encoding/json does it.
func BenchmarkBulkRead(b *testing.B) {
	const docs = 10_000
	body := winlogbeatBody(docs)
	b.Run("yagura", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var q request
			q.read(body, "", 4<<20)
			if len(q.appendReply(nil, newFilter("errors,items.*.error,items.*.status"), 0)) < docs {
				b.Fatal("no answer")
			}
		}
		b.ReportMetric(float64(docs)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	})
	b.Run("encoding-json-valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			for line := range bytes.Lines(body) {
				if !json.Valid(line) {
					b.Fatal("no JSON")
				}
			}
		}
		b.ReportMetric(float64(docs)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	})
}
