package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/i18n"
)

const (
	// linesInOne is how many notices a message for many names; of the rest it tells the number.
	linesInOne = 20
	// maxLine is within what Slack takes of one text (3,000).
	maxLine = 2000
)

// body writes a message as its target reads it.
func (n *Notifier) body(m *message, called names) ([]byte, error) {
	if m.target.Kind == Webhook {
		return n.hookBody(m, called)
	}
	w := wording{speak: n.speak(m.target), names: called, escape: harmless}
	text := chat{open: w.speak.T("notify.open")}
	for i, o := range m.list {
		if i == linesInOne {
			break
		}
		text.lines = append(text.lines, chatLine{n.headline(w, o), w.more(o), n.link(o.About)})
	}
	if len(m.list) > 1 {
		text.title = w.speak.T("notify.chat.many", len(m.list))
		text.open = ""
	}
	if rest := len(m.list) - len(text.lines); rest > 0 {
		text.lines = append(text.lines, chatLine{text: w.speak.T("notify.chat.rest", rest)})
	}
	return text.encode(m.target.Kind)
}

// testBody is what the test button sends.
func (n *Notifier) testBody(m *message) ([]byte, error) {
	if m.target.Kind == Webhook {
		return json.Marshal(hook{ID: m.id, Topic: "test", Severity: Informational.String(), Count: 1, At: time.Now().UTC().Format(time.RFC3339), Text: n.both(func(p *i18n.Printer) string { return p.T("notify.test.text") }), Args: map[string]any{}})
	}
	return chat{lines: []chatLine{{text: n.speak(m.target).T("notify.test.text")}}}.encode(m.target.Kind)
}

func (n *Notifier) speak(t Target) *i18n.Printer {
	zone, err := time.LoadLocation(t.Zone)
	if err != nil {
		zone = time.UTC
	}
	return n.opt.Bundle.Printer(t.Lang, zone)
}

// link is the address of what a notice is about, "" where there is none.
func (n *Notifier) link(a about) string {
	if path := n.path(a); path != "" && n.opt.PublicURL != "" {
		return n.opt.PublicURL + path
	}
	return ""
}

// headline is a notice in one line, its severity told by shape and word.
func (n *Notifier) headline(w wording, o outgoing) string {
	shape := []string{"○", "▽", "■", "▲", "●"}[min(max(o.Severity, Informational), Critical)]
	text := shape + " " + w.speak.T("severity."+o.Severity.String()) + " · " + n.words(w, o.notice, o.why)
	if runes := []rune(text); len(runes) > maxLine {
		text = string(runes[:maxLine-1]) + "…"
	}
	return text
}

// harmless makes text from outside unfit for links, mentions and the templates of chats.
func harmless(text string) string {
	const joiner = "\u2060" // seen by no reader, and it breaks the word
	return strings.NewReplacer("@", "@"+joiner, "{{", "{"+joiner+"{", "${", "$"+joiner+"{", "<!", "<"+joiner+"!", "<@", "<"+joiner+"@", "<#", "<"+joiner+"#").Replace(Defang(text))
}

// chat is a message to people, in lines of plain text.
type chat struct {
	title string
	lines []chatLine
	open  string // what the button says, where there is one line with a link
}

type chatLine struct{ text, more, link string }

type object = map[string]any

func (c chat) encode(kind TargetKind) ([]byte, error) {
	if kind == Teams {
		return json.Marshal(c.card())
	}
	return json.Marshal(c.blocks())
}

// blocks writes for Slack. Texts are plain_text, in which Slack reads no markup, mention or link; only the line that shows in
// desktop notifications is always mrkdwn, and escaped.
func (c chat) blocks() object {
	plain := func(text string) object { return object{"type": "plain_text", "text": text, "emoji": false} }
	var blocks []object
	if c.title != "" {
		blocks = append(blocks, object{"type": "section", "text": plain(c.title)})
	}
	for _, line := range c.lines {
		blocks = append(blocks, object{"type": "section", "text": plain(line.text)})
		if line.more != "" {
			blocks = append(blocks, object{"type": "context", "elements": []object{plain(line.more)}})
		}
		if line.link != "" && c.open != "" {
			blocks = append(blocks, object{"type": "actions", "elements": []object{{"type": "button", "text": plain(c.open), "url": line.link}}})
		}
	}
	summary := c.title
	if summary == "" && len(c.lines) > 0 {
		summary = c.lines[0].text
	}
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(summary)
	return object{"text": escaped, "blocks": blocks, "unfurl_links": false, "unfurl_media": false}
}

// card writes for Teams: the envelope that the Workflows webhook takes, with an Adaptive Card 1.4. Texts are TextRuns, in which
// no Markdown is read.
func (c chat) card() object {
	run := func(text string, more object) object {
		r := object{"type": "TextRun", "text": text}
		for key, value := range more {
			r[key] = value
		}
		return object{"type": "RichTextBlock", "inlines": []object{r}}
	}
	var body, actions []object
	if c.title != "" {
		body = append(body, run(c.title, object{"weight": "Bolder"}))
	}
	for _, line := range c.lines {
		body = append(body, run(line.text, nil))
		if line.more != "" {
			body = append(body, run(line.more, object{"isSubtle": true, "size": "Small"}))
		}
		if line.link != "" && c.open != "" {
			actions = append(actions, object{"type": "Action.OpenUrl", "title": c.open, "url": line.link})
		}
	}
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body, "msteams": object{"width": "Full"}}
	if len(actions) > 0 {
		card["actions"] = actions
	}
	return object{"type": "message", "attachments": []object{{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card}}}
}

// hook is the body of a webhook; its form stands in docs/notifications.md.
type hook struct {
	ID       string            `json:"id"` // of the delivery, the same at every attempt
	Notice   string            `json:"notice,omitempty"`
	Topic    string            `json:"topic"`
	Severity string            `json:"severity"`
	Count    int64             `json:"count"`
	At       string            `json:"at"`
	Text     map[string]string `json:"text"` // by language
	Args     map[string]any    `json:"args"`
	Record   string            `json:"record,omitempty"` // kind/id
	Unit     string            `json:"unit,omitempty"`
	URL      string            `json:"url,omitempty"`
}

func (n *Notifier) both(say func(*i18n.Printer) string) map[string]string {
	texts := make(map[string]string)
	for _, lang := range languages() {
		texts[string(lang)] = say(n.opt.Bundle.Printer(lang, nil))
	}
	return texts
}

func (n *Notifier) hookBody(m *message, called names) ([]byte, error) {
	o := m.list[0]
	args, err := decodeArgs(o.Args)
	if err != nil {
		return nil, err
	}
	h := hook{
		ID: m.id, Notice: o.ID, Topic: o.Topic, Severity: o.Severity.String(), Count: o.Count, At: db.Time(o.Last).Format(time.RFC3339Nano), Unit: o.Unit, URL: n.link(o.About),
		Args: make(map[string]any, len(args)),
		Text: n.both(func(p *i18n.Printer) string { return n.words(wording{speak: p, names: called}, o.notice, o.why) }),
	}
	if !o.About.Ref.IsZero() {
		h.Record = o.About.Ref.String()
	}
	english := wording{speak: n.opt.Bundle.Printer(i18n.English, nil), names: called}
	for name, arg := range args {
		h.Args[name] = english.value(arg)
		if arg.Time != 0 {
			h.Args[name] = db.Time(arg.Time).Format(time.RFC3339Nano)
		}
	}
	return json.Marshal(h)
}

// Sign returns the Yagura-Signature of a body: "t=<seconds since 1970>,v1=<hex>[,v1=<hex>]", one v1 for each secret. Each is
// HMAC-SHA-256 over "<t>.<body>".
func Sign(body []byte, at time.Time, secrets ...string) string {
	stamp := fmt.Sprint(at.Unix())
	signature := "t=" + stamp
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp + "."))
		mac.Write(body)
		signature += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return signature
}
