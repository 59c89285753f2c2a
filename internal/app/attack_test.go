package app

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"yagura/internal/detect/match"
	"yagura/internal/detect/rule"
	"yagura/internal/event"
	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web/webtest"
	"yagura/sigma"
)

// What somebody could write into records of every kind that the program has, and what must not come of it. A new kind is attacked as soon as it
// is registered; where it asks for more than its fields' types say, harmless says what.

// hostile is a text of one line that is markup, script, template and address, whichever way it would be taken.
const hostile = `"><yagura-probe onload=x(1)></textarea></title><script>window.probed=1</script><img src=x onerror="window.probed=1"><svg/onload=window.probed=1>' autofocus onfocus='window.probed=1' {{7*7}} javascript:window.probed=1`

// written is the same in Markdown, with its links, pictures, mentions and references.
const written = "# " + hostile + "\n[x](javascript:window.probed=1) ![x](https://evil.example/x.png) [y](data:text/html,<script>window.probed=1</script>) " +
	"[[alert/x\" onload=\"window.probed=1]] @\"><b>\n```" + hostile + "\n```\n| " + hostile + " |\n| - |\n| `" + hostile + "` |\n"

// besieged is a house with a hostile record of every kind.
type besieged struct {
	*furnished
	second  auth.Person
	records map[string]string // a kind's hostile record: its page
}

func besiege(t *testing.T) *besieged {
	t.Helper()
	b := &besieged{records: make(map[string]string), furnished: &furnished{
		house: newHouseFor(t, io.Discard, map[string]string{"rules.builtin": "false"}, func(e *Engine) auth.Authenticator { return visiting{e.Accounts} }),
	}}
	for person, address := range map[*auth.Person]string{&b.admin: "first@marumado.example", &b.second: "second@marumado.example"} {
		var err error
		*person, err = b.Accounts.Create(t.Context(), auth.NewPerson{Email: address, Name: hostile[:60], Roles: []string{"admin"}, State: auth.Active})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range b.Record.Kinds() {
		b.records[k.Name] = b.make(k)
		b.hangOn(k, b.records[k.Name])
	}
	b.send(b.second, "/tasks", url.Values{"title": {hostile}})
	b.notified(t.Context())
	return b
}

// send sends a form, whose answer is none of a server that broke, and returns it.
func (b *besieged) send(who auth.Person, path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	answer := b.get(who.ID, path, form)
	if answer.Code >= 500 {
		b.t.Fatalf("POST %s: status %d: %s", path, answer.Code, wrong(answer))
	}
	b.look(path, answer)
	return answer
}

// done is send where the form must have been taken.
func (b *besieged) done(path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	answer := b.send(b.admin, path, form)
	if answer.Code >= 400 {
		b.t.Fatalf("POST %s: status %d: %s", path, answer.Code, wrong(answer))
	}
	return answer
}

// harmless are the fields in which a kind takes nothing hostile, with something that it takes.
func harmless() map[string]map[string]string {
	tomorrow := time.Now().AddDate(0, 0, 1).Format("2006-01-02T15:04:05")
	return map[string]map[string]string{
		"exception":   {"filter": "title: |-\n  " + hostile + "\nlogsource:\n  category: process_creation\nfilter:\n  rules: any\n  selection:\n    Image|endswith: '\\x.exe'\n  condition: not selection\n"},
		"backtest":    {"text": hostileRule(), "since": time.Now().AddDate(0, 0, -2).Format("2006-01-02T15:04:05"), "until": time.Now().AddDate(0, 0, -1).Format("2006-01-02T15:04:05")},
		"suppression": {"starts": tomorrow, "ends": time.Now().AddDate(0, 0, 2).Format("2006-01-02T15:04:05")},
		"rulesource":  {"address": "https://rules.example/all.zip", "folders": "", "branch": ""},
	}
}

// fill is a form of a kind with something hostile in every field that takes it.
func (b *besieged) fill(k *record.Kind) url.Values {
	form := make(url.Values)
	for _, f := range k.Editable() {
		text := hostile
		switch word := f.Type.Word(); word {
		case "long":
			text = written
		case "tags":
			text = strings.ReplaceAll(hostile[:50], " ", "_")
		case "choice", "choices":
			switch options := f.Type.(type) {
			case record.Choice:
				text = options[0]
			case record.Choices:
				text = options[0]
			}
		case "level":
			text = "high"
		case "int":
			text = "5"
		case "bool":
			text = "true"
		case "day", "deadline":
			text = time.Now().AddDate(0, 0, 20).Format(time.DateOnly)
		case "moment":
			text = time.Now().Format("2006-01-02T15:04:05")
		case "person":
			text = b.admin.Email
		case "unit":
			text = ""
		case "email":
			text = "a@example.jp"
		case "link":
			text = "https://example.jp/?" + hostile
		}
		if f.Max > 0 {
			text = text[:min(len(text), f.Max)]
		}
		if given, ok := harmless()[k.Name][f.Name]; ok {
			text = given
		}
		form.Set(f.Name, text)
	}
	return form
}

// hostileRule is a rule with something hostile in every place that takes a text.
func hostileRule() string {
	text := func(s string) string { return "|-\n  " + strings.ReplaceAll(s, "\n", "\n  ") + "\n" }
	return "title: " + text(hostile) + "id: 929a690e-bef0-4204-a928-ef5e620d6fcc\ndescription: " + text(written) + "author: " + text(hostile) + "references:\n  - javascript:window.probed=1\nfalsepositives:\n  - '" +
		strings.ReplaceAll(hostile, "'", "''") + "'\nlogsource:\n  product: windows\n  category: process_creation\ndetection:\n  selection:\n    CommandLine|contains: '" +
		strings.ReplaceAll(hostile, "'", "''") + "'\n  condition: selection\nlevel: high\n"
}

// make makes a hostile record of a kind, with a form or as the machine does, and returns its page.
func (b *besieged) make(k *record.Kind) string {
	b.t.Helper()
	if !k.Without.Create {
		return b.done(k.Path, b.fill(k)).Header().Get("Location")
	}
	ctx := db.WithActor(b.t.Context(), "system")
	if k.Name == "alert" {
		e := &event.Event{ID: "e-1", Time: time.Now()}
		for _, field := range []string{"host.name", "user.name", "source.ip", "process.command_line", "message"} {
			e.Add(field, hostile)
		}
		noisy := &sigma.Rule{ID: hostile, Title: hostile, Description: written, Level: sigma.LevelHigh, Tags: []string{hostile, "attack.t1003"}, References: []string{"javascript:window.probed=1"}}
		if err := b.Alerts.Record(ctx, "1", []match.Match{{Rule: noisy, Event: e}}); err != nil {
			b.t.Fatal(err)
		}
	}
	if k.Name == "rule" {
		if review, err := b.Rules.Add(ctx, hostile[:60]+".yml", []byte(hostileRule()), false, rule.Draft); err != nil {
			b.t.Fatalf("%+v, %v", review, err)
		}
		if err := b.Rules.Mirror(ctx); err != nil {
			b.t.Fatal(err)
		}
	}
	page, err := b.Record.List(ctx, k.Name, record.Query{}, b.Record.Env(ctx, record.System(), nil), "", 1)
	if err != nil || len(page.Items) == 0 {
		b.t.Fatalf("nobody made a record of kind %s: %v", k.Name, err)
	}
	return page.Items[0].Address()
}

// hangOn has everything that takes a text hang on a record, and changes it in every way there is.
func (b *besieged) hangOn(k *record.Kind, self string) {
	b.t.Helper()
	id := strings.TrimPrefix(self, k.Path+"/")
	b.done(self+"/comments", url.Values{"text": {written}})
	b.send(b.second, self+"/comments", url.Values{"text": {"@first " + written}})
	b.done(self+"/tasks", url.Values{"title": {hostile}, "text": {written}, "owner": {b.second.Email}})
	b.done(self+"/class", url.Values{"class": {"secret"}, "why": {hostile}})
	for name, content := range map[string]string{hostile[:100] + ".svg": `<svg xmlns="http://www.w3.org/2000/svg" onload="window.probed=1"/>`, "x.html": hostile} {
		if answer := b.upload(self+"/attachments", name, content, url.Values{"note": {hostile}, "place": {hostile[:190]}}); answer.Code >= 400 {
			b.t.Fatalf("attaching to %s: status %d: %s", self, answer.Code, wrong(answer))
		}
	}
	b.done(k.Path+"/-/view", url.Values{"name": {hostile[:60]}, "query": {"q=" + url.QueryEscape(hostile)}, "column": {"owner"}, "shared": {"true"}})
	b.done(k.Path+"/-/bulk", url.Values{"id": {id}, "do": {"tags"}, "add": {strings.ReplaceAll(hostile[:50], " ", "_")}, "ready": {"1"}})
	b.send(b.admin, k.Path+"/-/bulk", url.Values{"id": {id}, "do": {"edit"}, "add": {hostile}, "why": {hostile}, "next": {"//evil.example"}})
	if !k.Without.Create {
		other := b.make(k)
		b.done(self+"/links", url.Values{"type": {"relates"}, "other": {k.Name + "/" + strings.TrimPrefix(other, k.Path+"/")}})
		if !k.Without.Delete {
			b.done(other+"/delete", url.Values{"version": {"1"}, "why": {hostile}})
		}
	}
	if !k.Without.Edit {
		form := b.fill(k)
		for _, f := range k.Editable() {
			if f.Fixed {
				form.Del(f.Name) // the form does not offer it
			}
		}
		form.Set("title", "changed "+hostile[:200])
		form.Set("version", b.version(k, id))
		form.Set("note", hostile)
		b.done(self, form)
		form.Set("title", "mine "+hostile[:200]) // of a version that is no more: the page of a conflict
		if answer := b.send(b.admin, self, form); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "yagura-probe") {
			b.t.Errorf("a conflict about %s: status %d", self, answer.Code)
		}
	}
	b.done(self+"/approvals", url.Values{"version": {b.version(k, id)}, "person0": {b.second.Email}, "note0": {hostile}, "note": {hostile}})
	if !k.Without.Import {
		b.bring(k)
	}
}

// wrong is what an answer says is wrong.
func wrong(answer *httptest.ResponseRecorder) string {
	page := answer.Body.String()
	for _, sign := range []string{"flash-bad", `class="error"`} {
		if at := strings.Index(page, sign); at >= 0 {
			return page[at:min(at+600, len(page))]
		}
	}
	return page
}

// version is the present version of a record.
func (b *besieged) version(k *record.Kind, id string) string {
	b.t.Helper()
	r, err := b.Record.Get(b.t.Context(), record.System(), k.Name, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprint(r.Version)
}

// bring imports a hostile list: its name, its headings and its cells.
func (b *besieged) bring(k *record.Kind) {
	b.t.Helper()
	cell := `"` + strings.ReplaceAll(hostile, `"`, `""`) + `"`
	answer := b.upload(k.Path+"/-/import", hostile[:60]+".csv", cell+",title\n"+cell+","+cell+"\n", nil)
	run := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || run == "" {
		b.t.Fatalf("importing %s: status %d: %s", k.Name, answer.Code, wrong(answer))
	}
	b.look(run, b.get(b.admin.ID, run, nil))
	b.send(b.admin, run+"/check", url.Values{"column": {"tags", "title"}})
	b.look(run, b.get(b.admin.ID, run, nil))
}

// upload sends a file as a browser does.
func (b *besieged) upload(path, name, content string, fields url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, texts := range fields {
		for _, text := range texts {
			_ = form.WriteField(field, text) // a buffer takes everything
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = io.WriteString(part, content)
	_ = form.Close()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, path, &body)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(&http.Cookie{Name: visit, Value: b.admin.ID})
	w := httptest.NewRecorder()
	b.site.Handler().ServeHTTP(w, r)
	b.look(path, w)
	return w
}

// look fails where something of an answer came from a hostile text and is more than text.
func (b *besieged) look(path string, answer *httptest.ResponseRecorder) {
	b.t.Helper()
	if answer.Header().Get("X-Content-Type-Options") != "nosniff" {
		b.t.Errorf("%s may be taken for something else", path)
	}
	if next := answer.Header().Get("Location"); next != "" && (!strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//")) {
		b.t.Errorf("%s leads to %s", path, next)
	}
	if !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") {
		return
	}
	for _, problem := range alive(answer.Body.String()) {
		b.t.Errorf("%s: %s", path, problem)
	}
}

// alive names what of a page could do something that it should not: elements and attributes that no template of ours has.
func alive(page string) (problems []string) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	say := func(n *html.Node, why string) {
		var out strings.Builder
		_ = html.Render(&out, n) // a builder takes everything
		problems = append(problems, fmt.Sprintf("%s: %.300s", why, out.String()))
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch {
		case slices.Contains([]string{"yagura-probe", "iframe", "object", "embed", "base", "frame", "applet"}, n.Data):
			say(n, "an element of ours never is")
		case n.Data == "script" && n.FirstChild != nil && strings.Contains(n.FirstChild.Data, "probed"):
			say(n, "a script")
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.Map(func(c rune) rune {
				if c <= ' ' {
					return -1
				}
				return c
			}, a.Val))
			leads := slices.Contains([]string{"href", "src", "action", "formaction", "srcset", "poster", "data", "srcdoc"}, a.Key) || strings.HasPrefix(a.Key, "hx-get") || strings.HasPrefix(a.Key, "hx-post")
			switch {
			case strings.HasPrefix(a.Key, "on"), strings.HasPrefix(a.Key, "hx-on"), a.Key == "srcdoc":
				say(n, "a script in "+a.Key)
			case leads && (strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "vbscript:") || strings.HasPrefix(value, "data:")):
				say(n, "an address that is a script in "+a.Key)
			case a.Key != "href" && leads && (strings.HasPrefix(value, "//") || strings.HasPrefix(value, "http")):
				say(n, "something from elsewhere in "+a.Key)
			}
		}
	}
	return problems
}

// TestTheEyeSeesWhatIsAlive shows that the test below can fail.
func TestTheEyeSeesWhatIsAlive(t *testing.T) {
	t.Parallel()
	for _, page := range []string{hostile, `<a href=" java` + "\n" + `script:x">`, `<img src="//evil.example/x">`, `<p onclick="x">`, `<div hx-get="https://evil.example">`, `<button hx-on:click="x">`} {
		if len(alive(page)) == 0 {
			t.Errorf("nothing was seen in %s", page)
		}
	}
	if problems := alive(`<a href="https://example.jp">` + html.EscapeString(hostile) + `</a><script src="/app.js"></script>`); len(problems) > 0 {
		t.Errorf("%q", problems)
	}
}

// TestNoTextOfAnyRecordComesToLife writes markup and script into everything of every kind of record that takes a text, and then goes through all
// pages that lead on from one another: lists, records with all their tabs, forms, histories, conflicts, tasks, notices, the search.
func TestNoTextOfAnyRecordComesToLife(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	waiting := []string{"/home", "/tasks", "/notifications", "/ledger", "/find?q=" + url.QueryEscape("yagura-probe"), "/find?q=" + url.QueryEscape(hostile[:60]), "/records/-/people?owner=a", "/records/-/records?other=a"}
	shows := make(map[string]int) // how many pages of a kind show something hostile
	for _, k := range b.Record.Kinds() {
		waiting = append(waiting, k.Path+"?view=all", k.Path+"?"+url.Values{"q": {hostile}, "sort": {k.Sort}}.Encode(), k.Path+"/-/bulk", b.records[k.Name], b.records[k.Name]+"/edit")
		if !k.Without.Delete {
			waiting = append(waiting, k.Path+"?deleted=true")
		}
	}
	const most = 1500 // pages: more than there are, fewer than for ever
	seen, alike := make(map[string]bool), make(map[string]bool)
	for len(waiting) > 0 && len(alike) < most {
		path := waiting[0]
		waiting = waiting[1:]
		if i := strings.IndexByte(path, '#'); i >= 0 {
			path = path[:i]
		}
		if seen[path] || strings.HasSuffix(path, "/pdf") || slices.ContainsFunc([]string{"/search", "/docs", "/design", "/api", "/sources", "/signin", "/static", "/help"}, func(other string) bool { return strings.HasPrefix(path, other) }) {
			continue
		}
		seen[path] = true
		if alike[sort(path)] {
			continue
		}
		alike[sort(path)] = true
		answer := b.get(b.admin.ID, path, nil)
		if answer.Code >= 500 {
			t.Errorf("%s: status %d: %.300s", path, answer.Code, wrong(answer))
		}
		b.look(path, answer)
		if !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/html") || answer.Code != http.StatusOK {
			continue
		}
		text := answer.Body.String()
		for _, k := range b.Record.Kinds() {
			if strings.HasPrefix(path, k.Path) && strings.Contains(text, "&lt;yagura-probe") {
				shows[k.Name]++
			}
		}
		for _, link := range address.FindAllStringSubmatch(text, -1) {
			waiting = append(waiting, entity.Replace(link[1]))
		}
	}
	if len(alike) >= most {
		t.Errorf("there are %d pages and more: the test leaves some out", len(seen))
	}
	for _, k := range b.Record.Kinds() {
		for _, path := range []string{b.records[k.Name], b.records[k.Name] + "?tab=timeline", b.records[k.Name] + "?tab=history", b.records[k.Name] + "?tab=evidence", b.records[k.Name] + "?tab=approvals"} {
			if !seen[path] {
				t.Errorf("no page leads to %s", path)
			}
		}
		if shows[k.Name] < 8 {
			t.Errorf("%d pages of kind %s show what was written", shows[k.Name], k.Name)
		}
	}
	for _, path := range []string{"/home", "/tasks", "/notifications"} {
		if page := b.get(b.admin.ID, path, nil).Body.String(); path != "/home" && !strings.Contains(page, "&lt;yagura-probe") {
			t.Errorf("%s shows nothing hostile", path)
		}
	}
	t.Logf("%d sorts of pages; with something hostile: %v", len(alike), shows)
}

// sort is what pages have in common that differ in the values of their conditions alone.
func sort(path string) string {
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return path
	}
	var names []string
	for name := range values {
		if name == "tab" || name == "view" || name == "panel" || name == "_panel" {
			name += "=" + values.Get(name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return path + "?" + strings.Join(names, "&")
}

// TestABrowserRunsNothingOfARecord has a real browser go through the pages of one record of each kind.
func TestABrowserRunsNothingOfARecord(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	x := b.open()
	for _, k := range b.Record.Kinds() {
		self := b.records[k.Name]
		for _, path := range []string{k.Path + "?view=all", self, self + "?tab=timeline", self + "?tab=history", self + "?tab=evidence", self + "?tab=tasks", self + "?tab=approvals", self + "?tab=links", "/find?q=yagura-probe"} {
			x.look(shown{Path: path, Person: b.admin.ID}, "ja", "light", 1280)
			webtest.Do(t, x.ctx, chromedp.Sleep(50*time.Millisecond))
			if webtest.Ask[bool](t, x.ctx, `window.probed === 1 || document.querySelector("yagura-probe") !== null`) {
				t.Errorf("something ran on %s", path)
			}
		}
	}
	if !webtest.Ask[bool](t, x.ctx, `document.body.innerText.includes("yagura-probe")`) {
		t.Error("the last page shows nothing hostile: the test looks at nothing")
	}
}
