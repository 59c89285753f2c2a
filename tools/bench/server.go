package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// server is one program under load.
type server struct {
	name   string
	cmd    *exec.Cmd
	log    *bytes.Buffer
	bulk   string // URL of the bulk endpoint
	auth   string
	search func(query string) string // URL that answers NDJSON
	ready  time.Duration
	idle   int64 // MiB before the load
}

const needle = "n33dle0f7heh4yst4ck"

func startVictoriaLogs(binary, dir string) (*server, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	base := "http://" + address
	s := &server{
		name: "bare victoria-logs (baseline)",
		bulk: base + "/insert/elasticsearch/_bulk?_time_field=@timestamp&_msg_field=Message&_stream_fields=Channel,Hostname",
		search: func(q string) string {
			return base + "/select/logsql/query?query=" + url.QueryEscape(q)
		},
	}
	return s, s.start(exec.Command(binary, "-storageDataPath="+dir, "-httpListenAddr="+address, "-retentionPeriod=100y", "-inmemoryDataFlushInterval=5s"), base+"/health")
}

func startYagura(binary, dir, corpus string, rules bool) (*server, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	base := "http://" + address
	args := []string{"serve", "--data", dir, "--set", "http.listen=" + address, "--set", "store.retention=100y", "--set", "log.level=error"}
	s := &server{name: "yagura, built-in rules", bulk: base + "/_bulk"}
	if rules {
		s.name = "yagura, all SigmaHQ rules"
		args = append(args, "--set", "rules.dirs="+filepath.Join(corpus, "sigma"))
	}
	if err := s.start(exec.Command(binary, args...), base+"/health"); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "server.json"))
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	var local struct{ Token string }
	if err := json.Unmarshal(data, &local); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.auth = "Bearer " + local.Token
	s.search = func(q string) string {
		return base + "/api/v1/search?since=100y&limit=1000000&query=" + url.QueryEscape(q)
	}
	return s, nil
}

func (s *server) start(cmd *exec.Cmd, health string) error {
	s.cmd, s.log = cmd, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	for time.Since(started) < 30*time.Second {
		if resp, err := http.Get(health); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				s.ready = time.Since(started)
				time.Sleep(3 * time.Second)
				s.idle = resident(cmd.Process.Pid)
				return nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("%s did not start: %s", s.name, s.log), s.stop())
}

func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case <-done:
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("did not stop within 30 s of SIGTERM"), s.cmd.Process.Kill())
	}
}

// measure sends every body, waits until all can be searched, and then looks for a rare value.
func (s *server) measure(ctx context.Context, bodies [][]byte, events int) error {
	before := s.cpu()
	began := time.Now()
	if err := s.load(ctx, bodies); err != nil {
		return err
	}
	acknowledged := time.Since(began)
	stored := 0
	for time.Since(began) < 10*time.Minute && stored < events {
		time.Sleep(200 * time.Millisecond)
		var err error
		if stored, err = s.count(); err != nil {
			return err
		}
	}
	searchable := time.Since(began)
	if stored != events {
		return fmt.Errorf("%d of %d events can be found", stored, events)
	}
	fmt.Printf("  %-32s acknowledged %7.0f/s  searchable %7.0f/s  start %4d ms  idle %3d MiB  loaded %4d MiB  cpu %5.0f µs an event\n", s.name,
		float64(events)/acknowledged.Seconds(), float64(events)/searchable.Seconds(), s.ready.Milliseconds(), s.idle, resident(s.cmd.Process.Pid),
		(s.cpu()-before)*1e6/float64(events))
	return s.findNeedle(ctx)
}

// load sends the bodies over four connections.
func (s *server) load(ctx context.Context, bodies [][]byte) error {
	var next atomic.Int64
	failures := make(chan error, 4)
	for range 4 {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					failures <- nil
					return
				}
				if err := s.post(ctx, bodies[i]); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	var err error
	for range 4 {
		err = errors.Join(err, <-failures)
	}
	return err
}

// post sends one body, and again where the server says it is busy.
func (s *server) post(ctx context.Context, body []byte) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.bulk, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		if s.auth != "" {
			req.Header.Set("Authorization", s.auth)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		switch {
		case err != nil:
			return err
		case resp.StatusCode == http.StatusOK && !bytes.Contains(text, []byte(`"errors":true`)):
			return nil
		case resp.StatusCode != http.StatusTooManyRequests:
			return fmt.Errorf("status %d: %.500s", resp.StatusCode, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *server) query(q string) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, s.search(q), nil)
	if err != nil {
		return nil, err
	}
	if s.auth != "" {
		req.Header.Set("Authorization", s.auth)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("search answers %d: %.300s", resp.StatusCode, text)
	}
	return text, err
}

// count is how many events can be found, without those that the program tells of itself.
func (s *server) count() (int, error) {
	text, err := s.query(`* !"event.dataset":"yagura.audit" | stats count() n`)
	if err != nil {
		return 0, err
	}
	var row struct{ N json.RawMessage }
	if err := json.Unmarshal(bytes.TrimSpace(text), &row); err != nil {
		return 0, fmt.Errorf("the count answers %.300s", text)
	}
	var n int
	_, err = fmt.Sscan(strings.Trim(string(row.N), `"`), &n)
	return n, err
}

func (s *server) findNeedle(ctx context.Context) error {
	line := fmt.Sprintf("{\"create\":{}}\n{\"@timestamp\":\"2020-09-01T00:00:00Z\",\"Message\":\"one\",\"token\":%q}\n", needle)
	if err := s.post(ctx, []byte(line)); err != nil {
		return err
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		text, err := s.query("token:" + needle)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(needle)) {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("the rare value is not found 15 s after it was sent")
		}
		time.Sleep(100 * time.Millisecond)
	}
	var took []time.Duration
	for range 21 {
		began := time.Now()
		if _, err := s.query("token:" + needle); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	fmt.Printf("  %-32s rare value found in %.1f ms (median of 21; slowest %.1f ms)\n", "", ms(took[10]), ms(took[20]))
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cpu is the processor time that the server has used, in seconds.
func (s *server) cpu() float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / 100 // clock ticks
}
