package syslogd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"yagura/internal/detect/source/gate"
)

const (
	largestDatagram = 64 << 10
	// kernelBuffer is asked of the kernel for bursts; it gives what it allows.
	kernelBuffer = 8 << 20
	// parallel is how many senders' batches are handed over at once; they share the sink's group commit.
	parallel = 16
	// perMessage is what a message that waits costs besides its text, perSender what its sender does.
	perMessage = 16
	perSender  = 256
	// maxAccused is for how many senders drops are counted one by one: addresses can be made up, more of them than memory has room for.
	maxAccused = 1000
)

// datagrams receives over UDP: one goroutine reads into a queue of one collection for each sender, another hands
// them over.
type datagrams struct {
	server *Server
	conn   *net.UDPConn
	wake   chan struct{} // capacity 1: much came

	mu      sync.Mutex
	queue   map[netip.Addr]*collection
	bytes   int
	dropped map[netip.Addr]int
	kernel  uint32 // dropped by the kernel since the start, as it last told
	lost    int    // of these, not counted yet
}

func newDatagrams(s *Server) *datagrams {
	return &datagrams{
		server: s, conn: s.udp, wake: make(chan struct{}, 1),
		queue: make(map[netip.Addr]*collection), dropped: make(map[netip.Addr]int),
	}
}

func (d *datagrams) run(ctx, late context.Context) {
	_ = d.conn.SetReadBuffer(kernelBuffer)
	tellDrops(d.conn)
	received, delivered := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(delivered)
		d.deliver(late, received)
	}()
	d.receive(ctx)
	close(received)
	<-delivered
}

func (d *datagrams) receive(ctx context.Context) {
	buf, oob := make([]byte, largestDatagram), make([]byte, 256)
	for {
		n, oobn, _, from, err := d.conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			d.server.opt.Log.Error("syslog: receiving over UDP", "error", err)
			time.Sleep(10 * time.Millisecond) // such errors pass; spinning would not help
			continue
		}
		message, mark := trim(buf[:n]), ""
		if len(message) > d.server.opt.MaxMessage {
			message, mark = message[:d.server.opt.MaxMessage], truncated(len(message))
		}
		d.take(from.Addr().Unmap(), message, mark, oob[:oobn])
	}
}

func (d *datagrams) take(from netip.Addr, message []byte, mark string, oob []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if total, ok := kernelDrops(oob); ok && total != d.kernel {
		d.lost += int(total - d.kernel)
		d.kernel = total
	}
	if len(message) == 0 {
		return
	}
	c, size := d.queue[from], len(message)+len(mark)+perMessage
	if c == nil {
		size += perSender
	}
	if d.bytes+size > d.server.opt.MaxQueue {
		if _, known := d.dropped[from]; !known && len(d.dropped) >= maxAccused {
			from = netip.Addr{}
		}
		d.dropped[from]++
		return
	}
	if c == nil {
		c = &collection{}
		d.queue[from] = c
	}
	c.add(message, mark, time.Now())
	d.bytes += size
	if d.bytes >= fullBytes {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// deliver hands over the queue whenever much has come or a little time has passed, and once more when all was received.
func (d *datagrams) deliver(late context.Context, received <-chan struct{}) {
	tick := time.NewTicker(flushAfter)
	defer tick.Stop()
	for {
		select {
		case <-received:
			d.flush(late)
			return
		case <-d.wake:
		case <-tick.C:
		}
		d.flush(late)
	}
}

func (d *datagrams) flush(late context.Context) {
	d.mu.Lock()
	queue, dropped, lost := d.queue, d.dropped, d.lost
	d.queue, d.dropped, d.bytes, d.lost = make(map[netip.Addr]*collection), make(map[netip.Addr]int), 0, 0
	d.mu.Unlock()

	opt := d.server.opt
	if lost > 0 {
		opt.Observer.Dropped(SourceUDP, Input, "", lost, "dropped by the kernel: its receive buffer was full")
	}
	for from, n := range dropped {
		remote := ""
		if from.IsValid() {
			remote = from.String()
		}
		opt.Observer.Dropped(SourceUDP, Input, remote, n, "the queue was full while the sink was busy")
	}
	var wait errgroup.Group
	wait.SetLimit(parallel)
	for from, c := range queue {
		wait.Go(func() error {
			batch := c.batch(SourceUDP, from.String())
			if gate.Insist(late, opt.Sink, opt.Observer, batch) != nil {
				opt.Observer.Dropped(SourceUDP, Input, from.String(), len(batch.Items), "the program ended before the sink took them")
			}
			return nil
		})
	}
	_ = wait.Wait() // nothing is returned
}
