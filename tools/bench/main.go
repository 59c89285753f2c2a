// Command bench measures a built yagura beside its baselines in one run: detect over real logs with and without rules,
// ingest through /_bulk against a bare victoria-logs server fed with the same bytes, and the search for a rare value in
// both. Everything runs on this machine's loopback and ends by itself.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	yagura := flag.String("yagura", "bin/yagura", "the binary to measure")
	vlogs := flag.String("victoria-logs", "bin/victoria-logs", "the bare log store's server")
	corpus := flag.String("corpus", os.Getenv("YAGURA_CORPUS"), "folder with otrf/ and sigma/")
	limit := flag.Int("events", 0, "ingest only so many events (0: all)")
	detect := flag.Bool("detect", true, "measure detect, too")
	flag.Parse()
	if *corpus == "" {
		fmt.Fprintln(os.Stderr, "bench: YAGURA_CORPUS is not set: nothing to measure with")
		os.Exit(2)
	}
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Minute)
	defer stop()
	if err := run(ctx, *yagura, *vlogs, *corpus, *limit, *detect); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, yagura, vlogs, corpus string, limit int, detect bool) error {
	dir, err := os.MkdirTemp("", "yagura-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if detect {
		if err := benchDetect(ctx, yagura, corpus, dir); err != nil {
			return fmt.Errorf("detect: %w", err)
		}
	}
	bodies, events, err := bulkBodies(corpus, limit)
	if err != nil {
		return err
	}
	fmt.Printf("\ningest of %d events in %d requests of %s\n", events, len(bodies), "1000 documents through /_bulk, 4 connections")
	servers := []func() (*server, error){
		func() (*server, error) { return startVictoriaLogs(vlogs, filepath.Join(dir, "vlogs")) },
		func() (*server, error) { return startYagura(yagura, filepath.Join(dir, "none"), corpus, false) },
		func() (*server, error) { return startYagura(yagura, filepath.Join(dir, "rules"), corpus, true) },
	}
	for _, start := range servers {
		s, err := start()
		if err != nil {
			return err
		}
		err = s.measure(ctx, bodies, events)
		err = errors.Join(err, s.stop())
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

var summaryLine = regexp.MustCompile(`time: \S+, (\d+) events/s`)

// benchDetect runs the command with all rules and with one that matches nothing: the difference is what rules cost.
func benchDetect(ctx context.Context, yagura, corpus, dir string) error {
	never := filepath.Join(dir, "never.yml")
	rule := "title: Never\nid: 00000000-0000-4000-8000-000000000000\nlogsource: {product: windows}\ndetection: {s: {EventID: never}, condition: s}\nlevel: low\n"
	if err := os.WriteFile(never, []byte(rule), 0o600); err != nil {
		return err
	}
	fmt.Println("detect over otrf/")
	for _, row := range []struct{ name, rules string }{
		{"decode and normalise only (baseline)", never},
		{"all SigmaHQ rules", filepath.Join(corpus, "sigma")},
	} {
		cmd := exec.CommandContext(ctx, yagura, "detect", "--json", "--rules", row.rules, filepath.Join(corpus, "otrf"))
		var stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = io.Discard, &stderr
		started := time.Now()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w: %s", err, stderr.String())
		}
		rate := "?"
		if m := summaryLine.FindStringSubmatch(stderr.String()); m != nil {
			rate = m[1]
		}
		fmt.Printf("  %-40s %8s events/s  peak %4d MiB  %5.1f s\n", row.name, rate, peak(cmd.ProcessState), time.Since(started).Seconds())
	}
	return nil
}

// peak is the largest resident size of an ended process, in MiB.
func peak(state *os.ProcessState) int64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return usage.Maxrss / 1024
	}
	return 0
}

// bulkBodies makes the requests once, so that every server gets the same bytes.
func bulkBodies(corpus string, limit int) (bodies [][]byte, events int, err error) {
	files, err := filepath.Glob(filepath.Join(corpus, "otrf", "*.gz"))
	if err != nil {
		return nil, 0, err
	}
	var body []byte
	for _, path := range files {
		err := eachLine(path, func(line []byte) {
			if !bytes.HasPrefix(line, []byte("{")) || (limit > 0 && events >= limit) {
				return
			}
			body = append(append(append(body, "{\"create\":{}}\n"...), line...), '\n')
			if events++; events%1000 == 0 {
				bodies, body = append(bodies, body), nil
			}
		})
		if err != nil {
			return nil, 0, err
		}
	}
	if len(body) > 0 {
		bodies = append(bodies, body)
	}
	return bodies, events, nil
}

func eachLine(path string, fn func([]byte)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		fn(lines.Bytes())
	}
	return lines.Err()
}

// freePort asks the kernel for a port on loopback.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// resident is the resident size of a running process, in MiB.
func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib / 1024
		}
	}
	return 0
}
