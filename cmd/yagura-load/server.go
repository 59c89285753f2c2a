package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server is a running yagura.
type server struct {
	url     string
	command *exec.Cmd
	log     bytes.Buffer // read once it has ended
	stopped func() error
}

// startServer starts one on loopback and waits until it has its pages.
func startServer(ctx context.Context, yagura string, p *place) (*server, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + address, command: exec.Command(yagura, "serve", "--listen", address)}
	s.command.Env, s.command.Stdout, s.command.Stderr = p.environment(), &s.log, &s.log
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	s.stopped = sync.OnceValue(func() error {
		if err := s.command.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		late := time.AfterFunc(30*time.Second, func() { _ = s.command.Process.Kill() })
		defer late.Stop()
		err := s.command.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 130 {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("the server: %w\n%s", err, s.log.String())
		}
		return err
	})
	for range 600 {
		if ready(ctx, s.url+"/signin") {
			return s, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("the server does not answer"), s.stop())
}

func ready(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// stop ends it, once.
func (s *server) stop() error { return s.stopped() }

// freePort asks the kernel for a port on loopback.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// tick is the unit of the kernel's figures: USER_HZ is 100 on Linux.
const tick = 10 * time.Millisecond

// usage is what a process has used so far; zero where there is no /proc.
type usage struct {
	cpu       time.Duration
	resident  int64 // MiB
	peak      int64 // MiB
	available bool
}

func usageOf(pid int) (u usage) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u
	}
	// The name in parentheses may hold anything; fields are counted behind it (proc_pid_stat(5)).
	if i := bytes.LastIndexByte(stat, ')'); i > 0 {
		fields := strings.Fields(string(stat[i+1:]))
		if len(fields) > 12 {
			user, _ := strconv.ParseInt(fields[11], 10, 64)
			system, _ := strconv.ParseInt(fields[12], 10, 64)
			u.cpu, u.available = time.Duration(user+system)*tick, true
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u
	}
	u.resident, u.peak = field(status, "VmRSS:"), field(status, "VmHWM:")
	return u
}

func field(status []byte, name string) int64 {
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib / 1024
		}
	}
	return 0
}

// machineCPU is what all processes have used since the machine started (proc_stat(5)).
func machineCPU() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var ticks int64
	for i, text := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, waiting for the disk, guests (counted before)
			continue
		}
		n, _ := strconv.ParseInt(text, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * tick
}
