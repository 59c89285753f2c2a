package record_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

// secret is a kind whose records only their owner sees.
func secret() *record.Kind {
	return &record.Kind{
		Name: "secret", Path: "/secrets", House: "respond", Table: "secret_secret",
		States: []record.State{{Name: "open"}},
		Visible: func(_ *db.Tx, by *auth.User, w *db.Where) error {
			if by.ID != "system" {
				w.And("owner = ?", by.ID)
			}
			return nil
		},
	}
}

const secretTable = `CREATE TABLE secret_secret (` + recordtest.Columns + `)`

// desk is a store with loans and secrets, and people who may read and write both.
type desk struct {
	*record.Store
	t      *testing.T
	files  string // the folder of the attachments
	events []record.Event
	tasks  []record.TaskEvent
}

func openDesk(t *testing.T, d *db.DB) *desk {
	t.Helper()
	files := t.TempDir()
	x := &desk{Store: recordtest.OpenIn(t, d, files, loanTable+";"+secretTable, loan(), secret()), t: t, files: files}
	x.Listen(func(_ *db.Tx, e record.Event) error { x.events = append(x.events, e); return nil })
	x.ListenTasks(func(_ *db.Tx, e record.TaskEvent) error { x.tasks = append(x.tasks, e); return nil })
	return x
}

var (
	writerOf = []string{"loan.read", "loan.write", "secret.read", "secret.write"}
	writer   = recordtest.Somebody("aoki", append(writerOf, "loan.delete", "secret.delete")...)
	second   = recordtest.Somebody("baba", writerOf...)
	reader   = recordtest.Somebody("chiba", "loan.read", "secret.read")
)

func (x *desk) as(who *auth.User) context.Context { return recordtest.As(x.t.Context(), who) }

// loan makes a loan, secret a secret of somebody's.
func (x *desk) loan(title string) *record.Record {
	x.t.Helper()
	return x.make("loan", record.Values{"title": title, "number": title})
}

func (x *desk) secret(title, owner string) *record.Record {
	x.t.Helper()
	return x.make("secret", record.Values{"title": title, "owner": owner})
}

func (x *desk) make(kind string, values record.Values) *record.Record {
	x.t.Helper()
	r, err := x.Create(x.as(writer), writer, kind, values)
	if err != nil {
		x.t.Fatal(err)
	}
	return r
}

// edit changes a loan, as somebody who did not see what hangs on it.
func (x *desk) edit(r *record.Record) {
	x.t.Helper()
	if _, err := x.Edit(x.as(second), second, "loan", r.ID, 0, record.Values{"cost": int64(len(x.events) + 100)}, ""); err != nil {
		x.t.Fatal(err)
	}
}

// last says what was told last: the action and whom it concerns.
func (x *desk) last() string {
	if len(x.events) == 0 {
		return ""
	}
	e := x.events[len(x.events)-1]
	return strings.TrimSpace(e.Action + " " + strings.Join(e.Mentions, ","))
}

// want fails the test where an error has another code; "" is none.
func (x *desk) want(what string, err error, code fault.Code) {
	x.t.Helper()
	if fault.CodeOf(err) != code {
		x.t.Errorf("%s: %v, want %q", what, err, code)
	}
}

// history lists what stands in a record's history for somebody, the latest first.
func (x *desk) history(by *auth.User, r *record.Record) (list []string) {
	x.t.Helper()
	page, err := x.History(x.t.Context(), by, r.Kind.Name, r.ID, "", 100)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, e := range page.Items {
		line := e.Action
		for _, c := range e.Changes {
			line += fmt.Sprintf(" %s:%s>%s", c.Field, c.From, c.To)
		}
		list = append(list, line)
	}
	return list
}

func has(list []string, part string) bool {
	return slices.ContainsFunc(list, func(line string) bool { return strings.Contains(line, part) })
}
