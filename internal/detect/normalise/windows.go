package normalise

import (
	"strconv"
	"strings"
	"time"

	"yagura/internal/detect/taxonomy"
	"yagura/internal/event"
)

// windows is what the readers of a Windows event's shapes share: what is known of the event at hand. Every
// reader calls start, then head and datum for what it finds in any order, then finish.
type windows struct {
	tax     *taxonomy.Taxonomy
	channel *taxonomy.Channel
	record  *taxonomy.Record // never nil after start
	id      string

	partial  bool // ev may have ECS fields of the shipper's: they go first
	timeRank int  // how good ev.Time is
	timeText string
	timeName string
	keywords uint64
	pending  []pendingCopy
	said     []string // the values of record.Say, by index; of any field where it is empty
	data     int      // fields of event data seen
}

type pendingCopy struct {
	copies []taxonomy.Copy
	native string
	value  string
}

// unknown stands for events of channels that the taxonomy does not know.
var unknown taxonomy.Record

// slot is a place in a Windows event's header, by whatever name a shape has for it.
type slot uint8

const (
	noSlot slot = iota
	slotChannel
	slotProvider
	slotGUID
	slotID
	slotVersion
	slotLevel
	slotTask
	slotOpcode
	slotKeywords
	slotTime
	slotRecord
	slotActivity
	slotRelated
	slotPID
	slotTID
	slotComputer
	slotUser
	slotMessage
	slotQualifiers
	slotIgnored
)

// start looks up what is known of the event.
func (n *Normaliser) start(channel, provider, id string, ev *event.Event) {
	w := &n.win
	w.channel = w.tax.Channel(channel)
	if w.channel == nil && channel == "" {
		w.channel = w.tax.OfProvider(provider)
	}
	w.record, w.id = &unknown, id
	if w.channel != nil {
		w.record = w.channel.Record(id, provider)
	}
	w.partial = ev.NumFields() > 0
	w.timeRank, w.timeText, w.timeName, w.keywords, w.data = 0, "", "", 0, 0
	w.pending, w.said = w.pending[:0], w.said[:0]
	for range w.record.Say {
		w.said = append(w.said, "")
	}
	if channel == "" && w.channel != nil {
		n.winAdd(ev, event.WinlogChannel, w.channel.Names[0], event.String) // what the provider writes to
	}
}

// winAdd adds a header field once: what the shipper said before stays.
func (n *Normaliser) winAdd(ev *event.Event, name, value string, kind event.Kind) {
	if n.win.partial && ev.Has(name) {
		return
	}
	ev.AddKind(name, value, kind)
}

// head adds what a shape says in the header's slot.
func (n *Normaliser) head(s slot, value string, kind event.Kind, ev *event.Event) {
	if value == "" || kind == event.Null {
		return
	}
	switch s {
	case slotChannel:
		n.winAdd(ev, event.WinlogChannel, value, kind)
	case slotProvider:
		n.winAdd(ev, event.WinlogProvider, value, kind)
		n.winAdd(ev, event.EventProvider, value, kind)
	case slotGUID:
		n.winAdd(ev, "winlog.provider_guid", value, kind)
	case slotID:
		n.winAdd(ev, event.EventCode, value, event.String)
		n.winAdd(ev, event.WinlogEventID, value, kind)
	case slotVersion:
		n.winAdd(ev, "winlog.version", value, kind)
	case slotLevel:
		n.winAdd(ev, "winlog.level", value, kind)
		n.winAdd(ev, "log.level", levelWord(value), event.String)
	case slotTask:
		n.numberOrWord(ev, "winlog.task_id", "winlog.task", value, kind)
	case slotOpcode:
		n.numberOrWord(ev, "winlog.opcode_id", "winlog.opcode", value, kind)
	case slotKeywords:
		n.keywordsHead(value, kind, ev)
	case slotTime:
		n.winTime("winlog.time_created", value, kind, 4, ev)
	case slotRecord:
		n.winAdd(ev, event.WinlogRecordID, value, kind)
	case slotActivity:
		n.winAdd(ev, "winlog.activity_id", value, kind)
	case slotRelated:
		n.winAdd(ev, "winlog.related_activity_id", value, kind)
	case slotPID:
		n.winAdd(ev, "winlog.process.pid", value, kind)
	case slotTID:
		n.winAdd(ev, "winlog.process.thread.id", value, kind)
	case slotComputer:
		n.winAdd(ev, event.WinlogComputer, value, kind)
		n.winAdd(ev, event.HostName, value, event.String)
	case slotUser:
		n.winAdd(ev, "winlog.user.identifier", value, kind)
	case slotMessage:
		n.winAdd(ev, event.Message, value, kind)
	case slotQualifiers:
		n.winAdd(ev, "winlog.qualifiers", value, kind)
	}
}

func (n *Normaliser) numberOrWord(ev *event.Event, number, word, value string, kind event.Kind) {
	if isDigits(value) {
		n.winAdd(ev, number, value, kind)
	} else {
		n.winAdd(ev, word, value, kind)
	}
}

// keywordsHead keeps the keywords' mask as Windows writes it, in hexadecimal; nxlog writes it as a signed number.
func (n *Normaliser) keywordsHead(value string, kind event.Kind, ev *event.Event) {
	const mask = "winlog.keywords_mask"
	if hex, ok := strings.CutPrefix(value, "0x"); ok {
		n.win.keywords, _ = strconv.ParseUint(hex, 16, 64)
		n.winAdd(ev, mask, value, kind)
		return
	}
	ev.AddKind("winlog.keywords", value, kind)
	switch signed, err := strconv.ParseInt(value, 10, 64); {
	case err == nil:
		n.win.keywords = uint64(signed)
		n.buf = strconv.AppendUint(append(n.buf[:0], "0x"...), n.win.keywords, 16)
		n.winAdd(ev, mask, ev.Keep(n.buf), event.String)
	case containsFold(value, "audit failure"), containsFold(value, "audit_failure"), strings.Contains(value, "監査の失敗"):
		n.win.keywords = auditFailure
	case containsFold(value, "audit success"), containsFold(value, "audit_success"), strings.Contains(value, "監査の成功"):
		n.win.keywords = auditSuccess
	}
}

// The keywords that every audit event has one of.
const (
	auditFailure = 0x10000000000000
	auditSuccess = 0x20000000000000
)

func containsFold(s, lower string) bool {
	for i := 0; i+len(lower) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}

// winTime takes the best of the times that a shape has: rank says how much a time of its kind is worth, one without
// a zone is worth least. The others stay under their names.
func (n *Normaliser) winTime(name, value string, kind event.Kind, rank int, ev *event.Event) {
	w := &n.win
	t, ok := windowsTime(value)
	if !ok {
		ev.AddKind(name, value, kind)
		return
	}
	if !hasZone(value) {
		rank = 1
	}
	if rank <= w.timeRank {
		if !t.Equal(ev.Time) {
			ev.AddKind(name, value, kind)
		}
		return
	}
	n.betterTime(t, rank, ev)
	w.timeName, w.timeText = name, value
}

// betterTime replaces ev.Time; the text of the time before stays as a field.
func (n *Normaliser) betterTime(t time.Time, rank int, ev *event.Event) {
	w := &n.win
	if w.timeText != "" && !t.Equal(ev.Time) {
		ev.Add(w.timeName, w.timeText)
	}
	ev.Time, w.timeRank, w.timeName, w.timeText = t, rank, "", ""
}

// windowsTime reads a time, also as .NET writes it in JSON: /Date(1600000000000)/.
func windowsTime(s string) (time.Time, bool) {
	if rest, ok := strings.CutPrefix(s, "/Date("); ok {
		s = strings.TrimRight(rest, ")/")
	}
	return parseTime(s)
}

// hasZone reports whether a time says which zone it is in: an ISO time with Z or an offset, or a Unix time.
func hasZone(s string) bool {
	if isDigits(s) || strings.HasPrefix(s, "/Date(") || strings.HasSuffix(s, "Z") {
		return true
	}
	return len(s) > 16 && strings.ContainsAny(s[16:], "+-Z")
}

// datum adds one field of event data under the name that the taxonomy gives it. prefix is where a field stays
// that does not move: winlog.event_data. or winlog.user_data.
func (n *Normaliser) datum(prefix, native, value string, kind event.Kind, ev *event.Event) {
	w := &n.win
	w.data++
	t := w.record.Target(native)
	name := ""
	switch {
	case t != nil && t.Moved && !(w.partial && ev.Has(t.Name)):
		name = t.Name
		if kind == event.String && isNumberName(name) && isDigits(value) {
			kind = event.Number
		}
	case t != nil && !t.Moved && prefix == event.WinlogEventData:
		name = t.Name
	default:
		n.path = append(append(n.path[:0], prefix...), native...)
		name = ev.Keep(n.path)
	}
	ev.AddKind(name, value, kind)
	if value == "" || value == "-" || kind == event.Null {
		return
	}
	if t != nil && t.Copies != nil {
		w.pending = append(w.pending, pendingCopy{t.Copies, native, value})
	}
	n.remember(native, value)
}

func isNumberName(name string) bool {
	return strings.HasSuffix(name, ".pid") || strings.HasSuffix(name, ".port")
}

// remember keeps what belongs in the event's one-line message.
func (n *Normaliser) remember(native, value string) {
	w := &n.win
	if len(w.record.Say) == 0 {
		if len(w.said) < 3 && len(value) < 200 {
			w.said = append(w.said, value)
		}
		return
	}
	for i, name := range w.record.Say {
		if name == native && w.said[i] == "" {
			w.said[i] = value
		}
	}
}

// finish adds what follows from all that was found: derived fields, ECS' categories, the message.
func (n *Normaliser) finish(ev *event.Event) {
	w := &n.win
	if w.data == 0 {
		n.messageData(ev)
	}
	if w.timeRank < 4 {
		if t, ok := parseTime(ev.Get(event.WinlogEventData + "UtcTime")); ok { // Sysmon's own, always in UTC
			n.betterTime(t, 4, ev)
		}
	}
	for i := range w.pending {
		n.derive(&w.pending[i], ev)
	}
	n.classifyWindows(ev)
	if !ev.Has(event.Message) {
		n.say(ev)
	}
	if w.timeName != "" && !exactTime(w.timeText) {
		ev.Add(w.timeName, w.timeText)
	}
}

// exactTime reports whether nothing is lost when a time's text is replaced by what it means.
func exactTime(s string) bool { return len(s) >= 19 && s[4] == '-' && hasZone(s) }

// classifyWindows adds what ECS wants to know of every event.
func (n *Normaliser) classifyWindows(ev *event.Event) {
	w := &n.win
	module, dataset := "windows", ""
	if w.channel != nil {
		dataset = w.channel.Dataset
		if w.channel.Module != "" {
			module = w.channel.Module
		}
	}
	ev.SetDefault(event.EventModule, module)
	if dataset != "" {
		ev.SetDefault(event.EventDataset, dataset)
	} else {
		ev.SetDefault(event.EventDataset, "windows.eventlog")
	}
	if !ev.Has(event.EventCategory) {
		for _, c := range w.record.Category {
			ev.Add(event.EventCategory, c)
		}
	}
	if !ev.Has(event.EventType) {
		for _, t := range w.record.Type {
			ev.Add(event.EventType, t)
		}
	}
	ev.SetDefault(event.EventAction, w.record.Action)
	switch {
	case w.keywords&auditFailure != 0:
		ev.SetDefault(event.EventOutcome, "failure")
	case w.record.Outcome != "":
		ev.SetDefault(event.EventOutcome, w.record.Outcome)
	case w.keywords&auditSuccess != 0:
		ev.SetDefault(event.EventOutcome, "success")
	}
}

// maxSaid is how long the made message may be; the values themselves stand in full in their fields.
const maxSaid = 1000

// say makes the message of an event that came without one: "Process Create: cmd.exe /c dir, DOM\user".
func (n *Normaliser) say(ev *event.Event) {
	w := &n.win
	n.buf = n.buf[:0]
	switch provider := ev.Get(event.WinlogProvider); {
	case w.record.Title != "":
		n.buf = append(n.buf, w.record.Title...)
	case provider != "":
		n.buf = append(append(append(n.buf, provider...), ' '), w.id...)
	default:
		n.buf = append(append(append(n.buf, ev.Get(event.WinlogChannel)...), ' '), w.id...)
	}
	separator := ": "
	for i, value := range w.said {
		if value == "" && i < len(w.record.Say) && strings.Contains(w.record.Say[i], ".") {
			value = ev.Get(w.record.Say[i]) // a derived field
		}
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		if room := maxSaid - len(n.buf); len(value) > room {
			value = strings.ToValidUTF8(value[:max(0, room)], "")
		}
		n.buf = append(append(n.buf, separator...), value...)
		separator = ", "
	}
	ev.Add(event.Message, ev.Keep(n.buf))
}

// levelWord is a level's name: numbers as in winmeta.h, words in lower case.
func levelWord(level string) string {
	switch level {
	case "0", "4":
		return "information"
	case "1":
		return "critical"
	case "2":
		return "error"
	case "3":
		return "warning"
	case "5":
		return "verbose"
	}
	return strings.ToLower(level)
}
