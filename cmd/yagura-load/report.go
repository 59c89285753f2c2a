package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	baseline      = "GET /health (baseline)"
	baselineEvery = 200 * time.Millisecond
	// arriving is how long people come in before anything is counted: connections and caches of a server that has just started.
	arriving = 10 * time.Second
)

// report collects what was measured. It is safe for concurrent use.
type report struct {
	mu        sync.Mutex
	counting  bool
	times     map[string][]time.Duration
	errors    map[string]int
	first     map[string]error
	conflicts int

	span       time.Duration
	cpu, own   time.Duration
	machine    time.Duration // all processes together
	last       usage
	expected   []string
	notThere   []string
	measurable bool
}

func newReport() *report {
	return &report{times: make(map[string][]time.Duration), errors: make(map[string]int), first: make(map[string]error)}
}

func (r *report) add(name string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.counting && err == nil {
		return
	}
	if err != nil {
		if r.errors[name]++; r.first[name] == nil {
			r.first[name] = err
		}
		return
	}
	r.times[name] = append(r.times[name], took)
}

func (r *report) conflict() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conflicts++
}

// work has everybody work for the span.
func work(ctx context.Context, o options, s *server, sessions []session) (*report, error) {
	r := newReport()
	client := &http.Client{
		Timeout:       30 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4 * len(sessions)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	there, err := r.whatIsThere(ctx, s, client, sessions)
	if err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, arriving+o.span)
	defer cancel()
	var people sync.WaitGroup
	for i, one := range sessions {
		people.Go(func() { newVisitor(i, one, s.url, client, r, there).work(limit) })
	}
	people.Go(func() { r.watch(limit, s.url, client) })
	select {
	case <-ctx.Done():
	case <-time.After(arriving):
	}
	before, own, started := r.count(s), usageOf(os.Getpid()), time.Now()
	machine := machineCPU()
	people.Wait()
	r.span = time.Since(started)
	r.last, r.machine = usageOf(s.command.Process.Pid), machineCPU()-machine
	r.cpu, r.own, r.measurable = r.last.cpu-before.cpu, usageOf(os.Getpid()).cpu-own.cpu, before.available
	return r, ctx.Err()
}

// count begins to count.
func (r *report) count(s *server) usage {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counting = true
	return usageOf(s.command.Process.Pid)
}

// whatIsThere leaves out pages that this version does not have, and warms up what a server does once.
func (r *report) whatIsThere(ctx context.Context, s *server, client *http.Client, sessions []session) (list []page, err error) {
	i := slices.IndexFunc(sessions, func(one session) bool { return one.role == "admin" })
	if i < 0 {
		return nil, fmt.Errorf("nobody of %d people is an administrator: take ten or more", len(sessions))
	}
	r.expected = []string{decision}
	defer func() {
		for _, p := range list {
			r.expected = append(r.expected, p.name)
		}
	}()
	for _, p := range pages() {
		if p.path == "" {
			list = append(list, p)
			continue
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+p.path, nil)
		if err != nil {
			return nil, err
		}
		request.AddCookie(sessions[i].cookie)
		answer, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		_ = answer.Body.Close() // only its status is asked for
		switch answer.StatusCode {
		case http.StatusOK:
			list = append(list, p)
		case http.StatusNotFound:
			r.notThere = append(r.notThere, p.path)
		default:
			return nil, fmt.Errorf("%s answers an administrator %s", p.path, answer.Status)
		}
	}
	return list, nil
}

// watch asks for the barest page all the while.
func (r *report) watch(ctx context.Context, url string, client *http.Client) {
	v := &visitor{session: session{cookie: &http.Cookie{Name: "none", Value: "none"}}, url: url, client: client, report: r}
	tick := time.NewTicker(baselineEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			v.get(ctx, baseline, "/health")
		}
	}
}

// print writes the figures and says whether they are good enough: no error, and every page's 95th percentile within the limit.
func (r *report) print(limit time.Duration) (good bool) {
	good = true
	var all []time.Duration
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "page\trequests\terrors\tp50\tp95\tp99\tmost\t")
	names := slices.Sorted(maps.Keys(r.times))
	for name := range r.errors {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range r.expected {
		if !slices.Contains(names, name) {
			names, good = append(names, name), false // a page that nobody opened was not measured
		}
	}
	for _, name := range names {
		times := r.times[name]
		slices.Sort(times)
		if name != baseline {
			all = append(all, times...)
			good = good && r.errors[name] == 0 && percentile(times, 95) <= limit
		}
		r.line(w, name, times, r.errors[name])
	}
	slices.Sort(all)
	r.line(w, "all pages", all, 0)
	_ = w.Flush() // to memory until here; what standard output refuses nobody sees anyway
	for name, err := range r.first {
		fmt.Printf("  first error of %s: %v\n", name, err)
	}
	fmt.Printf("%.1f requests/s; %d decisions came second to another\n", float64(len(all))/r.span.Seconds(), r.conflicts)
	if r.measurable {
		seconds := r.span.Seconds()
		fmt.Printf("server: %.2f cores, %d MiB, at most %d MiB; this program: %.2f cores; all else on this machine, PostgreSQL included: %.2f cores\n",
			r.cpu.Seconds()/seconds, r.last.resident, r.last.peak, r.own.Seconds()/seconds, (r.machine-r.cpu-r.own).Seconds()/seconds)
	}
	if len(r.notThere) > 0 {
		fmt.Println("pages that this version does not have:", r.notThere)
	}
	return good
}

func (r *report) line(w *tabwriter.Writer, name string, sorted []time.Duration, errors int) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t\n", name, len(sorted), errors,
		short(percentile(sorted, 50)), short(percentile(sorted, 95)), short(percentile(sorted, 99)), short(percentile(sorted, 100)))
}

// percentile of sorted times, by nearest rank.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func short(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
