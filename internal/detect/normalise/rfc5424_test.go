package normalise_test

import (
	"strconv"
	"testing"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4/rfc5424"

	"yagura/internal/detect/intake"
	"yagura/internal/event"
)

// FuzzRFC5424 compares with a parser generated from the RFC's grammar: whatever is a valid message is read the same.
func FuzzRFC5424(f *testing.F) {
	for _, s := range []string{
		"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
		"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
		`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]`,
		`<0>1 - - - - - [a b="\]\"\\"] x`,
		"<191>1 - h a p m -",
	} {
		f.Add(s)
	}
	n := newNormaliser(f)
	batch := &intake.Batch{Format: intake.Syslog, Received: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, line string) {
		parsed, err := gosyslog.NewParser().Parse([]byte(line))
		if err != nil {
			return
		}
		m, ok := parsed.(*gosyslog.SyslogMessage)
		if !ok || m.Version != 1 || m.Timestamp != nil && m.Timestamp.Year() < 1 {
			return // the year 0 is no time to us
		}
		var ev event.Event
		if err := n.Normalise(batch, &intake.Item{Data: []byte(line)}, &ev); err != nil {
			t.Fatal(err)
		}
		same := func(what string, want *string, got string) {
			if want != nil && *want != got {
				t.Errorf("%s of %q is %q, want %q", what, line, got, *want)
			}
		}
		if got := ev.Get("log.syslog.priority"); m.Priority != nil && got != strconv.Itoa(int(*m.Priority)) {
			t.Errorf("priority %s", got)
		}
		same("host", m.Hostname, firstText(&ev, "log.syslog.hostname", event.HostName))
		same("program", m.Appname, ev.Get(event.LogSyslogProgram))
		same("message id", m.MsgID, ev.Get("log.syslog.msgid"))
		same("process id", m.ProcID, firstText(&ev, "log.syslog.procid", event.ProcessPID))
		if m.Timestamp != nil && !ev.Has(event.EventModule) && !ev.Time.Equal(*m.Timestamp) {
			t.Errorf("time %v, want %v", ev.Time, *m.Timestamp)
		}
		if m.StructuredData == nil {
			return
		}
		for id, params := range *m.StructuredData {
			for name, value := range params {
				got := ev.Values("log.syslog.structured_data." + id + "." + name)
				if len(got) == 0 || got[len(got)-1] != value {
					t.Errorf("%s.%s of %q is %q, want %q", id, name, line, got, value)
				}
			}
		}
	})
}
