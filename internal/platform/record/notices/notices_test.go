package notices_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/notices"
	"yagura/internal/platform/record/recordtest"
	"yagura/internal/platform/ref"
)

// post is a notifier that keeps what it is given.
type post struct {
	topics map[string]notify.Topic
	kinds  map[string]notify.Kind
	sent   []notify.Notice
}

func (p *post) Declare(topics ...notify.Topic) {
	for _, t := range topics {
		p.topics[t.Name] = t
	}
}

func (p *post) Know(kinds ...notify.Kind) {
	for _, k := range kinds {
		p.kinds[k.Name] = k
	}
}

func (p *post) Kinds() (names []string) {
	for name := range p.kinds {
		names = append(names, name)
	}
	return names
}

func (p *post) Send(_ *db.Tx, x notify.Notice) error {
	p.sent = append(p.sent, x)
	return nil
}

// last is the notice that was sent last: its topic, and to whom.
func (p *post) last() string {
	if len(p.sent) == 0 {
		return ""
	}
	x := p.sent[len(p.sent)-1]
	return x.Topic + " " + strings.Join(x.To.People, ",")
}

func TestWhoIsConcernedIsTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	kind := &record.Kind{Name: "case", Path: "/cases", House: "respond", Table: "case_case", States: []record.State{{Name: "open"}}}
	store := recordtest.Open(t, dbtest.NewAt(t, func() time.Time { return now }), `CREATE TABLE case_case (`+recordtest.Columns+`)`, kind)
	p := &post{topics: make(map[string]notify.Topic), kinds: make(map[string]notify.Kind)}
	notices.Wire(store, p)
	aoki, baba := recordtest.Somebody("aoki", "case.read", "case.write"), recordtest.Somebody("baba", "case.read", "case.write")
	ctx := recordtest.As(t.Context(), aoki)
	check := func(want string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if p.last() != want {
			t.Errorf("told %q, want %q", p.last(), want)
		}
		if len(p.sent) == 0 {
			return
		}
		x := p.sent[len(p.sent)-1]
		for _, arg := range p.topics[x.Topic].Args {
			if _, ok := x.Args[arg]; !ok || len(x.Args) != len(p.topics[x.Topic].Args) {
				t.Errorf("%s has the arguments %v, its topic %v", x.Topic, x.Args, p.topics[x.Topic].Args)
			}
		}
	}
	r, err := store.Create(ctx, aoki, "case", record.Values{"title": "感染"})
	check("", err)
	r, err = store.Edit(ctx, aoki, "case", r.ID, 1, record.Values{"owner": "baba", "due": now.Add(90 * time.Minute)}, "")
	check("record.assigned baba", err)
	_, err = store.Comment(ctx, aoki, "case", r.ID, "誰の名もない")
	check("record.comment baba", err)
	told := len(p.sent)
	_, err = store.Comment(recordtest.As(t.Context(), baba), baba, "case", r.ID, "自分のもの")
	check("record.comment baba", err)
	_, err = store.Create(ctx, aoki, "case", record.Values{"title": "権限のない人の分", "owner": "nobody", "due": now.Add(time.Hour)})
	check("record.assigned nobody", err) // the notifier asks the kind before it tells them: see below
	for range 2 {
		_, err = store.RemindDue(t.Context(), now.Add(2*time.Hour))
		check("record.due baba", err)
	}
	if n := len(p.sent) - told; n != 2 {
		t.Errorf("%d were told, of two things", n)
	}
	_, err = store.Comment(ctx, aoki, "case", r.ID, "@aoki だけ")
	check("record.comment baba", err)
	_, err = store.Comment(ctx, aoki, "case", r.ID, "@baba @aoki @nobody")
	check("record.mention baba", err)
	a, err := store.Ask(ctx, aoki, "case", r.ID, record.Asking{People: []record.Asked{{Person: "baba", Due: now.Add(time.Hour)}}})
	check("record.approval baba", err)
	_, err = store.RemindApprovals(t.Context(), now.Add(2*time.Hour))
	check("record.approval_due baba", err)
	check("record.decided aoki", store.Answer(recordtest.As(t.Context(), baba), baba, "case", r.ID, a.ID, record.Approved, ""))
	f, err := store.Attach(ctx, aoki, "case", r.ID, strings.NewReader("x"), record.Attaching{Name: "x"})
	check("record.decided aoki", err)
	check("record.hand_over baba", store.OfferAttachment(ctx, aoki, "case", r.ID, f.ID, "baba", ""))
	task, err := store.AddTask(ctx, aoki, kind.Ref(r.ID), record.Tasking{Title: "調査", Owner: "baba", Due: now.Add(2 * time.Hour), Remind: []time.Duration{time.Hour}})
	check("task.assigned baba", err)
	own, err := store.AddTask(ctx, aoki, ref.Ref{}, record.Tasking{Title: "私用", Owner: "aoki"})
	check("task.assigned baba", err)
	now = now.Add(time.Hour)
	_, err = store.Remind(t.Context())
	check("task.due baba", err)
	now = now.Add(time.Hour + time.Second)
	_, err = store.Remind(t.Context())
	check("task.overdue baba", err)
	_, err = store.RemindDue(t.Context(), now.Add(2*time.Hour))
	check("record.overdue baba", err)

	r, err = store.Edit(ctx, aoki, "case", r.ID, 0, record.Values{"due": time.Time{}}, "")
	check("record.overdue baba", err)
	_, err = store.Ask(ctx, aoki, "case", r.ID, record.Asking{People: []record.Asked{{Person: "baba", Due: now.Add(-time.Hour)}}})
	check("record.approval baba", err)
	_, err = store.RemindApprovals(t.Context(), now)
	check("record.approval_late aoki", err)

	knows := func(kind, person, id string, want bool) {
		t.Helper()
		if may, err := p.kinds[kind].MayKnow(context.Background(), auth.Person{ID: person}, id); err != nil || may != want {
			t.Errorf("%s may know of %s: %v, %v", person, kind, may, err)
		}
	}
	knows("case", "baba", r.ID, true)
	knows("case", "nobody", r.ID, false)
	knows("case", "stranger", r.ID, false)
	knows("case", "baba", "gone", false)
	knows("task", "baba", task.ID, true)
	knows("task", "nobody", task.ID, false)
	knows("task", "aoki", own.ID, true)
	knows("task", "baba", own.ID, false)
	for name, k := range p.kinds {
		if k.MayLeave != nil || !slices.Contains([]string{"case", "task"}, name) {
			t.Errorf("%s may leave the house", name)
		}
	}
}
