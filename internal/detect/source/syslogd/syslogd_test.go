package syslogd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/detect/source/syslogd"
)

// server is a running receiver over a sink in memory.
type server struct {
	*syslogd.Server
	sink     *gatetest.Sink
	observer *gatetest.Observer
	stop     func() // ends it and waits
}

func start(t *testing.T, opt syslogd.Options) *server {
	t.Helper()
	s := &server{sink: &gatetest.Sink{}, observer: &gatetest.Observer{}}
	opt.Sink, opt.Observer, opt.Log, opt.CertDir = s.sink, s.observer, slog.New(slog.DiscardHandler), t.TempDir()
	var err error
	if s.Server, err = syslogd.Listen(opt); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = func() {
		cancel()
		if done == nil {
			return
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			done = nil
		case <-time.After(20 * time.Second):
			t.Error("it does not end")
		}
	}
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) address(t *testing.T, source string) string {
	t.Helper()
	for _, l := range s.Listeners() {
		if l.Source == source {
			return l.Addr.String()
		}
	}
	t.Fatalf("%s does not listen", source)
	return ""
}

func (s *server) wait(t *testing.T, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	items, err := s.sink.Wait(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestUDP(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{UDP: "127.0.0.1:0", MaxMessage: 40})
	conn := dial(t, "udp", s.address(t, syslogd.SourceUDP))
	write(t, conn, "<34>Oct 11 22:14:15 mymachine su: hi\n\x00")
	write(t, conn, "<34>1 - - - - - - "+strings.Repeat("x", 100))
	want := []string{"<34>Oct 11 22:14:15 mymachine su: hi", "<34>1 - - - - - - " + strings.Repeat("x", 22) + " [truncated from 118 bytes]"}
	if diff := cmp.Diff(want, s.wait(t, 2)); diff != "" {
		t.Error(diff)
	}
	b := s.sink.Batches()[0]
	if b.Input != "syslog" || b.Source != "syslog-udp" || b.Format != intake.Syslog || b.Remote != "127.0.0.1" || b.Received.IsZero() {
		t.Errorf("batch %+v", b)
	}
}

// What cannot wait is dropped when the sink stays full, and counted.
func TestUDPCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{UDP: "127.0.0.1:0", MaxQueue: 2000})
	s.sink.Full(true)
	conn := dial(t, "udp", s.address(t, syslogd.SourceUDP))
	const sent = 300
	for i := range sent {
		write(t, conn, fmt.Sprintf("<34>1 - - - - - - %082d", i))
		if i%20 == 0 {
			time.Sleep(time.Millisecond) // for the kernel's buffer
		}
	}
	time.Sleep(300 * time.Millisecond)
	s.sink.Full(false)
	deadline := time.Now().Add(20 * time.Second)
	for {
		dropped := 0
		for _, r := range s.observer.Refusals() {
			dropped += r.Events
		}
		if accepted := s.observer.Events(); accepted+dropped == sent {
			if accepted == 0 || dropped == 0 {
				t.Errorf("%d accepted, %d dropped", accepted, dropped)
			}
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%d accepted and %d dropped of %d", accepted, dropped, sent)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Addresses can be made up: what is kept of each is bounded, and what is dropped is counted all the same.
func TestUDPOfVeryManySenders(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{UDP: "127.0.0.1:0", MaxQueue: 20_000})
	s.sink.Full(true)
	to, err := net.ResolveUDPAddr("udp", s.address(t, syslogd.SourceUDP))
	if err != nil {
		t.Fatal(err)
	}
	const sent = 3000
	for i := range sent {
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}, to)
		if err != nil {
			t.Skipf("only Linux has all of 127.0.0.0/8: %v", err)
		}
		write(t, conn, "<34>x")
		_ = conn.Close()
		if i%100 == 0 {
			time.Sleep(time.Millisecond) // for the kernel's buffer
		}
	}
	time.Sleep(300 * time.Millisecond)
	s.sink.Full(false)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		dropped, remotes := 0, map[string]bool{}
		for _, r := range s.observer.Refusals() {
			dropped += r.Events
			remotes[r.Remote] = true
		}
		if accepted := s.observer.Events(); accepted+dropped == sent {
			if accepted > 200 || !remotes[""] {
				t.Errorf("%d accepted from as many senders, %d dropped of %d addresses", accepted, dropped, len(remotes))
			}
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%d accepted and %d dropped of %d", accepted, dropped, sent)
		}
	}
}

func TestTCP(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{TCP: "127.0.0.1:0"})
	conn := dial(t, "tcp", s.address(t, syslogd.SourceTCP))
	write(t, conn, "<34>1 a\n11 <34>1 hello")
	s.wait(t, 2) // while the connection stays open,
	write(t, conn, "<34>1 without end")
	_ = conn.Close() // and what it ends with
	if diff := cmp.Diff([]string{"<34>1 a", "<34>1 hello", "<34>1 without end"}, s.wait(t, 3)); diff != "" {
		t.Error(diff)
	}
}

// While the sink is full the connection is not read: the sender waits and nothing is lost.
func TestTCPMakesTheSenderWait(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{TCP: "127.0.0.1:0"})
	s.sink.Full(true)
	conn := dial(t, "tcp", s.address(t, syslogd.SourceTCP))
	const lines = 40_000
	line := func(i int) string { return fmt.Sprintf("<34>1 %0993d\n", i) }
	written := make(chan error, 1)
	go func() {
		for i := range lines { // 40 MB: more than any buffer on the way
			if _, err := conn.Write([]byte(line(i))); err != nil {
				written <- err
				return
			}
		}
		written <- conn.Close()
	}()
	select {
	case err := <-written:
		t.Fatalf("all was taken by a full sink: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	s.sink.Full(false)
	items := s.wait(t, lines)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	for i, item := range items {
		if item+"\n" != line(i) {
			t.Fatalf("item %d is %.20q…", i, item)
		}
	}
	if r := s.observer.Refusals(); len(r) > 0 {
		t.Errorf("refused: %v", r)
	}
}

// The end of the program hands over what was read.
func TestStopHandsOver(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{TCP: "127.0.0.1:0", UDP: "127.0.0.1:0"})
	conn := dial(t, "tcp", s.address(t, syslogd.SourceTCP))
	write(t, conn, "<34>1 a\n<34>1 b")
	s.wait(t, 1)
	s.stop()
	if diff := cmp.Diff([]string{"<34>1 a", "<34>1 b"}, s.sink.Items()); diff != "" {
		t.Error(diff)
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{TCP: "127.0.0.1:0", MaxConns: 20}) // two from one address
	address := s.address(t, syslogd.SourceTCP)
	first, second := dial(t, "tcp", address), dial(t, "tcp", address)
	write(t, first, "<34>1 a\n")
	write(t, second, "<34>1 b\n")
	s.wait(t, 2)
	third := dial(t, "tcp", address)
	_ = third.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := third.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the third connection stays open: %v", err)
	}
	if r := s.observer.Refusals(); len(r) != 1 || r[0].Reason != "too many connections" {
		t.Errorf("refusals: %v", r)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{TCP: "127.0.0.1:0", Idle: 50 * time.Millisecond})
	conn := dial(t, "tcp", s.address(t, syslogd.SourceTCP))
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("still open: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := start(t, syslogd.Options{TLS: "127.0.0.1:0"})
	pem, err := os.ReadFile(s.CertFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	address := s.address(t, syslogd.SourceTLS)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	write(t, conn, "11 <34>1 hello")
	time.Sleep(100 * time.Millisecond) // past a read deadline, which TLS must survive
	write(t, conn, "11 <34>1 world")
	if diff := cmp.Diff([]string{"<34>1 hello", "<34>1 world"}, s.wait(t, 2)); diff != "" {
		t.Error(diff)
	}
	if b := s.sink.Batches()[0]; b.Source != "syslog-tls" {
		t.Errorf("source %q", b.Source)
	}
	plain := dial(t, "tcp", address)
	write(t, plain, "<34>1 not over TLS, and long enough to be looked at\n")
	_ = plain.SetReadDeadline(time.Now().Add(20 * time.Second))
	for err = nil; err == nil; {
		_, err = plain.Read(make([]byte, 64))
	}
	if r := s.observer.Refusals(); len(r) != 1 || !strings.HasPrefix(r[0].Reason, "TLS handshake") {
		t.Errorf("refusals: %v", r)
	}
	key, err := os.Stat(filepath.Join(filepath.Dir(s.CertFile()), "syslog-key.pem"))
	if err != nil || key.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", key.Mode(), err)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, opt := range map[string]syslogd.Options{
		"address already in use": {TCP: taken.Addr().String()},
		"both a certificate":     {TLS: "127.0.0.1:0", CertFile: "cert.pem"},
		"missing.pem":            {TLS: "127.0.0.1:0", CertDir: t.TempDir(), CAFile: "missing.pem"},
	} {
		if _, err := syslogd.Listen(opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
