package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Task is something that somebody has to do, for a record or for none.
type Task struct {
	ID      string     `json:"id"`
	Record  string     `json:"record"` // the reference of the record that it is of
	Title   string     `json:"title"`
	Text    string     `json:"text"` // Markdown
	Owner   *string    `json:"owner"`
	Due     *time.Time `json:"due"`
	State   string     `json:"state"` // open, done, dropped
	Why     string     `json:"why"`
	Again   *Again     `json:"again"`
	Remind  []string   `json:"remind"` // how long before it is due: "1d", "2h"
	After   []string   `json:"after"`  // the tasks that come first
	Waits   bool       `json:"waits"`  // for one of those
	Version int64      `json:"version"`
}

// Again is how a task comes again.
type Again struct {
	Every int    `json:"every"`
	Unit  string `json:"unit"`            // day, week, month, year
	Shift string `json:"shift,omitempty"` // where a day goes that is no business day: following, preceding
}

// Tasking is what a new task is made of. Changes are made by Update with the kind "tasks".
type Tasking struct {
	Title  string   `json:"title"`
	Text   string   `json:"text,omitempty"`
	Owner  string   `json:"owner,omitempty"` // an id, a mail address or "me"
	Due    string   `json:"due,omitempty"`   // RFC 3339, or a date
	Again  *Again   `json:"again,omitempty"`
	Remind []string `json:"remind,omitempty"`
	After  []string `json:"after,omitempty"`
}

// AddTask makes a task of a record; without a kind it is of none, and yours where it has no other owner.
func (c *Client) AddTask(ctx context.Context, kind, id string, with Tasking) (t Task, err error) {
	path := "tasks"
	if kind != "" {
		path = at(kind, id) + "/tasks"
	}
	_, err = c.change(ctx, http.MethodPost, path, 0, with, &t)
	return t, err
}

// Tasks goes through the tasks of a record in their order.
func (c *Client) Tasks(ctx context.Context, kind, id string) iter.Seq2[Task, error] {
	return List[Task](ctx, c, at(kind, id)+"/tasks", nil)
}

// MyTasks goes through the tasks of who asks, of records of every kind; filters are those of the API's document.
func (c *Client) MyTasks(ctx context.Context, filters url.Values) iter.Seq2[Task, error] {
	return List[Task](ctx, c, "tasks", filters)
}

// EndTask says that a task is done; where it comes again, next is the one that was made.
func (c *Client) EndTask(ctx context.Context, id string) (ended Task, next *Task, err error) {
	return c.end(ctx, id, "/done", nil)
}

// DropTask says that a task need not be done any more, with the reason.
func (c *Client) DropTask(ctx context.Context, id, why string) (Task, error) {
	ended, _, err := c.end(ctx, id, "/drop", map[string]string{"why": why})
	return ended, err
}

func (c *Client) end(ctx context.Context, id, how string, body any) (Task, *Task, error) {
	var answer struct {
		Task Task  `json:"task"`
		Next *Task `json:"next"`
	}
	if body == nil {
		body = struct{}{}
	}
	_, err := c.change(ctx, http.MethodPost, at("tasks", id)+how, 0, body, &answer)
	return answer.Task, answer.Next, err
}

// ReopenTask opens a task that ended again.
func (c *Client) ReopenTask(ctx context.Context, id string) (t Task, err error) {
	_, err = c.change(ctx, http.MethodPost, at("tasks", id)+"/reopen", 0, struct{}{}, &t)
	return t, err
}

// Approval is the request that people approve of a record as it is in one version.
type Approval struct {
	ID      string    `json:"id"`
	Record  string    `json:"record"`  // its reference; only of those that wait
	Title   string    `json:"title"`   // of the record; only of those that wait
	Version int64     `json:"version"` // of the record
	At      time.Time `json:"at"`
	Author  string    `json:"author"`
	Note    string    `json:"note"`
	State   string    `json:"state"` // waiting, approved, refused, withdrawn, void
	Steps   []Step    `json:"steps"`
}

// Step is one person's part in an approval.
type Step struct {
	Person string     `json:"person"`
	Due    *time.Time `json:"due"`
	State  string     `json:"state"`
	Turn   bool       `json:"turn"`   // it waits for them now
	Answer string     `json:"answer"` // why
}

// Asking is a request for approval.
type Asking struct {
	People  []Asked `json:"people"`
	InOrder bool    `json:"in_order,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// Asked is somebody who is asked.
type Asked struct {
	Person string `json:"person"` // an id or a mail address
	Due    string `json:"due,omitempty"`
	Note   string `json:"note,omitempty"`
}

// Ask asks people to approve of a record in a version; 0 is the present one. They answer at a browser.
func (c *Client) Ask(ctx context.Context, kind, id string, version int64, with Asking) (a Approval, err error) {
	_, err = c.change(ctx, http.MethodPost, at(kind, id)+"/approvals", version, with, &a)
	return a, err
}

// Approvals goes through the approvals of a record, the latest first.
func (c *Client) Approvals(ctx context.Context, kind, id string) iter.Seq2[Approval, error] {
	return List[Approval](ctx, c, at(kind, id)+"/approvals", nil)
}

// Withdraw takes back what was asked.
func (c *Client) Withdraw(ctx context.Context, kind, id, approval, why string) (a Approval, err error) {
	_, err = c.change(ctx, http.MethodDelete, at(at(kind, id)+"/approvals", approval), 0, map[string]string{"why": why}, &a)
	return a, err
}

// WaitingApprovals goes through the approvals that wait for who asks, by their due time.
func (c *Client) WaitingApprovals(ctx context.Context) iter.Seq2[Approval, error] {
	return List[Approval](ctx, c, "tasks/-/approvals", nil)
}
