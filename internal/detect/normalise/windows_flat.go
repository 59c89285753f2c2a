package normalise

import (
	"strings"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// winlog reads what Winlogbeat or Elastic Agent sends: {"winlog": {"channel", "event_id", "event_data": …}} beside ECS
// fields that the shipper has given already, which stay as they are.
func (n *Normaliser) winlog(v, w *fastjson.Value, ev *event.Event) {
	n.besidesWinlog(v, ev)
	id := text(w.Get("event_id"))
	if id == "" {
		id = ev.Get(event.EventCode)
	}
	n.start(text(w.Get("channel")), text(w.Get("provider_name")), id, ev)
	n.shipped(ev)
	w.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		switch name := alias(key); name {
		case "event_data":
			n.eventData(event.WinlogEventData, child, ev)
		case "user_data":
			n.eventData(event.WinlogUserData, child, ev)
		case "event_id":
			n.flatten(event.WinlogEventID, child, ev)
			if !ev.Has(event.EventCode) {
				ev.AddNonEmpty(event.EventCode, n.win.id)
			}
		case "keywords":
			n.winlogKeywords(child, ev)
		default:
			n.flatten(ev.Keep(append(append(n.path[:0], "winlog."...), name...)), child, ev)
		}
	})
	ev.SetDefault(event.EventProvider, ev.Get(event.WinlogProvider))
	ev.SetDefault(event.HostName, ev.Get(event.WinlogComputer))
	n.finish(ev)
}

func (n *Normaliser) winlogKeywords(v *fastjson.Value, ev *event.Event) {
	if v.Type() != fastjson.TypeArray {
		value, kind := n.scalarText(v, ev)
		n.head(slotKeywords, value, kind, ev)
		return
	}
	for _, item := range v.GetArray() {
		value, kind := n.scalarText(item, ev)
		n.head(slotKeywords, value, kind, ev)
	}
}

// besidesWinlog keeps everything around winlog under its own names.
func (n *Normaliser) besidesWinlog(v *fastjson.Value, ev *event.Event) {
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		if name := alias(key); name != "winlog" {
			n.flatten(name, child, ev)
		}
	})
}

// shipped takes the time of an event that a shipper has read already: "@timestamp".
func (n *Normaliser) shipped(ev *event.Event) {
	if value, ok := ev.Lookup("@timestamp"); ok {
		ev.Delete("@timestamp")
		n.winTime("@timestamp", value, event.String, 4, ev)
	}
}

// flatWindows reads a Windows event whose header and data stand side by side at the top, or whose header does
// and the data in one member, if v looks like one.
func (n *Normaliser) flatWindows(v *fastjson.Value, l *look, ev *event.Event) bool {
	if l.system != nil && l.system.Type() == fastjson.TypeString && n.eventXML(strings.TrimSpace(text(l.system)), ev) {
		n.besides(v, "System", ev) // Fluent Bit with the event rendered as XML
		return true
	}
	id, channel := "", text(l.channel)
	if l.id != nil {
		if id, _ = n.scalarText(l.id, ev); id == "" {
			id = text(l.id)
		}
	}
	if id == "" || len(id) > 10 {
		return false
	}
	provider := text(l.provider)
	if channel == "" && n.win.tax.OfProvider(provider) == nil && !strings.HasPrefix(provider, "Microsoft-Windows-") {
		return false
	}
	n.start(channel, provider, id, ev)
	contained, headerPID := l.contained(), l.headerPID()
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		if name := alias(key); name == headerPID {
			value, kind := n.scalarText(child, ev)
			n.head(slotPID, value, kind, ev)
		} else {
			n.flatMember(name, child, contained, ev)
		}
	})
	if l.idRank == 1 {
		n.head(slotID, id, event.Number, ev) // Get-WinEvent's Id
	}
	n.finish(ev)
	return true
}

// flatMember adds one member of a flat event. Where the event data stand in a container of their own, what is not
// known of the rest keeps its own name; else it is event data.
func (n *Normaliser) flatMember(name string, v *fastjson.Value, contained bool, ev *event.Event) {
	switch name {
	case "EventData", "event_data":
		n.eventData(event.WinlogEventData, v, ev)
		return
	case "UserData", "user_data":
		if contained {
			n.userData(v, ev)
			return
		}
	case "StringInserts", "Properties":
		if v.Type() == fastjson.TypeArray {
			n.inserts(name, v, ev)
			return
		}
	case "@timestamp":
		n.winTime("event.created", text(v), event.String, 2, ev)
		return
	case "keywords", "Keywords":
		n.winlogKeywords(v, ev)
		return
	case "EventTime", "TimeCreated", "Date and Time", "TimeGenerated", "system_time":
		value, kind := n.scalarText(v, ev)
		n.winTime(name, value, kind, flatTimeRank(name), ev)
		return
	}
	scalar := v.Type() != fastjson.TypeObject && v.Type() != fastjson.TypeArray
	if s := flatSlot(name); s != noSlot && scalar {
		value, kind := n.scalarText(v, ev)
		n.head(s, value, kind, ev)
		return
	}
	native, isData := strings.CutPrefix(name, event.WinlogEventData)
	switch {
	case isData:
		n.member(event.WinlogEventData, native, v, ev)
	case name == "event_id" || name == "provider" || name == "execution" || name == "security":
		n.collector(name, v, ev)
	case contained || isEnvelope(name):
		n.flatten(name, v, ev)
	default:
		n.member(event.WinlogEventData, name, v, ev)
	}
}

func flatTimeRank(name string) int {
	if name == "TimeGenerated" { // when the event was stored, in some tables
		return 3
	}
	return 4
}

// flatSlot says what part of the header a member of a flat event is, by nxlog's, Fluent Bit's, PowerShell's and the event
// viewer's names.
func flatSlot(name string) slot {
	switch name {
	case "Channel", "LogName", "channel", "winlog.channel", "EventLog":
		return slotChannel
	case "SourceName", "ProviderName", "Provider", "winlog.provider_name":
		return slotProvider
	case "ProviderGuid", "ProviderId", "winlog.provider_guid":
		return slotGUID
	case "EventID", "EventId", "Event ID", "EventCode", "winlog.event_id":
		return slotID
	case "Version":
		return slotVersion
	case "Level", "EventLevel", "level", "winlog.level":
		return slotLevel
	case "Task", "Task Category", "task":
		return slotTask
	case "OpcodeValue", "Opcode", "opcode":
		return slotOpcode
	case "RecordNumber", "EventRecordID", "RecordId", "record_id", "winlog.record_id":
		return slotRecord
	case "ActivityID", "ActivityId":
		return slotActivity
	case "RelatedActivityID", "RelatedActivityId":
		return slotRelated
	case "ExecutionProcessID":
		return slotPID
	case "ThreadID", "ThreadId", "ExecutionThreadID":
		return slotTID
	case "Hostname", "Computer", "ComputerName", "MachineName", "computer", "winlog.computer_name":
		return slotComputer
	case "UserID", "UserId":
		return slotUser
	case "Message", "message":
		return slotMessage
	case "Qualifiers":
		return slotQualifiers
	}
	return noSlot
}

// isEnvelope knows what collectors add to a flat event, which is none of the event's data.
func isEnvelope(name string) bool {
	switch name {
	case "@version", "host", "port", "tags", "type", "fields", "agent", "ecs", "log", "input", "Id", "id",
		"EventReceivedTime", "SourceModuleName", "SourceModuleType", "EventTypeOrignal", "EventTypeOriginal", "SeverityValue", "Severity",
		"Category", "AccountType", "ERROR_EVT_UNRESOLVED", "LevelDisplayName", "OpcodeDisplayName", "TaskDisplayName",
		"KeywordsDisplayNames", "ContainerLog", "MatchedQueryIds", "Bookmark", "TenantId", "SourceSystem", "ManagementGroupName",
		"_ResourceId", "Type", "EventOriginId", "EventLevelName", "TimeCollected", "AzureDeploymentID", "Role":
		return true
	}
	return false
}

// collector reads the nested header of OpenTelemetry's event log receiver.
func (n *Normaliser) collector(name string, v *fastjson.Value, ev *event.Event) {
	if v.Type() != fastjson.TypeObject {
		if name == "event_id" {
			value, kind := n.scalarText(v, ev)
			n.head(slotID, value, kind, ev)
			return
		}
		n.flatten(name, v, ev)
		return
	}
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		s := noSlot
		switch name + "." + alias(key) {
		case "event_id.id":
			s = slotID
		case "event_id.qualifiers":
			s = slotQualifiers
		case "provider.name":
			s = slotProvider
		case "provider.guid":
			s = slotGUID
		case "execution.process_id":
			s = slotPID
		case "execution.thread_id":
			s = slotTID
		}
		if s == noSlot {
			n.flatten(ev.Keep(append(append(append(n.path[:0], name...), '.'), key...)), child, ev)
			return
		}
		value, kind := n.scalarText(child, ev)
		n.head(s, value, kind, ev)
	})
}

// inserts reads values that have lost their names: they take those that the event's schema has in that place. Where it
// is not known they are called Data, as those are that never had a name.
func (n *Normaliser) inserts(name string, v *fastjson.Value, ev *event.Event) {
	for i, item := range v.GetArray() {
		if item.Type() == fastjson.TypeObject { // Get-WinEvent: {"Value": …}
			if inner := item.Get("Value"); inner != nil && item.GetObject().Len() == 1 {
				item = inner
			}
		}
		value, kind := n.scalarText(item, ev)
		switch t := item.Type(); {
		case t == fastjson.TypeObject || t == fastjson.TypeArray:
			n.flatten(name, item, ev)
		case i < len(n.win.record.Inserts):
			n.datum(event.WinlogEventData, n.win.record.Inserts[i], value, kind, ev)
		default:
			ev.AddKind(event.WinlogEventData+"Data", value, kind)
		}
	}
}

// messageData reads Sysmon's event data out of the rendered message, "Image: C:\…" on each line, where a collector sent
// nothing else. Sysmon's messages are English everywhere.
func (n *Normaliser) messageData(ev *event.Event) {
	message := ev.Get(event.Message)
	if n.win.channel == nil || !strings.Contains(message, "UtcTime: ") {
		return
	}
	for line := range strings.SplitSeq(message, "\n") {
		name, value, found := strings.Cut(strings.TrimRight(line, "\r"), ": ")
		if n.tooMany(ev) {
			return
		}
		if found && n.win.record.Target(name) != nil {
			n.datum(event.WinlogEventData, name, value, event.String, ev)
		}
	}
}
