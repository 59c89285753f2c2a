package normalise

import (
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// otlp reads one OpenTelemetry log record as the otlp input writes it:
//
//	{"timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body", "attributes": {flat},
//	 "resource": {flat}, "scope": {"name", "version"}, "traceId", "spanId", "eventName"}
//
// Attributes by OpenTelemetry's semantic conventions take their ECS names; the others keep theirs, those of the
// resource too. The body is read on as if it had come alone.
func (n *Normaliser) otlp(v *fastjson.Value, ev *event.Event) error {
	if t, ok := nanos(v.Get("timeUnixNano")); ok {
		n.sentAt(t, ev)
	} else if t, ok := nanos(v.Get("observedTimeUnixNano")); ok {
		n.sentAt(t, ev)
	}
	n.envelope("log.level", v.Get("severityText"), ev)
	if severity := v.Get("severityNumber"); severity != nil && severity.GetInt() != 0 {
		n.scalar("otel.severity_number", severity, ev)
	}
	n.envelope("trace.id", v.Get("traceId"), ev)
	n.envelope("span.id", v.Get("spanId"), ev)
	n.envelope(event.EventAction, v.Get("eventName"), ev)
	n.envelope("otel.scope.name", v.Get("scope", "name"), ev)
	n.envelope("otel.scope.version", v.Get("scope", "version"), ev)
	first := ev.NumFields()
	for _, name := range [...]string{"resource", "attributes"} {
		if set := v.Get(name); set != nil && set.Type() == fastjson.TypeObject {
			n.flatten("", set, ev)
		}
	}
	n.otlpRest(v, ev)
	for i := first; i < ev.NumFields(); i++ {
		name, _, _ := ev.Field(i)
		if to := semantic(name); to != "" && !ev.Has(to) {
			ev.Rename(name, to)
		}
	}
	if kind := firstOf(ev, "com.splunk.sourcetype", "data_stream.dataset"); kind != "" {
		n.dataset = kind
	}
	outer := ev.Time
	if err := n.payload(v.Get("body"), ev); err != nil {
		return err
	}
	n.whenShipped(outer, ev)
	return nil
}

// otlpRest keeps members that the input does not write by now.
func (n *Normaliser) otlpRest(v *fastjson.Value, ev *event.Event) {
	o, err := v.Object()
	if err != nil {
		return
	}
	o.Visit(func(key []byte, child *fastjson.Value) {
		switch string(key) {
		case "timeUnixNano", "severityNumber", "severityText", "body", "traceId", "spanId", "eventName", "scope":
		case "attributes", "resource":
			if child.Type() != fastjson.TypeObject {
				n.flatten(n.join("otel", key, ev), child, ev)
			}
		case "observedTimeUnixNano":
			if t, ok := nanos(child); ok && !t.Equal(ev.Time) {
				ev.Add("event.created", ev.Keep(t.AppendFormat(n.buf[:0], time.RFC3339Nano)))
			}
		default:
			n.flatten(n.join("otel", key, ev), child, ev)
		}
	})
}

// nanos reads Unix time in nanoseconds, as a number or, as protobuf's JSON writes 64 bits, as text. 0 is "unknown".
func nanos(v *fastjson.Value) (time.Time, bool) {
	if v == nil {
		return time.Time{}, false
	}
	text := alias(v.GetStringBytes())
	if v.Type() == fastjson.TypeNumber {
		text = string(v.MarshalTo(nil))
	}
	ns, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ns <= 0 {
		return time.Time{}, false
	}
	return time.Unix(0, ns).UTC(), true
}

// semantic gives the ECS name of an attribute of OpenTelemetry's semantic conventions, where the two differ.
func semantic(name string) string {
	switch name {
	case "client.address", "net.peer.ip", "net.sock.peer.addr", "network.peer.address", "http.client_ip":
		return event.SourceIP
	case "client.port", "net.peer.port", "network.peer.port":
		return event.SourcePort
	case "server.address", "net.host.name", "http.host":
		return event.DestinationHost
	case "server.port", "net.host.port":
		return event.DestinationPort
	case "http.method":
		return "http.request.method"
	case "http.status_code":
		return "http.response.status_code"
	case "http.target":
		return "url.original"
	case "http.url":
		return event.URLFull
	case "http.user_agent":
		return event.UserAgent
	case "enduser.id", "process.owner":
		return event.UserName
	case "process.executable.path":
		return event.ProcessExe
	case "process.executable.name":
		return event.ProcessName
	case "process.parent_pid":
		return "process.parent.pid"
	case "exception.message":
		return event.ErrorMessage
	case "exception.type":
		return "error.type"
	case "exception.stacktrace":
		return "error.stack_trace"
	case "event.name":
		return event.EventAction
	case "os.type":
		return "host.os.type"
	case "os.name":
		return "host.os.name"
	case "os.version":
		return "host.os.version"
	case "cloud.resource_id":
		return "cloud.resource.id"
	}
	return ""
}
