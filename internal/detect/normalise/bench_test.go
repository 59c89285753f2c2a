package normalise_test

import (
	"encoding/json"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
)

// BenchmarkNormalise measures one event of each common kind beside encoding/json reading the same document into a map, the
// naive way.
func BenchmarkNormalise(b *testing.B) {
	cloudTrail := `{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","userName":"suzuki","arn":"arn:aws:iam::111122223333:user/suzuki"},"eventTime":"2026-02-01T09:00:00Z","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","awsRegion":"ap-northeast-1","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2","requestParameters":{"bucketName":"crm"},"recipientAccountId":"111122223333"}`
	for _, c := range []struct {
		name   string
		format intake.Format
		raw    string
	}{
		{"syslog", intake.Syslog, "<86>1 2026-02-28T23:59:59.123456+09:00 web01 sshd 4711 - - Failed password for invalid user admin from 192.0.2.7 port 50022 ssh2"},
		{"auditd", intake.Line, `type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2 auid=1000 uid=33 euid=33 tty=(none) comm="sh" exe="/bin/dash" key="exec"`},
		{"access", intake.Line, `203.0.113.9 - - [10/Oct/2025:13:55:36 +0900] "GET /index.php?id=1 HTTP/1.1" 404 512 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)"`},
		{"cloudtrail", intake.JSON, cloudTrail},
		{"zeek", intake.Zeek, `{"_path":"conn","ts":1393099415.790981,"uid":"C1","id.orig_h":"10.1.1.1","id.orig_p":45100,"id.resp_h":"203.80.146.3","id.resp_p":80,"proto":"tcp","orig_bytes":100,"resp_bytes":200,"conn_state":"SF"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := newNormaliser(b)
			batch := &intake.Batch{Format: c.format, Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
			item := intake.Item{Data: []byte(c.raw)}
			var ev event.Event
			b.SetBytes(int64(len(c.raw)))
			b.ReportAllocs()
			for b.Loop() {
				ev.Reset()
				if err := n.Normalise(batch, &item, &ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("cloudtrail-naive", func(b *testing.B) {
		b.SetBytes(int64(len(cloudTrail)))
		b.ReportAllocs()
		for b.Loop() {
			var v map[string]any
			if err := json.Unmarshal([]byte(cloudTrail), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
