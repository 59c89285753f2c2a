package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/ledger"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/seal/leaktest"
)

// call is a request that a hook took.
type call struct {
	path, delivery, signature, body string
}

// hook is a real HTTP server that behaves as the path asks for.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
	mood  func(path string, nth int) (status int, header map[string]string) // nil: 200
	quit  chan struct{}
}

func openHook(t testing.TB) *hook {
	t.Helper()
	h := &hook{quit: make(chan struct{})}
	seen := make(map[string]int)
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		h.mu.Lock()
		seen[r.URL.Path]++
		nth, mood := seen[r.URL.Path], h.mood
		h.calls = append(h.calls, call{r.URL.Path, r.Header.Get("Yagura-Delivery"), r.Header.Get("Yagura-Signature"), string(body)})
		h.mu.Unlock()
		if mood != nil {
			status, header := mood(r.URL.Path, nth)
			for name, value := range header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
		}
		switch r.URL.Path {
		case "/hang":
			<-h.quit
		case "/close":
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close()
			}
		case "/huge":
			for range 1000 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(func() { close(h.quit); h.Close() })
	return h
}

func (h *hook) taken() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]call(nil), h.calls...)
}

func (h *hook) feel(mood func(path string, nth int) (int, map[string]string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mood = mood
}

func (h *house) target(kind notify.TargetKind, address string) string {
	h.t.Helper()
	t, _, err := h.SaveTarget(h.t.Context(), notify.Target{Kind: kind, Name: string(kind), Lang: i18n.Japanese, Zone: "Asia/Tokyo", Enabled: true}, address)
	if err != nil {
		h.t.Fatal(err)
	}
	return t.ID
}

func (h *house) status(id string) notify.Target {
	h.t.Helper()
	list, err := h.Targets(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, one := range list {
		if one.ID == id {
			return one
		}
	}
	h.t.Fatalf("no target %s", id)
	return notify.Target{}
}

// hooked is a target of a kind that every notice goes to.
func (h *house) hooked(kind notify.TargetKind, address string) string {
	h.t.Helper()
	id := h.target(kind, address)
	h.rule(notify.Conditions{}, notify.Destination{Targets: []string{id}})
	return id
}

// TestTargetsThatMisbehave: each is tried again with growing pauses, given up in the end, and says why.
func TestTargetsThatMisbehave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		hook := openHook(t)
		hook.feel(func(path string, _ int) (int, map[string]string) {
			switch path {
			case "/down":
				return 500, nil
			case "/busy":
				return 429, map[string]string{"Retry-After": "120"}
			case "/gone":
				return 410, nil
			case "/inside":
				return 302, map[string]string{"Location": "http://169.254.169.254/latest/meta-data/"}
			case "/home":
				return 307, map[string]string{"Location": hook.URL + "/ok"}
			}
			return 200, nil
		})
		targets := make(map[string]string)
		for _, path := range []string{"/ok", "/down", "/busy", "/gone", "/close", "/huge", "/inside", "/home"} {
			targets[path] = h.hooked(notify.Webhook, hook.URL+path)
		}
		h.send(opened("x", "aoki"))
		for path, want := range map[string]string{
			"/ok": "", "/huge": "", "/down": "HTTP 500", "/busy": "HTTP 429", "/gone": "HTTP 410", "/close": "EOF", "/inside": "HTTP 302", "/home": "HTTP 307",
		} {
			if s := h.status(targets[path]); want == "" && (s.LastOK.IsZero() || s.Answer != "") || want != "" && !strings.Contains(s.Answer, want) {
				t.Errorf("%s: %+v", path, s)
			}
		}
		if s := h.status(targets["/busy"]); s.PausedUntil.Sub(h.clock.now()) != 2*time.Minute {
			t.Errorf("the busy one is left alone until %v", s.PausedUntil)
		}
		if n := len(h.office.taken(t, "aoki")); n != 1 || h.unread("aoki") != 1 {
			t.Errorf("people are told whatever becomes of targets: %d mails, %d notices", n, h.unread("aoki"))
		}
		h.pass(60 * time.Second)
		if n := hook.count("/busy"); n != 1 {
			t.Errorf("the busy one was asked %d times before the time it named", n)
		}
		for range 24 * 6 {
			h.pass(10 * time.Minute)
		}
		for path, want := range map[string]int{"/ok": 1, "/huge": 1, "/gone": 1, "/inside": 1, "/home": 1, "/down": 15, "/close": 15, "/busy": 15} {
			if n := hook.count(path); n != want {
				t.Errorf("%s was asked %d times, want %d", path, n, want)
			}
		}
		page, err := h.Deliveries(t.Context(), notify.DeliveryFilter{State: "failed", Limit: 50})
		if err != nil || len(page.Items) != 6 || page.Items[0].Answer == "" || page.Items[0].Target == "" {
			t.Fatalf("given up: %+v, %v", page.Items, err)
		}
		hook.feel(nil)
		for _, d := range page.Items {
			if err := h.Retry(t.Context(), d.ID); err != nil {
				t.Error(err)
			}
		}
		h.pass(time.Second)
		if n := hook.count("/down"); n != 16 {
			t.Errorf("after an administrator's retry it was asked %d times", n)
		}
		if err := h.Retry(t.Context(), page.Items[len(page.Items)-1].ID); !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) {
			t.Errorf("retrying what was sent: %v", err)
		}
	})
}

func (h *hook) count(path string) (n int) {
	for _, c := range h.taken() {
		if c.path == path {
			n++
		}
	}
	return n
}

func TestATargetThatHangsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	h, hook := one(t), openHook(t)
	slow, fast := h.hooked(notify.Webhook, hook.URL+"/hang"), h.hooked(notify.Webhook, hook.URL+"/ok")
	var list []notify.Notice
	for i := range 20 {
		list = append(list, opened(fmt.Sprint("box", i), "aoki"))
	}
	h.send(list...)
	if s := h.status(fast); s.Waiting != 0 || hook.count("/ok") != 20 {
		t.Errorf("the fast one: %+v", s)
	}
	if s := h.status(slow); s.Waiting != 20 || s.Failures == 0 || !strings.Contains(s.Answer, "did not answer within") || hook.count("/hang") > 2 {
		t.Errorf("the slow one was asked %d times: %+v", hook.count("/hang"), s)
	}
}

// TestAFloodIsOneMessage: a chat that falls behind is told once, with all.
func TestAFloodIsOneMessage(t *testing.T) {
	t.Parallel()
	h, hook := one(t), openHook(t)
	hook.feel(func(_ string, nth int) (int, map[string]string) {
		if nth == 1 {
			return 429, map[string]string{"Retry-After": "30"}
		}
		return 200, nil
	})
	for _, kind := range []notify.TargetKind{notify.Slack, notify.Teams} {
		h.hooked(kind, hook.URL+"/"+string(kind))
	}
	h.send(opened("first", "aoki"))
	var list []notify.Notice
	for i := range 60 {
		list = append(list, opened(fmt.Sprintf("box%02d", i), "aoki"))
	}
	h.send(list...)
	h.pass(31 * time.Second)
	for _, kind := range []string{"/slack", "/teams"} {
		if n := hook.count(kind); n != 2 {
			t.Errorf("%s got %d messages", kind, n)
		}
	}
	for _, c := range hook.taken()[2:] {
		if !strings.Contains(c.body, "通知 61件") || !strings.Contains(c.body, "ほか41件") {
			t.Errorf("the message for all: %s", c.body)
		}
	}
}

const hostile = "<!channel> <@U1> @everyone *b* `c` [x](https://evil.example/a) https://evil.example/b www.evil.com evil.co.jp javascript:alert(1) {{DATE(1)}} ${x} <script>alert(1)</script>\r\nBcc: x@evil.com"

// TestTextFromOutsideIsOnlyText: no markup, mention, link or header comes of it, in any channel.
func TestTextFromOutsideIsOnlyText(t *testing.T) {
	t.Parallel()
	h, hook := one(t), openHook(t)
	for _, kind := range notify.TargetKinds() {
		h.hooked(kind, hook.URL+"/"+string(kind))
	}
	h.change(func() { h.people[1].Name = hostile })
	h.send(opened(hostile, "aoki"))

	for _, c := range hook.taken() {
		var body any
		if err := json.Unmarshal([]byte(c.body), &body); err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		texts := strings.Join(textsOf(body, c.path == "/slack"), "\n")
		if c.path == "/webhook" {
			if !strings.Contains(texts, "<!channel>") {
				t.Errorf("a program gets what there is: %s", texts)
			}
			continue
		}
		for _, sign := range []string{"<!channel", "<@U1", "@everyone", "https://evil", "www.evil.com", "evil.co.jp", "javascript:", "{{DATE", "${x", "x@evil", "\r", "\nBcc"} {
			if strings.Contains(texts, sign) {
				t.Errorf("%s: %q is in\n%s", c.path, sign, texts)
			}
		}
		if c.path == "/slack" && strings.Contains(c.body, "mrkdwn") || c.path == "/teams" && strings.Contains(c.body, `"TextBlock"`) {
			t.Errorf("%s reads markup: %s", c.path, c.body)
		}
	}
	m := h.office.taken(t, "aoki")[0]
	if len(m.header["Bcc"]) > 0 || strings.Contains(m.headers, "\nBcc") || strings.ContainsAny(m.subject, "\r\n") {
		t.Errorf("the header: %s", m.headers)
	}
	for _, sign := range []string{"<script", "<!channel", "https://evil", "www.evil.com", "evil.co.jp", "x@evil.com"} {
		if strings.Contains(m.html, sign) {
			t.Errorf("%q is in the mail\n%s", sign, m.html)
		}
	}
	if strings.Contains(m.text, "https://evil") || strings.Contains(m.text, "www.evil.com") {
		t.Errorf("the text: %s", m.text)
	}
}

// textsOf lists the texts of a message; the line that Slack reads as mrkdwn is unescaped, after a look at how it came.
func textsOf(v any, slack bool) (texts []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			texts = append(texts, textsOf(one, slack)...)
		}
	case map[string]any:
		for key, one := range v {
			if key != "$schema" && key != "url" {
				texts = append(texts, textsOf(one, slack)...)
			}
		}
	}
	return texts
}

// verify is what docs/notifications.md tells receivers to do.
func verify(signature, body, secret string, now time.Time) bool {
	stamp, good := "", false
	for _, part := range strings.Split(signature, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			mac := hmac.New(sha256.New, []byte(secret))
			fmt.Fprintf(mac, "%s.%s", stamp, body)
			given, err := hex.DecodeString(value)
			good = good || err == nil && hmac.Equal(mac.Sum(nil), given)
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	age := now.Sub(time.Unix(seconds, 0)).Abs()
	return err == nil && good && age <= 5*time.Minute
}

func TestAWebhookIsSigned(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		hook, ctx := openHook(t), db.WithActor(t.Context(), "aoki")
		target, first, err := h.SaveTarget(ctx, notify.Target{Kind: notify.Webhook, Name: "SOAR", Lang: i18n.English, Enabled: true}, hook.URL+"/ok")
		if err != nil || !strings.HasPrefix(first, "whsec_") {
			t.Fatalf("made with the secret %q, %v", first, err)
		}
		h.rule(notify.Conditions{}, notify.Destination{Targets: []string{target.ID}})
		last := func() call {
			h.pass(2 * time.Minute)
			h.send(opened("x", "aoki"))
			calls := hook.taken()
			return calls[len(calls)-1]
		}
		check := func(c call, secret string, want bool) {
			t.Helper()
			if got := verify(c.signature, c.body, secret, time.Now()); got != want {
				t.Errorf("%s verifies: %v", c.signature, got)
			}
		}
		c := last()
		check(c, first, true)
		check(c, "another", false)
		check(call{signature: c.signature, body: c.body + " "}, first, false)
		if verify(c.signature, c.body, first, time.Now().Add(6*time.Minute)) {
			t.Error("an old message is taken")
		}
		var told struct {
			Topic, Record, URL, Severity string
			Text, Args                   map[string]string
		}
		if err := json.Unmarshal([]byte(c.body), &told); err != nil || told.Topic != "box.opened" || told.Record != "box/x" || told.URL != "https://yagura.example.co.jp/boxes/x" ||
			told.Text["ja"] != "babaさんが箱「x」を開けました" || told.Text["en"] != "baba opened the box x" || told.Args["box"] != "x" || told.Severity != "low" {
			t.Errorf("%v: %s", err, c.body)
		}
		second, err := h.NewSecret(ctx, target.ID, 1)
		if err != nil {
			t.Fatal(err)
		}
		c = last()
		check(c, first, true)
		check(c, second, true)
		if err := h.DropSecret(ctx, target.ID, 2); err != nil {
			t.Fatal(err)
		}
		c = last()
		check(c, first, false)
		check(c, second, true)
		if err := h.DropSecret(ctx, target.ID, 2); !fault.Is(err, fault.Conflict) {
			t.Errorf("over somebody else's change: %v", err)
		}
	})
}

func TestTargetsAreKeptWithCare(t *testing.T) {
	t.Parallel()
	h, hook, ctx := one(t), openHook(t), t.Context()
	for want, address := range map[string]string{
		"https://": "http://hooks.example.com/x", "neither": "ftp://x/", "no URL": "https://a b/", "user's name": "https://u:p@x/", "no host": "https:///x",
	} {
		_, _, err := h.SaveTarget(ctx, notify.Target{Kind: notify.Slack, Name: "x", Lang: i18n.English}, address)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, wrong := range []notify.Target{{Kind: "fax", Name: "x", Lang: i18n.English}, {Kind: notify.Slack, Lang: i18n.English}, {Kind: notify.Slack, Name: "x", Lang: "fr"}, {Kind: notify.Slack, Name: "x", Lang: "en", Zone: "Moon"}} {
		if _, _, err := h.SaveTarget(ctx, wrong, hook.URL); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	plants := leaktest.New()
	secret := plants.Secret("the address of the channel")
	id := h.hooked(notify.Slack, hook.URL+"/services/"+secret)
	plants.CheckDB(t, h.db)
	hook.feel(func(string, int) (int, map[string]string) { return 403, nil })
	if _, err := h.Test(ctx, id); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "HTTP 403") {
		t.Errorf("the test: %v", err)
	} else {
		plants.CheckText(t, "the error of the test", err)
	}
	hook.feel(nil)
	if words, err := h.Test(ctx, id); err != nil || !strings.Contains(words, "HTTP 200") {
		t.Errorf("the test: %q, %v", words, err)
	}
	// An address inside the house is found out when it is asked for.
	inside, _, err := h.SaveTarget(ctx, notify.Target{Kind: notify.Webhook, Name: "x", Lang: i18n.English, Enabled: true}, "https://169.254.169.254/latest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Test(ctx, inside.ID); err == nil || !strings.Contains(err.Error(), "no public address") {
		t.Errorf("the metadata service: %v", err)
	}
	h.send(opened("x", "aoki"))
	one := h.status(id)
	one.Enabled = false
	if _, _, err := h.SaveTarget(ctx, one, ""); err != nil {
		t.Fatal(err)
	}
	before := len(hook.taken())
	h.pass(5 * time.Minute)
	h.send(opened("y", "aoki"))
	if n := len(hook.taken()); n != before {
		t.Errorf("a target that is off got %d messages", n-before)
	}
	if _, _, err := h.SaveTarget(ctx, one, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("over somebody else's change: %v", err)
	}
	if err := h.DeleteTarget(ctx, id, 2); err != nil {
		t.Error(err)
	}
	h.pass(5 * time.Minute)
	h.send(opened("z", "aoki")) // the rule still names it
	if h.unread("aoki") != 3 {
		t.Errorf("aoki has %d", h.unread("aoki"))
	}
	if report, err := h.log.Verify(ctx, ledger.VerifyOptions{}); err != nil || !report.OK() {
		t.Errorf("the ledger: %+v, %v", report, err)
	}
}
