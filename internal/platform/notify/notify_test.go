package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/ref"
)

func TestANoticeIsReadInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		h.send(opened("青い箱", "aoki", "chiba", "nobody"))
		if got := lines(h.list("aoki", i18n.Japanese)); got != "1: babaさんが箱「青い箱」を開けました" {
			t.Errorf("in Japanese: %s", got)
		}
		if got := lines(h.list("aoki", i18n.English)); got != "1: baba opened the box 青い箱" {
			t.Errorf("in English: %s", got)
		}
		h.change(func() { h.people[1].Name = "馬場" }) // names are those of the moment of reading
		if got := lines(h.list("chiba", i18n.English)); got != "1: 馬場 opened the box 青い箱" {
			t.Errorf("with the new name: %s", got)
		}
		if got := lines(h.list("baba", i18n.English)); got != "0: " {
			t.Errorf("baba was told, too: %s", got)
		}
		for who, want := range map[string]string{"aoki": "[Yagura] babaさんが箱「青い箱」を開けました", "chiba": "[Yagura] babaさんが箱「青い箱」を開けました"} {
			mails := h.office.taken(t, who)
			if len(mails) != 1 || mails[0].subject != want {
				t.Fatalf("%s got %d mails", who, len(mails))
			}
			for _, part := range []string{mails[0].text, mails[0].html} {
				if !strings.Contains(part, "https://yagura.example.co.jp/notifications/preferences") || !strings.Contains(part, "https://yagura.example.co.jp/notifications/0") {
					t.Errorf("the mail lacks a link: %s", part)
				}
			}
		}
		if text := h.office.taken(t, "aoki")[0].text; !strings.Contains(text, "2026-04-01 12:00 JST") {
			t.Errorf("the mail does not tell the time in Tokyo: %s", text)
		}
	})
}

func TestReading(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		for i := range 3 {
			h.send(opened(fmt.Sprint("box", i), "aoki"))
			h.pass(time.Second)
		}
		if n := h.unread("aoki"); n != 3 {
			t.Fatalf("%d unread", n)
		}
		page, err := h.List(t.Context(), "aoki", notify.Filter{Limit: 2})
		if err != nil || len(page.Items) != 2 || page.Next == "" {
			t.Fatalf("the first page: %+v, %v", page, err)
		}
		path, err := h.Read(t.Context(), "aoki", page.Items[0].ID)
		if err != nil || path != "/boxes/box2" || h.unread("aoki") != 2 {
			t.Errorf("opened %q, %v, %d unread", path, err, h.unread("aoki"))
		}
		if _, err := h.Read(t.Context(), "chiba", page.Items[0].ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("chiba reads aoki's: %v", err)
		}
		if page, err = h.List(t.Context(), "aoki", notify.Filter{Limit: 2, Cursor: page.Next}); err != nil || len(page.Items) != 1 || page.Next != "" {
			t.Errorf("the second page: %+v, %v", page, err)
		}
		seen := h.clock.now()
		h.pass(2 * time.Minute)
		h.send(opened("late", "aoki"))
		if err := h.ReadAll(t.Context(), "aoki", seen); err != nil || h.unread("aoki") != 1 {
			t.Errorf("read all: %v, %d unread: what came later must stay", err, h.unread("aoki"))
		}
		if page, err = h.List(t.Context(), "aoki", notify.Filter{Limit: 9, Unread: true}); err != nil || len(page.Items) != 1 || page.Items[0].Read {
			t.Errorf("unread: %+v, %v", page, err)
		}
	})
}

func TestARollbackTellsNobody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		changed := errors.New("changed my mind")
		err := h.db.Write(t.Context(), func(tx *db.Tx) error { return errors.Join(h.Send(tx, lost("x", "aoki")), changed) })
		if !errors.Is(err, changed) {
			t.Fatal(err)
		}
		h.settle()
		if n, mails := h.unread("aoki"), h.office.taken(t, "aoki"); n != 0 || len(mails) != 0 {
			t.Errorf("%d notices, mails %+v", n, mails)
		}
	})
}

// TestAKilledNodeLosesNothing stops a node at every moment it likes, and starts another.
func TestAKilledNodeLosesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		const sent = 12
		hook := openHook(t)
		id := h.target(notify.Webhook, hook.URL+"/ok")
		h.rule(notify.Conditions{}, notify.Destination{Targets: []string{id}})
		for i := range sent {
			err := h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Send(tx, lost(fmt.Sprint("box", i), "aoki")) })
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i) * time.Millisecond)
			h.stop()
			h.clock.pass(3 * time.Minute) // the claims of the dead one end
			h.start()
		}
		h.settle()
		h.pass(10 * time.Minute)
		if n := h.unread("aoki"); n != sent {
			t.Errorf("%d in the list, %d sent", n, sent)
		}
		told := make(map[string]bool)
		for _, call := range hook.taken() {
			told[call.delivery] = true
		}
		if len(told) != sent {
			t.Errorf("the webhook heard of %d", len(told))
		}
		subjects := make(map[string]int)
		for _, m := range h.office.taken(t, "aoki") {
			subjects[m.header.Get("Message-Id")]++
		}
		if len(subjects) != sent {
			t.Errorf("%d mails of %d", len(subjects), sent)
		}
	})
}

func TestTheSameKeyIsSentOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		x := opened("x", "aoki")
		x.Key = "opened x"
		h.send(x, x)
		h.pass(time.Hour)
		h.send(x)
		if got := lines(h.list("aoki", i18n.English)); !strings.HasPrefix(got, "1:") {
			t.Errorf("%s", got)
		}
	})
}

func TestWhatHappensWithinAMinuteIsOneNotice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		h.send(opened("x", "aoki"))
		first, err := h.List(t.Context(), "aoki", notify.Filter{Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Read(t.Context(), "aoki", first.Items[0].ID); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			h.send(opened("x", "aoki"))
		}
		h.send(opened("x", "chiba"), opened("y", "aoki")) // others, and another box
		page, err := h.List(t.Context(), "aoki", notify.Filter{Limit: 9})
		if err != nil || len(page.Items) != 2 || page.Items[0].Count+page.Items[1].Count != 52 || h.unread("aoki") != 2 {
			t.Errorf("%+v, %v, %d unread", page.Items, err, h.unread("aoki"))
		}
		if n := len(h.office.taken(t, "aoki")); n != 2 {
			t.Errorf("%d mails within the minute, want one for each box", n)
		}
		h.pass(2 * time.Minute)
		mails := h.office.taken(t, "aoki")
		if len(mails) != 3 || !strings.Contains(mails[2].text, "51件") {
			t.Errorf("after the minute %d mails, the last: %+v", len(mails), mails[len(mails)-1].text)
		}
		h.send(opened("x", "aoki"))
		if page, err = h.List(t.Context(), "aoki", notify.Filter{Limit: 9}); err != nil || len(page.Items) != 3 {
			t.Errorf("after the minute it is another notice: %+v, %v", page.Items, err)
		}
	})
}

func TestWhoMayNotKnowIsNotTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		hook := openHook(t)
		id := h.target(notify.Slack, hook.URL+"/ok")
		h.rule(notify.Conditions{}, notify.Destination{Targets: []string{id}, Roles: []string{"keeper", "guest"}})
		h.change(func() { h.secret["merger"] = []string{"aoki"} })
		h.send(opened("merger", "aoki", "baba", "chiba"))
		for who, want := range map[string]int{"aoki": 1, "baba": 0, "chiba": 0} {
			if n, mails := h.unread(who), h.office.taken(t, who); n != want || len(mails) != want {
				t.Errorf("%s has %d notices, %d mails", who, n, len(mails))
			}
		}
		// The right ends: before the mail goes out, and before it is read.
		h.choose("baba", notify.Times{Hour: 9, Weekday: -1}, notify.Preference{Topic: "box.opened", Channel: notify.Mail, Mode: notify.Digest})
		h.send(opened("plans", "baba"))
		if n := h.unread("baba"); n != 1 {
			t.Fatalf("baba has %d", n)
		}
		h.change(func() { h.secret["plans"] = []string{"aoki"} })
		h.pass(48 * time.Hour)
		if mails := h.office.taken(t, "baba"); len(mails) != 0 {
			t.Errorf("baba was mailed %s", mails[0].text)
		}
		page, err := h.List(t.Context(), "baba", notify.Filter{Limit: 9})
		if err != nil || len(page.Items) != 0 || h.unread("baba") != 0 {
			t.Errorf("baba reads %+v, %v, %d unread", page.Items, err, h.unread("baba"))
		}
		if _, err := h.Read(t.Context(), "baba", h.lastNotice()); !fault.Is(err, fault.NotFound) {
			t.Errorf("baba opens it: %v", err)
		}
		h.change(func() { delete(h.secret, "plans") }) // and comes back
		if got := lines(h.list("baba", i18n.English)); !strings.HasPrefix(got, "1:") || h.unread("baba") != 1 {
			t.Errorf("with the right again: %s, %d unread", got, h.unread("baba"))
		}

		h.send(lost("chest", "aoki", "chiba")) // the topic takes box.read
		if got := lines(h.list("chiba", i18n.English)); strings.Contains(got, "lost") {
			t.Errorf("a guest is told of lost boxes: %s", got)
		}
		word := opened("plans", "chiba") // of a box that may leave
		word.Topic = "box.discussed"
		h.send(word)
		var told, outside int
		err = h.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM notify_notice WHERE topic = $1),
				(SELECT COUNT(*) FROM notify_delivery d JOIN notify_notice n ON n.id = d.notice WHERE d.channel = 'target' AND n.topic = $1)`, word.Topic).Scan(&told, &outside)
		})
		if err != nil || told != 1 || outside != 0 {
			t.Errorf("%d told, %d of it for the channel, %v", told, outside, err)
		}
		h.change(func() { h.people[0].State = auth.Disabled })
		if got := lines(h.list("aoki", i18n.English)); got != "0: " {
			t.Errorf("a disabled account reads %s", got)
		}
	})
}

func TestAnAudience(t *testing.T) {
	t.Parallel()
	h := one(t)
	h.change(func() {
		h.people[2].Unit = "shop"
		for i := range 450 {
			h.people = append(h.people, person(fmt.Sprintf("clerk%03d", i), "en", "", "clerk"))
		}
		h.people = append(h.people, auth.Person{ID: "robot", Kind: auth.Service, State: auth.Active, Roles: []auth.Role{{Name: "keeper"}}})
	})
	for i, row := range []struct {
		to   notify.Audience
		want string
	}{
		{notify.Audience{Permission: "box.read"}, "aoki baba"},
		{notify.Audience{Permission: "box.read", Except: []string{"aoki"}}, "baba"},
		{notify.Audience{Units: []string{"shop"}, People: []string{"aoki", "aoki", "gone"}}, "aoki chiba"},
		{notify.Audience{Roles: []string{"guest"}}, "chiba"},
		{notify.Audience{}, ""},
	} {
		x := opened(fmt.Sprint("box", i))
		x.To = row.to
		h.send(x)
		var got []string
		for _, who := range []string{"aoki", "baba", "chiba", "robot"} {
			if strings.Contains(lines(h.list(who, i18n.English)), fmt.Sprint("box", i)) {
				got = append(got, who)
			}
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%+v: told %v, want %s", row.to, got, row.want)
		}
	}
	all := opened("fire drill")
	all.To.Roles = []string{"clerk"}
	h.send(all)
	if a, b := h.unread("clerk000"), h.unread("clerk449"); a != 1 || b != 1 {
		t.Errorf("of 450 clerks the first has %d, the last %d", a, b)
	}
}

func TestAMistakenNoticeFails(t *testing.T) {
	t.Parallel()
	h := one(t)
	for want, change := range map[string]func(*notify.Notice){
		"nobody declared":         func(x *notify.Notice) { x.Topic = "box.burnt" },
		"nobody says who may":     func(x *notify.Notice) { x.Ref.Kind = "ghost" },
		"lacks the argument":      func(x *notify.Notice) { x.Args = notify.Args{"who": notify.Text("x")} },
		"arguments, its topic":    func(x *notify.Notice) { x.Args["more"] = notify.Text("x") },
		"no page of ours":         func(x *notify.Notice) { x.Path = "//evil.example/x" },
		`"/a\r\nb" is no page of`: func(x *notify.Notice) { x.Path = "/a\r\nb" },
	} {
		x := opened("x", "aoki")
		change(&x)
		err := h.db.Write(t.Context(), func(tx *db.Tx) error { return h.Send(tx, x) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestEscalationWhenNobodyReads(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		steps := []notify.Step{{After: 15, To: notify.Destination{People: []string{"baba"}}}, {After: 30, To: notify.Destination{Roles: []string{"guest"}}}}
		if err := h.SetChain(t.Context(), "box.opened", 0, steps); err != nil {
			t.Fatal(err)
		}
		h.choose("baba", notify.Times{Weekday: -1, Quiet: true, QuietFrom: 0, QuietTo: 1439}, notify.Preference{Topic: "box.opened", Channel: notify.Mail, Mode: notify.Off})
		h.send(opened("x", "aoki"))
		h.pass(14 * time.Minute)
		if n := h.unread("baba"); n != 0 {
			t.Fatal("baba was told too early")
		}
		h.pass(2 * time.Minute)
		if got := lines(h.list("baba", i18n.English)); got != "1: Nobody has read this yet: baba opened the box x" {
			t.Errorf("the first step reads %s", got)
		}
		if mails := h.office.taken(t, "baba"); len(mails) != 1 {
			t.Errorf("who answers for it is mailed, whatever they like: %d mails", len(mails))
		}
		if n := h.unread("chiba"); n != 0 {
			t.Fatal("the second step was told too early")
		}
		h.pass(31 * time.Minute)
		if n := h.unread("chiba"); n != 1 {
			t.Errorf("the second step has %d", n)
		}

		h.send(opened("y", "aoki")) // read in time
		page, err := h.List(t.Context(), "aoki", notify.Filter{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Read(t.Context(), "aoki", page.Items[0].ID); err != nil {
			t.Fatal(err)
		}
		h.pass(2 * time.Hour)
		if a, b := h.unread("baba"), h.unread("chiba"); a != 1 || b != 1 {
			t.Errorf("what was read went on: %d, %d", a, b)
		}
		if err := h.SetChain(t.Context(), "box.opened", 0, nil); !fault.Is(err, fault.Conflict) {
			t.Errorf("over somebody else's change: %v", err)
		}
		if err := h.SetChain(t.Context(), "box.opened", 1, nil); err != nil {
			t.Error(err)
		}
		if steps, version, err := h.Chain(t.Context(), "box.opened"); err != nil || len(steps) != 0 || version != 2 {
			t.Errorf("%v, %d, %v", steps, version, err)
		}
		for _, wrong := range [][]notify.Step{{{After: 0, To: steps[0].To}}, {{After: 5}}, {{After: 5, To: notify.Destination{People: []string{"ghost"}}}}} {
			if err := h.SetChain(t.Context(), "box.lost", 0, wrong); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
	})
}

func TestSweeping(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		h.send(opened("read", "aoki"))
		h.clock.pass(time.Second)
		h.send(opened("unread", "aoki"))
		if err := h.ReadAll(t.Context(), "aoki", h.clock.now().Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
		page, err := h.List(t.Context(), "aoki", notify.Filter{Limit: 9})
		if err != nil || len(page.Items) != 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		for _, e := range page.Items {
			if text, err := h.Texts(t.Context(), h.bundle.Printer(i18n.English, nil), []notify.Entry{e}); err != nil || strings.HasSuffix(text[0], " read") {
				if _, err = h.Read(t.Context(), "aoki", e.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		sweep := func(pass time.Duration, want string) {
			t.Helper()
			h.pass(pass)
			if err := h.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := lines(h.list("aoki", i18n.English)); got != want {
				t.Errorf("after %v more: %s", pass, got)
			}
		}
		sweep(89*24*time.Hour, "2: baba opened the box unread | baba opened the box read")
		sweep(2*24*time.Hour, "1: baba opened the box unread")
		sweep(320*24*time.Hour, "0: ")
		var left int
		err = h.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM notify_notice) + (SELECT COUNT(*) FROM notify_item) + (SELECT COUNT(*) FROM notify_delivery) + (SELECT COUNT(*) FROM notify_key)`).Scan(&left)
		})
		if err != nil || left != 0 {
			t.Errorf("%d rows are left, %v", left, err)
		}
	})
}

func TestAPersonIsForgotten(t *testing.T) {
	t.Parallel()
	h := one(t)
	h.choose("aoki", notify.DefaultTimes(), notify.Preference{Topic: "box.opened", Channel: notify.Mail, Mode: notify.Digest})
	h.send(opened("x", "aoki", "baba"))
	if err := h.db.Write(t.Context(), func(tx *db.Tx) error { return notify.Forget(tx, "aoki") }); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"notify_item WHERE person", "notify_preference WHERE person", "notify_person WHERE person", "notify_delivery WHERE target"} {
		var left int
		err := h.db.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM ` + table + ` = 'aoki'`).Scan(&left) })
		if err != nil || left != 0 {
			t.Errorf("%s: %d rows, %v", table, left, err)
		}
	}
	if n := h.unread("baba"); n != 1 {
		t.Errorf("baba has %d", n)
	}
}

// TestAPoisonedNoticeBlocksNothing: what cannot be told, because a row is damaged or a kind fails, holds up no other.
func TestAPoisonedNoticeBlocksNothing(t *testing.T) {
	t.Parallel()
	h := one(t)
	h.Know(notify.Kind{Name: "bomb", Path: "/x/{id}", MayKnow: func(context.Context, auth.Person, string) (bool, error) { panic("boom") }})
	err := h.db.Write(t.Context(), func(tx *db.Tx) error {
		bomb := opened("x", "aoki")
		bomb.Ref = ref.Ref{Kind: "bomb", ID: "1"}
		return errors.Join(h.Send(tx, bomb), h.Send(tx, opened("fine", "aoki")))
	})
	if err != nil {
		t.Fatal(err)
	}
	h.settle()
	if got := lines(h.list("aoki", i18n.English)); got != "1: baba opened the box fine" {
		t.Errorf("%s", got)
	}
	err = h.db.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(`UPDATE notify_notice SET args = '{'`); return err })
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(h.list("aoki", i18n.English)); got != "1: box.opened" {
		t.Errorf("damaged: %s", got)
	}
}

func (h *house) choose(person string, times notify.Times, wanted ...notify.Preference) {
	h.t.Helper()
	if err := h.Choose(h.t.Context(), person, wanted, times); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) rule(when notify.Conditions, to notify.Destination) notify.Rule {
	h.t.Helper()
	r, err := h.SaveRule(h.t.Context(), notify.Rule{Name: "rule", Enabled: true, When: when, Send: to})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *house) lastNotice() (id string) {
	h.t.Helper()
	err := h.db.Read(h.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`SELECT id FROM notify_notice ORDER BY at DESC, id DESC LIMIT 1`).Scan(&id)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}
