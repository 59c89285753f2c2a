package source_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/detect/source/syslogd"
)

// receiver is the HTTP inputs behind a real port, with a token.
type receiver struct {
	url, host, port, token string
	sink                   *gatetest.Sink
	stats                  *source.Stats
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	d, _ := openDB(t)
	tokens := openTokens(t, d)
	secret, _, err := tokens.Create(t.Context(), "shipper", "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{sink: &gatetest.Sink{}, stats: source.NewStats(time.Now), token: secret}
	inputs := source.NewInputs(source.InputsOptions{Sink: r.sink, Tokens: tokens, Observer: r.stats})
	server := httptest.NewServer(inputs.Handler())
	t.Cleanup(server.Close)
	r.url = server.URL
	if r.host, r.port, err = net.SplitHostPort(server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return r
}

// program finds a program or skips the test, saying which package has it.
func program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Skipf("no %s: install Debian's package %s to test with it", name, debianPackage)
		}
	}
	return path
}

// snippet is the configuration that the Sources page shows for a sender.
func snippetOf(t *testing.T, file string, values map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("snippets", file))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`\{\{if eq \.Scheme "https"\}\}on\{\{else\}\}off\{\{end\}\}`).ReplaceAllString(string(data), "off")
	for name, value := range values {
		text = strings.ReplaceAll(text, "{{."+name+"}}", value)
	}
	if strings.Contains(text, "{{") {
		t.Fatalf("%s has a place without a value:\n%s", file, text)
	}
	return text
}

// rsyslog starts an rsyslogd of its own with the snippet as its only action, and returns where to write messages.
func rsyslog(t *testing.T, snippet string) net.Conn {
	t.Helper()
	path := program(t, "rsyslogd", "rsyslog")
	dir, err := os.MkdirTemp("", "yagura-rsyslog-") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "in")
	config := filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(`global(workDirectory=%q)
module(load="imptcp")
input(type="imptcp" path=%q unlink="on")
%s
action(type="omfile" file=%q)
`, dir, socket, snippet, filepath.Join(dir, "seen"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.Command(path, "-N1", "-f", config)
	if out, err := check.CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("could not load module")) {
			t.Skipf("rsyslog lacks a module: install Debian's packages rsyslog-elasticsearch and rsyslog-gnutls\n%s", out)
		}
		t.Fatalf("rsyslog refuses the configuration: %v\n%s", err, out)
	}
	var log bytes.Buffer
	cmd := exec.Command(path, "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("rsyslogd said:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		if time.Now().After(deadline) {
			t.Fatalf("rsyslogd does not listen: %v\n%s", err, log.String())
		}
	}
}

// speak writes n numbered messages.
func speak(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "<34>Apr  1 09:00:00 web-1 sshd[42]: message number %d \"quoted\" ログ\n", i)
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

var numberOf = regexp.MustCompile(`message number (\d+) `)

// each wants every message from 0 to n-1 exactly once, in any order.
func each(t *testing.T, sink *gatetest.Sink, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := sink.Wait(ctx, n); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // for what comes twice
	items := sink.Items()
	seen := make([]int, n)
	for _, item := range items {
		match := numberOf.FindStringSubmatch(item)
		if match == nil {
			t.Fatalf("not one of the messages: %s", item)
		}
		i, err := strconv.Atoi(match[1])
		if err != nil || i >= n {
			t.Fatalf("not one of the messages: %s", item)
		}
		seen[i]++
	}
	if i := slices.IndexFunc(seen, func(times int) bool { return times != 1 }); i >= 0 {
		t.Errorf("message %d came %d times; %d items of %d", i, seen[i], len(items), n)
	}
	return items
}

// rsyslog sends with omelasticsearch and the configuration of the Sources page; the sink is full now and then.
func TestRsyslogOverHTTP(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	conn := rsyslog(t, snippetOf(t, "rsyslog-http.conf", map[string]string{"Host": r.host, "Port": r.port, "Name": "shipper", "Token": r.token}))
	const n = 5000
	speak(t, conn, n)
	items := each(t, r.sink, n)
	if !strings.Contains(items[0], `"host.name":"web-1"`) || !strings.Contains(items[0], `"log.syslog.appname":"sshd"`) {
		t.Errorf("item: %s", items[0])
	}
	b := r.sink.Batches()[0]
	if b.Source != "shipper" || b.Input != "elastic" || b.Dataset != "shipper" || b.Format != intake.JSON || b.Remote != "127.0.0.1" {
		t.Errorf("batch %+v", b)
	}
}

// When the spool is full omelasticsearch is told to come again, and does.
func TestRsyslogOverHTTPWaitsForAFullSink(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	conn := rsyslog(t, snippetOf(t, "rsyslog-http.conf", map[string]string{"Host": r.host, "Port": r.port, "Name": "shipper", "Token": r.token}))
	r.sink.FailWith(func(call int) error {
		if call <= 2 {
			return gatetest.Busy()
		}
		return nil
	})
	speak(t, conn, 1000)
	each(t, r.sink, 1000)
}

// rsyslog sends syslog over TLS with the configuration of the Sources page and our own certificate.
func TestRsyslogOverTLS(t *testing.T) {
	t.Parallel()
	sink := &gatetest.Sink{}
	server, err := syslogd.Listen(syslogd.Options{
		TLS: "127.0.0.1:0", CertDir: t.TempDir(), Sink: sink, Observer: source.NewStats(time.Now), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	_, port, err := net.SplitHostPort(server.Listeners()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	text := snippetOf(t, "rsyslog-tls.conf", map[string]string{"Host": "127.0.0.1", "TLSPort": port})
	conn := rsyslog(t, strings.ReplaceAll(text, "/etc/rsyslog.d/yagura-syslog.pem", server.CertFile()))
	const n = 5000
	speak(t, conn, n)
	items := each(t, sink, n)
	if b := sink.Batches()[0]; b.Source != "syslog-tls" || b.Format != intake.Syslog || !strings.HasPrefix(items[0], "<34>1 ") {
		t.Errorf("batch %+v: %s", b, items[0])
	}
}

// curl sends what the Sources page says, and a file that is a bulk request.
func TestCurl(t *testing.T) {
	t.Parallel()
	curl := program(t, "curl", "curl")
	r := newReceiver(t)
	run := func(want string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--fail-with-body"}, args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	dir := t.TempDir()
	bulk := filepath.Join(dir, "bulk.ndjson")
	var body bytes.Buffer
	for i := range 20_000 { // more than a megabyte: curl asks with Expect: 100-continue
		fmt.Fprintf(&body, "{\"index\":{\"_index\":\"web\"}}\n{\"message\":\"message number %d \",\"padding\":%q}\n", i, strings.Repeat("x", 40))
	}
	if err := os.WriteFile(bulk, body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	run(`"errors":false`, "-u", "any:"+r.token, "-H", "Content-Type: application/x-ndjson", "--data-binary", "@"+bulk, r.url+"/_bulk")
	each(t, r.sink, 20_000)

	run(`"text":"Success"`, "-H", "Authorization: Splunk "+r.token, "-d", `{"event":"a"}{"event":"b"}`, r.url+"/services/collector/event")
	if items := r.sink.Items(); len(items) != 20_002 || items[20_001] != `{"event":"b"}` {
		t.Errorf("%d items", len(items))
	}

	script := snippetOf(t, "curl.sh", map[string]string{"URL": r.url, "Token": r.token, "Name": "shipper"})
	for file, text := range map[string]string{"events.ndjson": "{\"a\":1}\n", "access.log": "line\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || strings.Count(string(out), `"accepted":1`) != 2 || !strings.Contains(string(out), `"errors":false`) {
		t.Errorf("%v\n%s", err, out)
	}
}

// telemetrygen is the OpenTelemetry project's own sender.
func TestTelemetrygen(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds telemetrygen")
	}
	binary := filepath.Join(t.TempDir(), "telemetrygen")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen")
	build.Dir = filepath.Join("..", "..", "..", "tools", "telemetrygen")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building telemetrygen: %v\n%s", err, out)
	}
	r := newReceiver(t)
	const n = 500
	cmd := exec.CommandContext(t.Context(), binary, "logs", "--otlp-http", "--otlp-insecure", "--otlp-endpoint", net.JoinHostPort(r.host, r.port),
		"--otlp-header", fmt.Sprintf("Authorization=%q", "Bearer "+r.token), "--logs", strconv.Itoa(n), "--rate", "0", "--workers", "1",
		"--body", "signed in", "--telemetry-attributes", `user.name="tanaka"`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	items := r.sink.Items()
	if len(items) != n || !strings.Contains(items[0], `"body":"signed in"`) || !strings.Contains(items[0], `"user.name":"tanaka"`) {
		t.Fatalf("%d items: %v", len(items), items[:min(1, len(items))])
	}
	if b := r.sink.Batches()[0]; b.Source != "shipper" || b.Format != intake.OTLP {
		t.Errorf("batch %+v", b)
	}
}

// The inputs work the same over HTTPS with HTTP/2, which many shippers choose by themselves.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	d, _ := openDB(t)
	tokens := openTokens(t, d)
	secret, _, err := tokens.Create(t.Context(), "shipper", "test")
	if err != nil {
		t.Fatal(err)
	}
	sink := &gatetest.Sink{}
	server := httptest.NewUnstartedServer(source.NewInputs(source.InputsOptions{Sink: sink, Tokens: tokens, Observer: source.NewStats(time.Now)}).Handler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: client.Transport.(*http.Transport).TLSClientConfig.RootCAs, NextProtos: []string{"h2"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/a/_bulk", strings.NewReader("{\"index\":{}}\n{\"n\":1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, req.Context().Err()); err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 200 || len(sink.Items()) != 1 {
		t.Errorf("%s %s %v: %s", resp.Proto, resp.Status, err, answer)
	}
}
