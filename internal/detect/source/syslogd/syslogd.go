// Package syslogd receives syslog, RFC 3164 and RFC 5424, over UDP (RFC 5426), TCP (RFC 6587, both framings) and TLS
// (RFC 5425).
//
// What it promises: a message read from a connection is handed to the sink, however long that takes; while the sink is
// full the connection is not read, so that its sender waits. Messages over UDP cannot be made to wait: what does not
// fit the queue, or was dropped by the kernel before (where it tells), is counted as dropped. A message longer than the
// limit is cut and marked as such. Syslog has no acknowledgement: what a sender's kernel has taken for sent when
// a connection breaks is lost on the way, and nobody here knows.
//
// Source is the listener: "syslog-udp", "syslog-tcp" or "syslog-tls"; who sent is the batch's remote address.
package syslogd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
)

// Input is the name of this input.
const Input = "syslog"

// The sources that the listeners are.
const (
	SourceUDP = "syslog-udp"
	SourceTCP = "syslog-tcp"
	SourceTLS = "syslog-tls"
)

// Observer counts what came in and what did not.
type Observer interface {
	gate.Observer
	Dropped(source, input, remote string, events int, reason string)
}

// Options are the listeners and their limits; a zero limit means its default.
type Options struct {
	UDP, TCP, TLS string // addresses such as ":514"; empty is off

	CertFile, KeyFile string // of TLS, in PEM; without them a self-signed certificate is made in CertDir
	CAFile            string // if set, senders over TLS need a certificate that one of these signed
	CertDir           string

	Sink     intake.Sink
	Observer Observer
	Log      *slog.Logger

	MaxMessage int           // bytes; default 64 KiB
	MaxConns   int           // of TCP and TLS each; default 2000, and a tenth of it from one address
	MaxQueue   int           // bytes of UDP messages that wait for the sink; default 64 MiB
	Idle       time.Duration // silence after which a connection is closed; default 24 hours: the next message of a sender whose connection was closed is usually lost
}

// grace is how long, after the end, what was read may take to reach the sink.
const grace = 5 * time.Second

// Listener is an open socket.
type Listener struct {
	Source string
	Addr   net.Addr
}

// Server is the listeners.
type Server struct {
	opt  Options
	udp  *net.UDPConn
	tcps []stream
	cert *certificate
}

// stream is a listener for TCP, with or without TLS.
type stream struct {
	source   string
	listener net.Listener
	tls      *tls.Config
}

// Listen opens the sockets; Run has to follow. The error says which of them cannot be opened.
func Listen(opt Options) (*Server, error) {
	if opt.MaxMessage <= 0 {
		opt.MaxMessage = 64 << 10
	}
	if opt.MaxConns <= 0 {
		opt.MaxConns = 2000
	}
	if opt.MaxQueue <= 0 {
		opt.MaxQueue = 64 << 20
	}
	if opt.Idle <= 0 {
		opt.Idle = 24 * time.Hour
	}
	s := &Server{opt: opt}
	if err := s.open(); err != nil {
		s.close()
		return nil, fmt.Errorf("syslog: %w", err)
	}
	return s, nil
}

func (s *Server) open() error {
	if s.opt.UDP != "" {
		address, err := net.ResolveUDPAddr("udp", s.opt.UDP)
		if err != nil {
			return err
		}
		if s.udp, err = net.ListenUDP("udp", address); err != nil {
			return err
		}
	}
	if s.opt.TCP != "" {
		listener, err := net.Listen("tcp", s.opt.TCP)
		if err != nil {
			return err
		}
		s.tcps = append(s.tcps, stream{source: SourceTCP, listener: listener})
	}
	if s.opt.TLS == "" {
		return nil
	}
	config, cert, err := tlsConfig(s.opt)
	if err != nil {
		return err
	}
	s.cert = cert
	listener, err := net.Listen("tcp", s.opt.TLS)
	if err != nil {
		return err
	}
	s.tcps = append(s.tcps, stream{source: SourceTLS, listener: listener, tls: config})
	return nil
}

// Listeners returns what is open, with the ports that were chosen where the configuration said 0.
func (s *Server) Listeners() []Listener {
	var list []Listener
	if s.udp != nil {
		list = append(list, Listener{SourceUDP, s.udp.LocalAddr()})
	}
	for _, l := range s.tcps {
		list = append(list, Listener{l.source, l.listener.Addr()})
	}
	return list
}

// CertFile returns the file of the certificate that senders over TLS need to trust; "" without TLS.
func (s *Server) CertFile() string {
	if s.cert == nil {
		return ""
	}
	return s.cert.certFile
}

func (s *Server) close() {
	if s.udp != nil {
		_ = s.udp.Close()
	}
	for _, l := range s.tcps {
		_ = l.listener.Close()
	}
}

// Run receives until ctx ends, hands over what was read and closes the sockets.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	late, cancel := gate.Grace(ctx, grace)
	defer cancel()
	var wait sync.WaitGroup
	if s.udp != nil {
		wait.Go(func() { newDatagrams(s).run(ctx, late) })
	}
	for _, l := range s.tcps {
		wait.Go(func() { s.accept(ctx, late, l) })
	}
	wait.Wait()
	return nil
}

// accept takes connections until ctx ends.
func (s *Server) accept(ctx, late context.Context, l stream) {
	var wait sync.WaitGroup
	defer wait.Wait()
	limit := &limit{most: s.opt.MaxConns, each: max(1, s.opt.MaxConns/10), open: make(map[string]int)}
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, mostly: what is open must be served on.
			s.opt.Log.Error("syslog: a connection cannot be accepted", "source", l.source, "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			continue
		}
		remote := host(conn.RemoteAddr())
		if !limit.enter(remote) {
			s.opt.Observer.Refused(l.source, Input, remote, 0, "too many connections")
			_ = conn.Close()
			continue
		}
		wait.Go(func() {
			defer limit.leave(remote)
			c := &connection{server: s, source: l.source, remote: remote, framer: framer{max: s.opt.MaxMessage}}
			c.serve(ctx, late, conn, l.tls)
		})
	}
}

func host(a net.Addr) string {
	if name, _, err := net.SplitHostPort(a.String()); err == nil {
		return name
	}
	return a.String()
}

// limit counts open connections, together and from each address.
type limit struct {
	most, each int

	mu    sync.Mutex
	total int
	open  map[string]int
}

func (l *limit) enter(remote string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.most || l.open[remote] >= l.each {
		return false
	}
	l.total++
	l.open[remote]++
	return true
}

func (l *limit) leave(remote string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.open[remote]--; l.open[remote] == 0 {
		delete(l.open, remote)
	}
}
