//go:build !linux

package syslogd

import "net"

// Only Linux tells what its kernel dropped.
func tellDrops(*net.UDPConn) {}

func kernelDrops([]byte) (total uint32, ok bool) { return 0, false }
