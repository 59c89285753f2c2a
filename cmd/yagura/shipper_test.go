package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yagura/internal/detect/source/shippertest"
)

// TestShippers lets the programs that people send their logs with, configured as the Sources page says, send to one running
// server all at once, and finds by searching exactly what each of them sent.
func TestShippers(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	// Inside one more test, the server stops only when all of them have ended.
	t.Run("shippers", func(t *testing.T) {
		t.Run("rsyslog over HTTP", s.rsyslogOverHTTP)
		t.Run("rsyslog over TLS", s.rsyslogOverTLS)
		t.Run("curl", s.curl)
		t.Run("telemetrygen", s.telemetrygen)
	})
}

// served is a server in a process of its own, with a data folder of its own.
type served struct {
	data, address, tlsPort string
}

func startServer(t *testing.T) *served {
	t.Helper()
	s := &served{data: t.TempDir()}
	var err error
	if s.tlsPort, err = freePort(); err != nil {
		t.Fatal(err)
	}
	cmd := s.command(t, "serve", "--listen", "127.0.0.1:0", "--set", "syslog.tls=127.0.0.1:"+s.tlsPort)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said strings.Builder
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			mu.Lock()
			fmt.Fprintln(&said, lines.Text())
			mu.Unlock()
			if _, rest, ok := strings.Cut(lines.Text(), "Yagura serves at http://"); ok {
				address <- strings.Fields(rest)[0]
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		<-ended
		err := cmd.Wait()
		kill.Stop()
		if err != nil {
			t.Errorf("the server does not stop cleanly: %v", err)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", said.String())
		}
	})
	select {
	case s.address = <-address:
		s.ready(t)
	case <-ended:
		t.Fatalf("the server ended:\n%s", said.String())
	case <-time.After(time.Minute):
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("the server does not start:\n%s", said.String())
	}
	return s
}

// ready waits until the rules are loaded: before, the server takes events and answers no search.
func (s *served) ready(t *testing.T) {
	t.Helper()
	for range 300 {
		resp, err := http.Get("http://" + s.address + "/api/v1/search")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server answers no search")
}

// command is yagura on the server's data folder, without the tester's own settings.
func (s *served) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("yagura", args...)
	cmd.Env = append(os.Environ(), "YAGURA_DATA="+s.data, "YAGURA_CONFIG=", "LANG=C", "TZ=UTC")
	return cmd
}

func (s *served) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := s.command(t, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("yagura %v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// token makes a token as people do, and returns what the configuration of its holder is filled with.
func (s *served) token(t *testing.T, name string) shippertest.Place {
	t.Helper()
	place := shippertest.At(t, s.address, name, strings.TrimSpace(s.run(t, "tokens", "add", name)))
	place.TLSPort = s.tlsPort
	return place
}

// find waits until the query finds n events, and a little for what comes twice, and returns all that it finds then.
func (s *served) find(t *testing.T, query string, n int) []map[string]string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		var count struct {
			N int `json:",string"`
		}
		if err := json.Unmarshal([]byte(s.run(t, "search", "--json", query+" | stats count() n")), &count); err != nil {
			t.Fatal(err)
		}
		if count.N >= n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s finds %d events of %d", query, count.N, n)
		}
	}
	time.Sleep(500 * time.Millisecond)
	var list []map[string]string
	for line := range strings.Lines(s.run(t, "search", "--json", "--limit", "0", query)) {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		texts := make(map[string]string, len(row))
		for name, value := range row {
			texts[name] = fmt.Sprint(value)
		}
		list = append(list, texts)
	}
	if len(list) != n {
		t.Errorf("%s finds %d events, want %d", query, len(list), n)
	}
	return list
}

func messages(rows []map[string]string) (list []string) {
	for _, row := range rows {
		list = append(list, row["message"])
	}
	return list
}

// has wants the fields in every row.
func has(t *testing.T, rows []map[string]string, fields map[string]string) {
	t.Helper()
	for _, row := range rows {
		for name, want := range fields {
			if row[name] != want {
				t.Fatalf("%s is %q, want %q, in %v", name, row[name], want, row)
			}
		}
	}
}

// snippet is configuration that the Sources page shows.
func snippet(t *testing.T, file string, p shippertest.Place) string {
	t.Helper()
	return shippertest.Snippet(t, filepath.Join("..", "..", "internal", "detect", "source", "snippets", file), p)
}

func (s *served) rsyslogOverHTTP(t *testing.T) {
	t.Parallel()
	const n = 20_000
	shippertest.Speak(t, shippertest.Rsyslog(t, snippet(t, "rsyslog-http.conf", s.token(t, "rsyslog"))), n)
	rows := s.find(t, "yagura.source:=rsyslog", n)
	shippertest.Each(t, messages(rows), n)
	has(t, rows, map[string]string{"host.name": "web-1", "log.syslog.appname": "sshd", "yagura.input": "elastic", "yagura.remote.ip": "127.0.0.1"})
}

func (s *served) rsyslogOverTLS(t *testing.T) {
	t.Parallel()
	const n = 20_000
	config := snippet(t, "rsyslog-tls.conf", shippertest.Place{Host: "127.0.0.1", TLSPort: s.tlsPort})
	config = strings.ReplaceAll(config, "/etc/rsyslog.d/yagura-syslog.pem", filepath.Join(s.data, "tls", "syslog-cert.pem"))
	shippertest.Speak(t, shippertest.Rsyslog(t, config), n)
	rows := s.find(t, "yagura.source:=syslog-tls", n)
	shippertest.Each(t, messages(rows), n)
	has(t, rows, map[string]string{"host.name": "web-1", "process.name": "sshd", "yagura.input": "syslog", "yagura.remote.ip": "127.0.0.1"})
}

// curl sends a large bulk request, HEC events, and what the Sources page says.
func (s *served) curl(t *testing.T) {
	t.Parallel()
	curl := shippertest.Program(t, "curl", "curl")
	place := s.token(t, "curl")
	send := func(want string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--fail-with-body"}, args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	dir := t.TempDir()
	const n = 20_000
	var bulk, hec bytes.Buffer
	for i := range n { // more than a megabyte: curl asks with Expect: 100-continue
		fmt.Fprintf(&bulk, "{\"index\":{\"_index\":\"bulk\"}}\n{\"message\":\"message number %d \",\"padding\":%q}\n", i, strings.Repeat("x", 40))
		fmt.Fprintf(&hec, `{"event":"message number %d ","host":"web-2","sourcetype":"hec"}`, i)
	}
	write(t, filepath.Join(dir, "bulk"), bulk.Bytes())
	write(t, filepath.Join(dir, "hec"), hec.Bytes())
	send(`"errors":false`, "-u", "any:"+place.Token, "-H", "Content-Type: application/x-ndjson", "--data-binary", "@"+filepath.Join(dir, "bulk"), place.URL+"/_bulk")
	send(`"text":"Success"`, "-H", "Authorization: Splunk "+place.Token, "--data-binary", "@"+filepath.Join(dir, "hec"), place.URL+"/services/collector/event")
	shippertest.Each(t, messages(s.find(t, "yagura.source:=curl yagura.input:=elastic", n)), n)
	rows := s.find(t, "yagura.source:=curl yagura.input:=hec", n)
	shippertest.Each(t, messages(rows), n)
	has(t, rows, map[string]string{"host.name": "web-2"})

	place = s.token(t, "curl-page")
	write(t, filepath.Join(dir, "events.ndjson"), []byte("{\"a\":1}\n"))
	write(t, filepath.Join(dir, "access.log"), []byte("line\n"))
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", snippet(t, "curl.sh", place))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), `"accepted":1`) != 2 || !strings.Contains(string(out), `"errors":false`) {
		t.Errorf("%v\n%s", err, out)
	}
	s.find(t, "yagura.source:=curl-page", 3)
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// telemetrygen is the OpenTelemetry project's own sender.
func (s *served) telemetrygen(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds telemetrygen")
	}
	binary := filepath.Join(t.TempDir(), "telemetrygen")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen")
	build.Dir = filepath.Join("..", "..", "tools", "telemetrygen")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building telemetrygen: %v\n%s", err, out)
	}
	place := s.token(t, "telemetrygen")
	const workers, each = 4, 2000
	cmd := exec.CommandContext(t.Context(), binary, "logs", "--otlp-http", "--otlp-insecure", "--otlp-endpoint", net.JoinHostPort(place.Host, place.Port),
		"--otlp-header", fmt.Sprintf("Authorization=%q", "Bearer "+place.Token), "--logs", strconv.Itoa(each), "--rate", "0", "--workers", strconv.Itoa(workers),
		"--body", "signed in", "--telemetry-attributes", `user.name="tanaka"`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	has(t, s.find(t, "yagura.source:=telemetrygen", workers*each), map[string]string{"message": "signed in", "user.name": "tanaka", "yagura.input": "otlp"})
}
