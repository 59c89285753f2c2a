package room_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/jobs"
	"yagura/internal/platform/jobs/room"
	"yagura/internal/platform/web/webtest"
)

type letter struct{ To string }

// house is a queue with letters in every state, and its page.
type house struct {
	*webtest.Site
	queue *jobs.Queue
	ids   map[jobs.State]string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	d := dbtest.New(t)
	q, err := jobs.Open(t.Context(), jobs.Options{DB: d, Log: slog.New(slog.DiscardHandler), Node: "yagura-1", Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	jobs.Register(q, jobs.Spec{Name: "letter.send", Owner: "letter", Attempts: 1}, func(_ context.Context, l letter) error {
		switch l.To {
		case "slow":
			<-hold
		case "wrong":
			return errors.New("no such address: " + webtest.Probe)
		}
		return nil
	})
	q.Schedule("letter.digest", jobs.MustCron("0 9 * * mon-fri", time.UTC), "letter.send", letter{"all"})
	h := &house{Site: webtest.New(t), queue: q, ids: make(map[jobs.State]string)}
	add := func(state jobs.State, to string, options ...jobs.Option) {
		err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
			h.ids[state], err = q.Add(tx, "letter.send", letter{to}, options...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	later := jobs.NotBefore(time.Now().Add(time.Hour))
	for n := range 60 { // more than a page
		add(jobs.Waiting, fmt.Sprint("later-", n), later)
	}
	add(jobs.Waiting, webtest.Probe, later, jobs.Unique(webtest.Probe))
	add(jobs.Cancelled, "never", later)
	if err := q.Cancel(t.Context(), h.ids[jobs.Cancelled]); err != nil {
		t.Fatal(err)
	}
	add(jobs.Done, "tanaka")
	add(jobs.Failed, "wrong")
	add(jobs.Running, "slow")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	t.Cleanup(func() {
		close(hold)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for state, id := range h.ids {
		for limit := 0; ; limit++ {
			job, err := q.Get(t.Context(), id)
			if err == nil && job.State == state {
				break
			}
			if limit > 1000 {
				t.Fatalf("%+v, %v, want %s", job, err, state)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	h.Mount(room.New(h.Site.Site, q).Module())
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestThePagesOfJobs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var paths []string
	for state, id := range h.ids {
		paths = append(paths, "/jobs?state="+string(state), "/jobs?state="+string(state)+"&name=jobs.sweep", "/jobs/"+id)
	}
	h.Pages(paths...)
	h.Guarded()
	first := h.Do(webtest.Request{As: webtest.Reader, Path: "/jobs?state=waiting&name=letter.send"}).Body.String()
	if strings.Count(first, `id="j-`) != 50 || !strings.Contains(first, "after=") {
		t.Errorf("a page has %d rows", strings.Count(first, `id="j-`))
	}
	if got := h.Do(webtest.Request{As: webtest.Reader, Path: "/jobs?state=lost"}); got.Code != http.StatusBadRequest {
		t.Errorf("an unknown state: status %d", got.Code)
	}
	if body := h.Do(webtest.Request{As: webtest.Reader, Path: "/jobs/schedules"}).Body.String(); strings.Contains(body, "/run") || !strings.Contains(body, "0 9 * * mon-fri") {
		t.Error("a reader is offered to run a schedule, or does not see its rule")
	}
}

func TestAPayloadIsForThoseWhoDecide(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := "/jobs/" + h.ids[jobs.Failed]
	for visitor, sees := range map[webtest.Visitor]bool{webtest.Reader: false, webtest.Admin: true} {
		body := h.Do(webtest.Request{As: visitor, Path: path}).Body.String()
		if strings.Contains(body, "&#34;wrong&#34;") != sees || strings.Contains(body, path+"/retry") != sees || !strings.Contains(body, "no such address") {
			t.Errorf("%s: sees the payload and may decide: want %t", visitor, sees)
		}
	}
}

func TestAdministratorsDecideOnThePage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	post := func(as webtest.Visitor, path string) int {
		return h.Do(webtest.Request{As: as, Path: path, Form: url.Values{"go": {"1"}}}).Code
	}
	state := func(of jobs.State) jobs.State {
		job, err := h.queue.Get(t.Context(), h.ids[of])
		if err != nil {
			t.Fatal(err)
		}
		return job.State
	}
	if got := post(webtest.Reader, "/jobs/"+h.ids[jobs.Waiting]+"/cancel"); got != http.StatusForbidden || state(jobs.Waiting) != jobs.Waiting {
		t.Errorf("a reader cancels: status %d", got)
	}
	if got := post(webtest.Admin, "/jobs/"+h.ids[jobs.Waiting]+"/cancel"); got != http.StatusSeeOther || state(jobs.Waiting) != jobs.Cancelled {
		t.Errorf("cancelling: status %d", got)
	}
	if got := post(webtest.Admin, "/jobs/"+h.ids[jobs.Cancelled]+"/retry"); got != http.StatusSeeOther || state(jobs.Cancelled) == jobs.Cancelled {
		t.Errorf("retrying: status %d", got)
	}
	if got := post(webtest.Admin, "/jobs/"+h.ids[jobs.Done]+"/retry"); got != http.StatusConflict {
		t.Errorf("retrying what is done: status %d", got)
	}
	if got := post(webtest.Admin, "/jobs/schedules/letter.digest/run"); got != http.StatusSeeOther {
		t.Errorf("running a schedule: status %d", got)
	}
}

func TestProgramsDecideAboutJobs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	root := "/api/v1/jobs/"
	var job struct{ State jobs.State }
	h.Call(webtest.Reader, "POST", root+h.ids[jobs.Waiting]+"/cancel", "", http.StatusForbidden, nil)
	h.Call(webtest.Robot, "POST", root+h.ids[jobs.Waiting]+"/cancel", "", http.StatusOK, &job)
	if job.State != jobs.Cancelled {
		t.Errorf("cancelled, it is %s", job.State)
	}
	h.Call(webtest.Robot, "POST", root+h.ids[jobs.Cancelled]+"/retry", "", http.StatusOK, &job)
	if job.State == jobs.Cancelled {
		t.Errorf("tried again, it is %s", job.State)
	}
	h.Call(webtest.Robot, "POST", root+h.ids[jobs.Done]+"/retry", "", http.StatusConflict, nil)
	h.Call(webtest.Robot, "POST", root+"none/cancel", "", http.StatusNotFound, nil)
	h.Call(webtest.Robot, "POST", root+"schedules/letter.digest/run", "", http.StatusNoContent, nil)
	h.Call(webtest.Robot, "POST", root+"schedules/none/run", "", http.StatusNotFound, nil)
}
