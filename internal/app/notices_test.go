package app

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/noise"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
)

// TestNoticesOfRecordsReachOnlyWhoMaySeeThem goes through the notifier as it runs: of a record of which somebody learns nothing on any page they learn
// nothing by notices either, neither at once nor in what a digest would gather; nothing of it is on its way to a channel; and what was rolled
// back was told to nobody.
func TestNoticesOfRecordsReachOnlyWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	f := &furnished{house: newHouseFor(t, io.Discard, nil, func(e *Engine) auth.Authenticator { return visiting{e.Accounts} })}
	var analyst auth.Person
	for person, who := range map[*auth.Person][]string{&f.admin: {"author", "admin"}, &analyst: {"analyst", "analyst"}, &f.employee: {"employee", "employee"}} {
		var err error
		*person, err = f.Accounts.Create(t.Context(), auth.NewPerson{Email: who[0] + "@marumado.example", Name: who[0], Roles: []string{who[1]}, State: auth.Active})
		if err != nil {
			t.Fatal(err)
		}
	}
	post := func(path string, form url.Values) string {
		t.Helper()
		answer := f.get(f.admin.ID, path, form)
		if answer.Code >= 400 {
			t.Fatalf("POST %s: status %d: %s", path, answer.Code, wrong(answer))
		}
		return answer.Header().Get("Location")
	}
	post("/notifications/targets", url.Values{"name": {"SOAR"}, "kind": {"webhook"}, "lang": {"ja"}, "address": {"https://soar.marumado.example/hook"}, "enabled": {"1"}})
	targets, err := f.Notify.Targets(t.Context())
	if err != nil || len(targets) != 1 {
		t.Fatalf("%d targets, %v", len(targets), err)
	}
	// Everything goes to the channel and to everybody, as far as it may.
	rule := notify.Rule{Name: "all", Enabled: true, Send: notify.Destination{Targets: []string{targets[0].ID}, Roles: []string{"employee"}}}
	if _, err := f.Notify.SaveRule(db.WithActor(t.Context(), f.admin.ID), rule); err != nil {
		t.Fatal(err)
	}
	self := post("/suppressions", url.Values{"title": {"秘密の保守"}, "way": {"spacing"}, "hosts": {"srv-1"}, "minutes": {"5"}, "reason": {"x"}, "owner": {f.employee.Email}, "due": {time.Now().Add(-time.Hour).Format("2006-01-02T15:04:05")}})
	id := strings.TrimPrefix(self, "/suppressions/")
	post(self+"/comments", url.Values{"text": {"@employee @analyst 確認してください"}})
	if answer := f.get(f.admin.ID, self+"/approvals", url.Values{"version": {"1"}, "person0": {f.employee.Email}}); answer.Code < 400 {
		t.Errorf("somebody who may not see it is asked to approve: status %d", answer.Code)
	}

	by, err := f.Accounts.Person(t.Context(), f.admin.ID)
	if err != nil {
		t.Fatal(err)
	}
	everything := &auth.User{ID: by.ID, Allowed: func(string) bool { return true }}
	changed := errors.New("changed my mind")
	ctx := db.WithActor(t.Context(), by.ID)
	err = f.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := f.Record.CommentTx(tx, everything, noise.Suppression, id, "@analyst 取り消す")
		return errors.Join(err, changed)
	})
	if !errors.Is(err, changed) {
		t.Fatal(err)
	}
	if _, err := f.Record.RemindDue(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	post(self+"/approvals", url.Values{"version": {"1"}, "person0": {analyst.Email}, "due0": {time.Now().AddDate(0, 0, -1).Format(time.DateOnly)}})
	if _, err := f.Record.RemindApprovals(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}

	f.until(func() bool { return len(f.topics(analyst)) >= 3 && len(f.topics(f.admin)) >= 1 })
	for who, want := range map[*auth.Person]string{&analyst: "record.approval record.approval_overdue record.mention", &f.admin: "record.approval_late", &f.employee: ""} {
		if got := strings.Join(f.topics(*who), " "); got != want {
			t.Errorf("%s is told %q, want %q", who.Name, got, want)
		}
	}
	var held, leaving int
	err = f.DB.Read(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM notify_item WHERE person = $1), (SELECT COUNT(*) FROM notify_delivery)`, f.employee.ID).Scan(&held, &leaving)
	})
	if err != nil || held != 0 || leaving != 0 {
		t.Errorf("%d notices wait for who may not see the record, %d are on their way outside, %v", held, leaving, err)
	}
	if may, err := f.Record.MaySee(t.Context(), f.employee.ID, noise.Suppression, id); err != nil || may {
		t.Errorf("the employee may see it, so that the test shows nothing: %v", err)
	}
	if page, err := f.Record.Comments(t.Context(), record.System(), noise.Suppression, id, "", 10); err != nil || len(page.Items) != 1 {
		t.Errorf("%d comments, %v", len(page.Items), err)
	}
}

// topics are what somebody was told of, in order of their names.
func (f *furnished) topics(who auth.Person) (names []string) {
	f.t.Helper()
	page, err := f.Notify.List(f.t.Context(), who.ID, notify.Filter{Limit: 50})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, item := range page.Items {
		names = append(names, item.Topic)
	}
	slices.Sort(names)
	return names
}

// until works off jobs until something is so.
func (f *furnished) until(so func() bool) {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	ended := make(chan error)
	go func() { ended <- f.Jobs.Run(ctx) }()
	for deadline := time.Now().Add(60 * time.Second); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Error("it did not become so")
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		f.t.Error(err)
	}
}
