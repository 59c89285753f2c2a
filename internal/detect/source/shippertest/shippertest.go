// Package shippertest runs the real programs that people send their logs with, configured as the Sources page says.
package shippertest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// Program finds a program or skips the test, saying which of Debian's packages has it.
func Program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Skipf("no %s: install Debian's package %s to test with it", name, debianPackage)
		}
	}
	return path
}

// Place is what a snippet is filled with.
type Place struct {
	URL, Scheme, Host, Port, TLSPort string
	Name, Token                      string
}

// At is the place of a server that speaks plain HTTP at that address.
func At(t *testing.T, address, name, token string) Place {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return Place{URL: "http://" + address, Scheme: "http", Host: host, Port: port, Name: name, Token: token}
}

// Snippet fills in the configuration in file, one of those that the Sources page shows.
func Snippet(t *testing.T, file string, p Place) string {
	t.Helper()
	snippet, err := template.ParseFiles(file)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := snippet.Execute(&text, p); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// Rsyslog starts an rsyslogd of its own with the snippet as its only action, and returns where to write messages.
func Rsyslog(t *testing.T, snippet string) net.Conn {
	t.Helper()
	path := Program(t, "rsyslogd", "rsyslog")
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
`, dir, socket, snippet)
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
		kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
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
			t.Fatalf("rsyslogd does not listen: %v", err)
		}
	}
}

// Speak writes n numbered messages as a program on host web-1.
func Speak(t *testing.T, conn net.Conn, n int) {
	t.Helper()
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "<34>Apr  1 09:00:00 web-1 sshd[42]: message number %d \"quoted\" ログ\n", i)
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

var numberOf = regexp.MustCompile(`message number (\d+)\b`)

// Each wants every numbered message from 0 to n-1 exactly once, in any order, and nothing else.
func Each(t *testing.T, messages []string, n int) {
	t.Helper()
	seen := make([]int, n)
	for _, message := range messages {
		match := numberOf.FindStringSubmatch(message)
		if match == nil {
			t.Fatalf("not one of the messages: %s", message)
		}
		i, err := strconv.Atoi(match[1])
		if err != nil || i >= n {
			t.Fatalf("not one of the messages: %s", message)
		}
		seen[i]++
	}
	if i := slices.IndexFunc(seen, func(times int) bool { return times != 1 }); i >= 0 {
		t.Errorf("message %d came %d times; %d messages of %d", i, seen[i], len(messages), n)
	}
}
