package normalise

import "github.com/valyala/fastjson"

// maxLeaves is how many values a Windows event may have in all; real ones have a hundred.
const maxLeaves = 800

// leaves returns how many of room are left after v's values, negative where there are more.
func leaves(v *fastjson.Value, room int) int {
	switch v.Type() {
	case fastjson.TypeObject:
		o := v.GetObject()
		if room -= o.Len(); room < 0 {
			return -1
		}
		o.Visit(func(_ []byte, child *fastjson.Value) {
			if room >= 0 && !isScalar(child) {
				room = leaves(child, room)
			}
		})
	case fastjson.TypeArray:
		items := v.GetArray()
		if room -= len(items); room < 0 {
			return -1
		}
		for _, item := range items {
			if room >= 0 && !isScalar(item) {
				room = leaves(item, room)
			}
		}
	}
	return room
}

func isScalar(v *fastjson.Value) bool {
	t := v.Type()
	return t != fastjson.TypeObject && t != fastjson.TypeArray
}

// look is what tells the shapes apart, found in one pass over the object's members.
type look struct {
	event, system, winlog *fastjson.Value
	channel, provider     *fastjson.Value
	id                    *fastjson.Value
	idRank                int

	data, userData                        *fastjson.Value // containers of event data
	dotted                                bool            // "winlog.event_id" and so on as flat names
	logName, record, execPID, tid, tidNet bool
}

func (l *look) see(name string, v *fastjson.Value) {
	switch name {
	case "Event":
		l.event = v
	case "System":
		l.system = v
	case "winlog":
		l.winlog = v
	case "EventID", "EventId", "event_id", "Event ID", "EventCode":
		l.id, l.idRank = v, 2
	case "Id":
		if l.idRank < 1 {
			l.id, l.idRank = v, 1
		}
	case "winlog.event_id":
		l.id, l.idRank, l.dotted = v, 2, true
	case "LogName":
		l.channel, l.logName = v, true
	case "Channel", "channel", "winlog.channel", "EventLog":
		l.channel = v
	case "SourceName", "ProviderName", "winlog.provider_name":
		if l.provider == nil || name != "ProviderName" { // nxlog: ProviderName may be a field of the event's
			l.provider = v
		}
	case "Provider", "provider", "Source":
		if l.provider == nil {
			l.provider = v
		}
	case "EventData", "event_data":
		l.data = v
	case "UserData":
		l.userData = v
	case "EventRecordID":
		l.record = true
	case "ExecutionProcessID":
		l.execPID = true
	case "ThreadID":
		l.tid = true
	case "ThreadId":
		l.tidNet = true
	}
}

// contained reports whether the event's data stand in a container. What is called UserData may be a field of that
// name: PowerShell has one.
func (l *look) contained() bool {
	return l.data != nil || l.dotted || l.userData != nil && l.userData.Type() == fastjson.TypeObject
}

// headerPID returns the name under which the header has the process that wrote the event, where that is a name which
// event data have as well: Fluent Bit's and Get-WinEvent's, known by the thread beside it.
func (l *look) headerPID() string {
	switch {
	case l.logName && l.tidNet:
		return "ProcessId"
	case l.tid && l.record && !l.execPID:
		return "ProcessID"
	}
	return ""
}
