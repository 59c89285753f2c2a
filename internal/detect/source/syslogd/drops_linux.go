package syslogd

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// tellDrops asks the kernel to send along, with each datagram, how many it had to drop so far.
func tellDrops(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // without it, drops by the kernel are not counted
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
}

// kernelDrops reads the count that came along with a datagram; the kernel sends none before it drops the first.
func kernelDrops(oob []byte) (total uint32, ok bool) {
	if len(oob) == 0 {
		return 0, false
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_RXQ_OVFL && len(m.Data) >= 4 {
			return binary.NativeEndian.Uint32(m.Data), true
		}
	}
	return 0, false
}
