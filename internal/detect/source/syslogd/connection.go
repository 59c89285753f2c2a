package syslogd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"yagura/internal/detect/source/gate"
)

const handshakeTime = 10 * time.Second

// connection is one sender over TCP or TLS.
type connection struct {
	server *Server
	source string
	remote string
	framer framer
	got    collection
}

// serve reads conn until its end, its silence or ctx's end, and hands over what came.
func (c *connection) serve(ctx, late context.Context, conn net.Conn, config *tls.Config) {
	if config != nil {
		secured := tls.Server(conn, config)
		shake, cancel := context.WithTimeout(ctx, handshakeTime)
		err := secured.HandshakeContext(shake)
		cancel()
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil { // a port check connects and goes away
				c.server.opt.Observer.Refused(c.source, Input, c.remote, 0, "TLS handshake: "+err.Error())
			}
			_ = conn.Close()
			return
		}
		conn = secured
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	for {
		if err := c.collect(late); err != nil {
			return
		}
		err := c.read(ctx, conn)
		if err == nil {
			continue
		}
		if timeout := errors.Is(err, os.ErrDeadlineExceeded); timeout && ctx.Err() == nil && !c.got.empty() {
			if c.flush(late) != nil {
				return
			}
			continue
		}
		message, mark := c.framer.rest() // the end, the silence, or ours
		c.got.add(message, mark, time.Now())
		_ = c.flush(late)
		return
	}
}

// collect takes the whole messages that were read, and hands over full batches.
func (c *connection) collect(late context.Context) error {
	now := time.Now()
	for {
		message, mark, ok := c.framer.next()
		if !ok {
			return nil
		}
		c.got.add(message, mark, now)
		if c.got.full() {
			if err := c.flush(late); err != nil {
				return err
			}
			now = time.Now()
		}
	}
}

// read waits for more: as long as a sender may be silent, or until the messages that wait have waited enough.
func (c *connection) read(ctx context.Context, conn net.Conn) error {
	deadline := time.Now().Add(c.server.opt.Idle)
	if !c.got.empty() {
		deadline = c.got.since.Add(flushAfter)
	}
	if err := conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	if ctx.Err() != nil { // it ended before the deadline was set again
		return ctx.Err()
	}
	return c.framer.fill(conn)
}

// flush hands over what was collected. While that takes, nothing is read and the sender waits.
func (c *connection) flush(late context.Context) error {
	if c.got.empty() {
		return nil
	}
	err := gate.Insist(late, c.server.opt.Sink, c.server.opt.Observer, c.got.batch(c.source, c.remote))
	c.got.reset()
	return err
}
