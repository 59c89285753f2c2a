package normalise

import (
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// json reads any JSON object that is no Windows event: its fields flattened under their own names, the moment it
// speaks of, ECS fields where the shape is a known service's, and what it wraps (a log line or JSON in "message",
// as shippers send them). A document that is ECS already is left as it is.
func (n *Normaliser) json(v *fastjson.Value, ev *event.Event) error {
	if n.level == 0 && isZeek(v) {
		return n.zeek(v, ev)
	}
	n.flatten("", v, ev)
	found := n.shapes.find(v)
	if found == nil {
		found = n.shapes.byHint[n.hint()]
	}
	n.documentTime(found, ev)
	if found != nil && found.Line != "" {
		n.wrappedLine(found, ev)
		return nil
	}
	if found == nil && n.wrapped(ev) {
		return nil
	}
	if found != nil {
		for _, name := range found.Text {
			if object := v.Get(name); object != nil && object.Type() == fastjson.TypeObject && !ev.Has(name) {
				n.addText(name, object, ev)
			}
		}
		found.apply(ev)
		n.label(ev, moduleOf(found.Dataset), found.Dataset)
	} else {
		n.shapes.fallback.apply(ev)
	}
	n.labelByHint(ev)
	n.splitURL(ev)
	if !ev.Has(event.Message) {
		n.sentence(found, ev)
	}
	if ev.NumFields() == 0 {
		ev.Add(event.Message, "{}")
	}
	return nil
}

// nestedJSON reads a JSON object that stands in a text. It reports whether there was one.
func (n *Normaliser) nestedJSON(text string, ev *event.Event) bool {
	if n.level >= maxNested || len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return false
	}
	v, err := n.nested[n.level].Parse(text)
	if err != nil || v.Type() != fastjson.TypeObject {
		return false
	}
	n.level++
	return n.object(v, ev) == nil
}

// nestedText reads what a wrapper carries as text: JSON, a Windows event's XML or a line. Unlike Normaliser.text it
// keeps the wrapper's own buffers.
func (n *Normaliser) nestedText(text string, ev *event.Event) error {
	trimmed := strings.TrimSpace(text)
	if n.nestedJSON(trimmed, ev) || n.eventXML(trimmed, ev) {
		return nil
	}
	return n.line(asBytes(text), ev)
}

// wrapped reads on in the text that a shipper wraps: "message" (Filebeat, Elastic Agent, Vector), "log" (Docker,
// Fluent Bit), "MESSAGE" (journald). It reports whether the text was a format that is known.
func (n *Normaliser) wrapped(ev *event.Event) bool {
	if ev.Has(event.EventCategory) { // the shipper has parsed it
		return false
	}
	for _, name := range [...]string{event.Message, "log", "MESSAGE"} {
		text, ok := ev.Lookup(name)
		if text = strings.TrimSpace(text); !ok || len(text) < 8 {
			continue
		}
		outer := ev.Time
		if !outer.IsZero() {
			n.received = outer // what a time without a year is resolved against
		}
		ev.Delete(name)
		if n.nestedJSON(text, ev) || n.eventXML(text, ev) || n.knownLine(text, ev) {
			n.whenShipped(outer, ev)
			return true
		}
		ev.Add(name, text)
		ev.SetDefault(event.Message, text)
		return false
	}
	return false
}

// wrappedLine reads the log line that a known wrapper carries under its own name, as a syslog message without its
// header: the wrapper has the header's fields.
func (n *Normaliser) wrappedLine(s *shape, ev *event.Event) {
	s.apply(ev)
	text := ev.Get(s.Line)
	ev.Delete(s.Line)
	outer := ev.Time
	n.syslogMessage(text, ev)
	ev.SetDefault(event.Message, text)
	n.whenShipped(outer, ev)
}

// whenShipped keeps the wrapper's time where the text within has one of its own.
func (n *Normaliser) whenShipped(outer time.Time, ev *event.Event) {
	switch {
	case ev.Time.IsZero():
		ev.Time = outer
	case !outer.IsZero() && !outer.Equal(ev.Time) && !ev.Has("event.created"):
		ev.Add("event.created", ev.Keep(outer.AppendFormat(n.buf[:0], time.RFC3339Nano)))
	}
}

// documentTime finds the moment that the document speaks of: where its shape says, or under the names that
// services use, the best first. "@timestamp" is the event's time and no field beside it.
func (n *Normaliser) documentTime(s *shape, ev *event.Event) {
	best, at := 1<<30, ""
	outer := ev.Time
	if s != nil {
		for i, name := range s.Time {
			if value, ok := ev.Lookup(name); ok {
				if t, ok := parseTime(value); ok {
					ev.Time, best, at = t, i-len(s.Time), name
					break
				}
			}
		}
	}
	if at == "" {
		for _, f := range ev.Fields() {
			if f.Value == "" || f.Kind == event.Null || f.Kind == event.Bool {
				continue
			}
			if rank := timeRank(f.Name); rank < best {
				if t, ok := parseTime(f.Value); ok {
					ev.Time, best, at = t, rank, f.Name
				}
			}
		}
	}
	if at == "" && n.dateAndClock(ev) {
		return
	}
	switch value, has := ev.Lookup("@timestamp"); {
	case !has:
		n.whenShipped(outer, ev)
	case at == "@timestamp":
		ev.Delete("@timestamp")
		n.whenShipped(outer, ev)
	default:
		ev.Delete("@timestamp")
		ev.Add("event.created", value)
	}
}

// timeRank orders the names under which services write the moment of the event: the lower the better, a large
// number for names that are none. Names one level down count less.
func timeRank(name string) int {
	rank := 0
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		if strings.Count(name, ".") > 2 {
			return 1 << 30
		}
		rank, name = 100*strings.Count(name, "."), name[i+1:]
	}
	switch name {
	case "@timestamp":
		return rank
	case "eventTime", "event_time", "EventTime", "eventTimestamp", "event_timestamp", "EVENT_TIMESTAMP", "activityDateTime", "published",
		"CreationTime", "UTCTimestamp", "EdgeStartTimestamp", "StartTime", "query_timestamp", "TIMESTAMP_DERIVED", "messageTime":
		return rank + 1
	case "timestamp", "Timestamp", "TIMESTAMP", "timeStamp", "timestamp_utc", "isotimestamp", "Datetime", "datetime", "date_time", "dateTime":
		return rank + 2
	case "time", "Time", "TimeGenerated", "time_generated", "TimeCreated", "eventCreationTime", "requestReceivedTimestamp", "date_create":
		return rank + 3
	case "ts", "_time", "createdDateTime", "created_at", "createdAt", "CreatedAt", "createdat", "created", "CREATED_ON", "creationTime", "date",
		"effective_at", "log_time", "logtime", "generatedDateTime", "occurred_at", "logged_at", "last_seen_time":
		return rank + 4
	case "__REALTIME_TIMESTAMP", "unixTime", "UnixTime", "epoch", "calendarTime", "start_time", "start", "receiveTimestamp":
		return rank + 5
	}
	return 1 << 30
}

// dateAndClock joins a date and a time of day in two fields, as W3C extended logs and firewalls write them.
func (n *Normaliser) dateAndClock(ev *event.Event) bool {
	date, clock := ev.Get("date"), ev.Get("time")
	if len(date) != 10 || len(clock) < 5 {
		return false
	}
	n.buf = append(append(append(n.buf[:0], date...), ' '), clock...)
	if zone := ev.Get("tz"); len(zone) == 5 {
		n.buf = append(n.buf, zone...)
	}
	t, ok := parseTime(alias(n.buf))
	if ok {
		ev.Time = t
	}
	return ok
}

// sentence makes the one line that a list of events shows: the service's own words, or who did what from where.
func (n *Normaliser) sentence(s *shape, ev *event.Event) {
	if s == nil {
		s = n.shapes.fallback
	}
	for _, name := range s.Message {
		if text := ev.Get(name); text != "" {
			ev.Add(event.Message, text)
			return
		}
	}
	action := ev.Get(event.EventAction)
	n.buf = append(n.buf[:0], action...)
	if action == "" {
		code := ev.Get(event.EventCode)
		if code == "" {
			return // the dispatcher makes one of the first fields
		}
		n.buf = append(append(append(n.buf, ev.Get(event.EventDataset)...), ' '), code...)
	}
	add := func(word, value string) {
		if value != "" && len(value) <= 200 {
			n.buf = append(append(append(append(n.buf, ' '), word...), ' '), value...)
		}
	}
	who := ev.Get(event.UserName)
	if who == "" {
		who = ev.Get(event.UserEmail)
	}
	add("by", who)
	add("on", firstOf(ev, "user.target.name", "file.path", "url.original", event.HostName))
	add("from", ev.Get(event.SourceIP))
	if o := ev.Get(event.EventOutcome); o == "failure" {
		n.buf = append(n.buf, " (failure)"...)
	}
	ev.Add(event.Message, ev.Keep(n.buf))
}

func firstOf(ev *event.Event, names ...string) string {
	for _, name := range names {
		if v := ev.Get(name); v != "" {
			return v
		}
	}
	return ""
}

// splitURL splits the address that a shape found into its parts.
func (n *Normaliser) splitURL(ev *event.Event) {
	if original := firstOf(ev, "url.original", event.URLFull); original != "" && !ev.Has("url.path") {
		n.url(original, ev)
	}
}
