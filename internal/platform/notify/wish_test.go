package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
)

// TestQuietHoursFollowTheWallsClock, also in the two nights of the year when that jumps.
func TestQuietHoursFollowTheWallsClock(t *testing.T) {
	t.Parallel()
	night := notify.Times{Quiet: true, QuietFrom: 22 * 60, QuietTo: 7 * 60}
	early := notify.Times{Quiet: true, QuietFrom: 22 * 60, QuietTo: 2*60 + 30}
	half := notify.Times{Quiet: true, QuietFrom: 22 * 60, QuietTo: 1*60 + 30}
	lunch := notify.Times{Quiet: true, QuietFrom: 12 * 60, QuietTo: 13 * 60}
	for _, row := range []struct {
		times           notify.Times
		zone, now, want string
	}{
		{night, "Asia/Tokyo", "2026-04-01T12:59:59Z", ""},                     // 21:59:59
		{night, "Asia/Tokyo", "2026-04-01T13:00:00Z", "2026-04-01T22:00:00Z"}, // 22:00
		{night, "Asia/Tokyo", "2026-04-01T21:59:59Z", "2026-04-01T22:00:00Z"}, // 06:59:59
		{night, "Asia/Tokyo", "2026-04-01T22:00:00Z", ""},                     // 07:00
		{night, "Asia/Kolkata", "2026-04-01T16:30:30Z", "2026-04-02T01:30:00Z"},
		{lunch, "UTC", "2026-04-01T12:30:00Z", "2026-04-01T13:00:00Z"},
		{lunch, "UTC", "2026-04-01T13:00:00Z", ""},
		// Berlin, 29 March 2026: 02:00 becomes 03:00. The night is an hour shorter; 02:30 never comes and ends at 03:00.
		{night, "Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"},
		{early, "Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z"},
		// Berlin, 25 October 2026: 03:00 becomes 02:00. 02:30 comes twice; the second hour is quiet up to it, too.
		{night, "Europe/Berlin", "2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z"},
		{early, "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T00:30:00Z"},
		{early, "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-25T01:30:00Z"},
		// New York, 1 November 2026: 02:00 becomes 01:00.
		{half, "America/New_York", "2026-11-01T06:10:00Z", "2026-11-01T06:30:00Z"},
		{notify.Times{Quiet: false, QuietFrom: 0, QuietTo: 1439}, "UTC", "2026-04-01T12:00:00Z", ""},
		{notify.Times{Quiet: true, QuietFrom: 60, QuietTo: 60}, "UTC", "2026-04-01T01:00:00Z", ""},
	} {
		zone, err := time.LoadLocation(row.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, row.now)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if end := row.times.QuietUntil(now, zone); !end.IsZero() {
			got = end.Format(time.RFC3339)
		}
		if got != row.want {
			t.Errorf("%+v at %s in %s: until %q, want %q", row.times, row.now, row.zone, got, row.want)
		}
	}
}

func TestDigestsFollowTheWallsClock(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		times           notify.Times
		zone, now, want string
	}{
		{notify.Times{Hour: 9, Weekday: -1}, "Asia/Tokyo", "2026-04-01T00:00:00Z", "2026-04-02T00:00:00Z"},
		{notify.Times{Hour: 9, Weekday: -1}, "Asia/Tokyo", "2026-03-31T23:59:00Z", "2026-04-01T00:00:00Z"},
		{notify.Times{Hour: 9, Weekday: 1}, "Asia/Tokyo", "2026-04-01T03:00:00Z", "2026-04-06T00:00:00Z"}, // Wednesday to Monday
		{notify.Times{Hour: 9, Weekday: 3}, "Asia/Tokyo", "2026-04-01T03:00:00Z", "2026-04-08T00:00:00Z"}, // this Wednesday is over
		{notify.Times{Hour: 9, Weekday: -1}, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T07:00:00Z"},
		{notify.Times{Hour: 2, Weekday: -1}, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"}, // 02:00 is not there: 03:00
		{notify.Times{Hour: 2, Weekday: -1}, "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T01:00:00Z"}, // 02:00 comes twice: one of them
		{notify.Times{Hour: 2, Weekday: -1}, "Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-26T01:00:00Z"}, // and only that
	} {
		zone, err := time.LoadLocation(row.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, row.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := row.times.NextDigest(now, zone).Format(time.RFC3339); got != row.want {
			t.Errorf("%+v at %s in %s: %s, want %s", row.times, row.now, row.zone, got, row.want)
		}
	}
}

func TestQuietHoursHoldMailsBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		h.choose("aoki", notify.Times{Hour: 9, Weekday: -1, Quiet: true, QuietFrom: 11 * 60, QuietTo: 14 * 60}) // it is noon
		h.send(opened("a", "aoki"), opened("b", "aoki"), lost("c", "aoki"))
		mails := h.office.taken(t, "aoki")
		if len(mails) != 1 || !strings.Contains(mails[0].subject, "【重大】箱「c」がなくなりました") || h.unread("aoki") != 3 {
			t.Fatalf("in quiet hours %d mails, %d in the list", len(mails), h.unread("aoki"))
		}
		h.pass(119 * time.Minute)
		if n := len(h.office.taken(t, "aoki")); n != 1 {
			t.Fatalf("%d mails too early", n)
		}
		h.pass(2 * time.Minute)
		mails = h.office.taken(t, "aoki")
		if len(mails) != 2 || mails[1].subject != "[Yagura] 通知のまとめ(2件)" || !strings.Contains(mails[1].text, "控える時間帯") ||
			!strings.Contains(mails[1].text, "■ 箱の開封") || !strings.Contains(mails[1].html, "箱「a」") || !strings.Contains(mails[1].html, "箱「b」") {
			t.Errorf("afterwards %d mails: %+v", len(mails), mails[len(mails)-1].text)
		}
	})
}

func TestDigests(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		h.choose("baba", notify.Times{Hour: 9, Weekday: -1}, notify.Preference{Topic: "box.opened", Channel: notify.Mail, Mode: notify.Digest}) // 05:00 in Berlin
		counted := notify.Notice{Topic: "box.counted", Path: "/boxes", To: notify.To("baba"), Args: notify.Args{"n": notify.Number(1200), "at": notify.Time(h.clock.now()), "level": notify.Message("severity.high")}}
		h.send(opened("a", "baba"), opened("b", "baba"), counted)
		page, err := h.List(t.Context(), "baba", notify.Filter{Topic: "box.opened", Limit: 9})
		if err != nil || len(page.Items) != 2 {
			t.Fatal(err, page)
		}
		if _, err := h.Read(t.Context(), "baba", page.Items[0].ID); err != nil { // what was read meanwhile is not mailed
			t.Fatal(err)
		}
		h.pass(3*time.Hour + 59*time.Minute)
		if n := len(h.office.taken(t, "baba")); n != 0 {
			t.Fatalf("%d mails before nine", n)
		}
		h.pass(2 * time.Minute)
		mails := h.office.taken(t, "baba")
		if len(mails) != 1 || mails[0].subject != "[Yagura] 2 notifications" || !strings.Contains(mails[0].text, "■ Box opened") ||
			!strings.Contains(mails[0].text, "1,200 boxes on 2026-04-01 05:00:00, High") || !strings.HasPrefix(mails[0].html, "<!doctype html>\r\n<html lang=\"en\">") && !strings.HasPrefix(mails[0].html, "<!doctype html>\n<html lang=\"en\">") {
			t.Errorf("%d mails: %+v", len(mails), mails)
		}
		h.send(opened("c", "baba"))
		h.pass(24 * time.Hour)
		if mails = h.office.taken(t, "baba"); len(mails) != 2 || mails[1].subject != "[Yagura] baba opened the box c" {
			t.Errorf("a digest of one is that one: %d mails", len(mails))
		}
	})
}

func TestSoManyMailsAnHour(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		const many = notify.MailsAnHour + 25
		for i := range many {
			h.send(opened(fmt.Sprint("box", i), "chiba"))
		}
		if n := len(h.office.taken(t, "chiba")); n != notify.MailsAnHour {
			t.Fatalf("%d mails within the hour", n)
		}
		h.pass(61 * time.Minute)
		mails := h.office.taken(t, "chiba")
		if len(mails) != notify.MailsAnHour+1 || mails[len(mails)-1].subject != "[Yagura] 通知のまとめ(25件)" || !strings.Contains(mails[len(mails)-1].text, "1時間に20通を超えたため") {
			t.Errorf("after the hour %d mails, the last: %s", len(mails), mails[len(mails)-1].text)
		}
		if n := h.unread("chiba"); n != many {
			t.Errorf("%d in the list", n)
		}
	})
}

func TestWhatPeopleChoose(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		h.choose("aoki", notify.DefaultTimes(),
			notify.Preference{Topic: "box.opened", Channel: notify.InApp, Mode: notify.Off}, notify.Preference{Topic: "box.lost", Channel: notify.Mail, Mode: notify.Off})
		h.send(opened("a", "aoki"), lost("b", "aoki"))
		if got := lines(h.list("aoki", "en")); got != "1: The box b is lost" || h.unread("aoki") != 1 {
			t.Errorf("in the program: %s", got)
		}
		if mails := h.office.taken(t, "aoki"); len(mails) != 1 || !strings.Contains(mails[0].subject, "箱「a」") {
			t.Errorf("%d mails", len(mails))
		}
		chosen, times, err := h.Wishes(t.Context(), "aoki")
		if err != nil || chosen["box.opened"][notify.InApp] != notify.Off || chosen["box.opened"][notify.Mail] != notify.On || times.Hour != 9 {
			t.Errorf("%v, %+v, %v", chosen, times, err)
		}
		for _, wrong := range []notify.Preference{{Topic: "box.burnt", Channel: notify.Mail, Mode: notify.On}, {Topic: "box.lost", Channel: "fax", Mode: notify.On}, {Topic: "box.lost", Channel: notify.InApp, Mode: notify.Digest}} {
			if err := h.Choose(t.Context(), "aoki", []notify.Preference{wrong}, notify.DefaultTimes()); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
		for _, wrong := range []notify.Times{{Hour: 24, Weekday: -1}, {Weekday: 7}, {Weekday: -1, QuietTo: 1440}, {Weekday: -1, QuietFrom: -1}} {
			if err := h.Choose(t.Context(), "aoki", nil, wrong); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
	})
}
