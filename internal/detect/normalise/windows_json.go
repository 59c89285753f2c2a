package normalise

import (
	"strings"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// windowsEvent reads v if it is a Windows event in one of the shapes it travels in, and reports whether it was:
//
//   - {"Event": {"System": …, "EventData": …}}, with or without the outer object: the event's XML as JSON, in
//     whatever way the attributes were written
//   - {"winlog": …}: Winlogbeat and Elastic Agent, which may have given ECS fields already
//   - flat: nxlog, Fluent Bit, Get-WinEvent, exported tables; see windows_flat.go
func (n *Normaliser) windowsEvent(v *fastjson.Value, ev *event.Event) bool {
	var l look
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) { l.see(alias(key), child) })
	if leaves(v, maxLeaves) < 0 {
		return false // no Windows event is that wide: what reads any JSON bounds it
	}
	switch {
	case isSystem(l.event):
		n.xmlAsJSON(l.event, ev)
		n.besides(v, "Event", ev)
		return true
	case l.system != nil && isSystem(v):
		n.xmlAsJSON(v, ev)
		return true
	case l.winlog != nil && l.winlog.Type() == fastjson.TypeObject:
		n.winlog(v, l.winlog, ev)
		return true
	}
	return n.flatWindows(v, &l, ev)
}

// besides keeps what stands around the part of an object that has been read.
func (n *Normaliser) besides(v *fastjson.Value, read string, ev *event.Event) {
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		name := alias(key)
		if name == read {
			return
		}
		if name == "@timestamp" {
			n.winTime("event.created", text(child), event.String, 2, ev)
			return
		}
		n.flatten(name, child, ev)
	})
}

// isSystem reports whether v has a Windows event's System part.
func isSystem(v *fastjson.Value) bool {
	if v == nil || v.Type() != fastjson.TypeObject {
		return false
	}
	s := v.Get("System")
	if s == nil || s.Type() != fastjson.TypeObject || s.Get("EventID") == nil {
		return false
	}
	return s.Get("Channel") != nil || s.Get("Provider") != nil || s.Get("Provider_attributes") != nil
}

// text returns a scalar as text: what stands in a string, or a number's digits. An object's text is that of the
// element it was made of. "" where there is none.
func text(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return alias(b)
	case fastjson.TypeNumber:
		var buf [32]byte
		return string(v.MarshalTo(buf[:0]))
	case fastjson.TypeObject:
		for _, name := range [...]string{"#text", "Value", "_", "text", "$text", "content", "id", "Name", "name"} {
			if inner := v.Get(name); inner != nil && inner.Type() != fastjson.TypeObject {
				return text(inner)
			}
		}
	}
	return ""
}

// attribute returns an attribute of the element that v was made of.
func attribute(v *fastjson.Value, name string) string {
	if v == nil || v.Type() != fastjson.TypeObject {
		return ""
	}
	for _, wrapper := range [...]string{"#attributes", "$", "_attributes", "@attributes"} {
		if inner := v.Get(wrapper, name); inner != nil {
			return text(inner)
		}
	}
	for _, prefix := range [...]string{"@", "-", "_", ""} {
		if inner := v.Get(prefix + name); inner != nil {
			return text(inner)
		}
	}
	return ""
}

// xmlAsJSON reads an object with System, EventData, UserData and RenderingInfo.
func (n *Normaliser) xmlAsJSON(e *fastjson.Value, ev *event.Event) {
	s := e.Get("System")
	provider := attribute(s.Get("Provider"), "Name")
	if provider == "" {
		provider = attribute(s.Get("Provider_attributes"), "Name")
	}
	n.start(text(s.Get("Channel")), provider, text(s.Get("EventID")), ev)
	s.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		element := strings.TrimSuffix(alias(key), "_attributes")
		n.systemPart(element, "", child, ev)
	})
	e.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		switch name := alias(key); name {
		case "System", "#attributes", "@xmlns", "xmlns", "-xmlns", "$", "Event_attributes":
		case "EventData", "ProcessingErrorData", "BinaryEventData":
			n.eventData(event.WinlogEventData, child, ev)
		case "UserData":
			n.userData(child, ev)
		case "RenderingInfo":
			n.renderingInfo(child, ev)
		case "@timestamp":
			n.winTime("event.created", text(child), event.String, 2, ev)
		default:
			n.flatten(name, child, ev)
		}
	})
	n.finish(ev)
}

// systemPart adds one leaf of System: element's own value, or one of its attributes.
func (n *Normaliser) systemPart(element, attr string, v *fastjson.Value, ev *event.Event) {
	if v.Type() == fastjson.TypeObject {
		v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
			switch name := alias(key); name {
			case "#attributes", "$", "_attributes", "@attributes":
				n.systemPart(element, attr, child, ev)
			case "#text", "Value", "_", "text", "$text":
				n.systemPart(element, "", child, ev)
			default:
				n.systemPart(element, strings.TrimLeft(name, "@-_"), child, ev)
			}
		})
		return
	}
	if s := systemSlot(element, attr); s != noSlot && v.Type() != fastjson.TypeArray {
		value, kind := n.scalarText(v, ev)
		n.head(s, value, kind, ev)
		return
	}
	if v.Type() == fastjson.TypeNull || attr == "xmlns" {
		return // an empty element
	}
	n.path = append(append(n.path[:0], "winlog.system."...), element...)
	if attr != "" {
		n.path = append(append(n.path, '.'), attr...)
	}
	n.flatten(ev.Keep(n.path), v, ev)
}

// systemSlot says what an element of System, or its attribute, is.
func systemSlot(element, attr string) slot {
	switch element {
	case "Provider":
		switch attr {
		case "Name":
			return slotProvider
		case "Guid":
			return slotGUID
		}
	case "EventID":
		switch attr {
		case "":
			return slotID
		case "Qualifiers":
			return slotQualifiers
		}
	case "TimeCreated":
		if attr == "SystemTime" || attr == "" {
			return slotTime
		}
	case "Correlation":
		switch attr {
		case "ActivityID":
			return slotActivity
		case "RelatedActivityID":
			return slotRelated
		}
	case "Execution":
		switch attr {
		case "ProcessID":
			return slotPID
		case "ThreadID":
			return slotTID
		}
	case "Security":
		if strings.EqualFold(attr, "UserID") {
			return slotUser
		}
	}
	if attr != "" {
		return noSlot
	}
	switch element {
	case "Version":
		return slotVersion
	case "Level":
		return slotLevel
	case "Task":
		return slotTask
	case "Opcode":
		return slotOpcode
	case "Keywords":
		return slotKeywords
	case "EventRecordID":
		return slotRecord
	case "Channel":
		return slotChannel
	case "Computer":
		return slotComputer
	}
	return noSlot
}

// scalarText returns a scalar's text and kind; both alias buffers that live as long as the event.
func (n *Normaliser) scalarText(v *fastjson.Value, ev *event.Event) (string, event.Kind) {
	switch v.Type() {
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return alias(b), event.String
	case fastjson.TypeNumber:
		n.buf = v.MarshalTo(n.buf[:0])
		return ev.Keep(n.buf), event.Number
	case fastjson.TypeTrue:
		return "true", event.Bool
	case fastjson.TypeFalse:
		return "false", event.Bool
	default:
		return "", event.Null
	}
}

// member adds one member of event data: a scalar, a list of them, or something deeper under dotted names.
func (n *Normaliser) member(prefix, name string, v *fastjson.Value, ev *event.Event) {
	switch v.Type() {
	case fastjson.TypeArray:
		items := v.GetArray()
		for _, item := range items {
			if t := item.Type(); t == fastjson.TypeObject || t == fastjson.TypeArray {
				n.deeper(prefix, name, v, ev)
				return
			}
		}
		for _, item := range items {
			value, kind := n.scalarText(item, ev)
			n.datum(prefix, name, value, kind, ev)
		}
		if len(items) == 0 {
			n.deeper(prefix, name, v, ev)
		}
	case fastjson.TypeObject:
		n.deeper(prefix, name, v, ev)
	default:
		value, kind := n.scalarText(v, ev)
		n.datum(prefix, name, value, kind, ev)
	}
}

func (n *Normaliser) deeper(prefix, name string, v *fastjson.Value, ev *event.Event) {
	n.win.data++
	n.path = append(append(n.path[:0], prefix...), name...)
	n.flatten(ev.Keep(n.path), v, ev)
}

// eventData reads EventData: an object by name; a list of elements, each with a name or none; text.
func (n *Normaliser) eventData(prefix string, v *fastjson.Value, ev *event.Event) {
	switch v.Type() {
	case fastjson.TypeObject:
		v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
			switch name := alias(key); name {
			case "Data":
				n.dataElements(prefix, child, ev)
			case "data":
				n.dataPairs(prefix, child, ev)
			case "#attributes", "$", "EventData_attributes":
				n.attributes(prefix, child, ev)
			case "@xmlns", "xmlns", "-xmlns":
			default:
				n.member(prefix, strings.TrimPrefix(name, "@"), child, ev)
			}
		})
	case fastjson.TypeArray:
		n.dataElements(prefix, v, ev)
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		if !n.nestedData(prefix, alias(b), ev) {
			n.datum(prefix, "Data", alias(b), event.String, ev)
		}
	case fastjson.TypeNull:
	default:
		n.member(prefix, "Data", v, ev)
	}
}

// nestedData reads event data that is JSON in a text, as tables of a cloud's log service have it.
func (n *Normaliser) nestedData(prefix, s string, ev *event.Event) bool {
	if n.level >= maxNested || len(s) < 2 || s[0] != '{' {
		return false
	}
	v, err := n.nested[n.level].Parse(s)
	if err != nil || v.Type() != fastjson.TypeObject {
		return false
	}
	n.level++
	n.eventData(prefix, v, ev)
	return true
}

// attributes keeps what an element of event data says beside its members, such as its name.
func (n *Normaliser) attributes(prefix string, v *fastjson.Value, ev *event.Event) {
	if v.Type() != fastjson.TypeObject {
		n.member(prefix, "Data", v, ev)
		return
	}
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		switch name := alias(key); name {
		case "xmlns":
		case "Name":
			n.member("winlog.", "event_data_name", child, ev)
		default:
			n.member(prefix, name, child, ev)
		}
	})
}

// dataPairs reads [{"name": value}, …], as OpenTelemetry's receiver writes event data.
func (n *Normaliser) dataPairs(prefix string, v *fastjson.Value, ev *event.Event) {
	if v.Type() != fastjson.TypeArray {
		n.member(prefix, "data", v, ev)
		return
	}
	for _, item := range v.GetArray() {
		if item.Type() != fastjson.TypeObject {
			n.member(prefix, "data", item, ev)
			continue
		}
		item.GetObject().Visit(func(key []byte, child *fastjson.Value) {
			name := alias(key)
			if name == "" {
				name = "Data"
			}
			n.member(prefix, name, child, ev)
		})
	}
}

// dataElements reads what stands for the Data elements: {"@Name": n, "#text": v} or the like, or plain values, which have
// no name but Data.
func (n *Normaliser) dataElements(prefix string, v *fastjson.Value, ev *event.Event) {
	switch v.Type() {
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			n.dataElements(prefix, item, ev)
		}
	case fastjson.TypeObject:
		name := attribute(v, "Name")
		value := firstMember(v, "#text", "Value", "_", "text", "$text", "Text", "content", "value")
		switch {
		case name != "" && value != nil:
			n.member(prefix, name, value, ev)
		case name != "" && v.GetObject().Len() == 1:
			n.datum(prefix, name, "", event.Null, ev)
		case value != nil && v.GetObject().Len() == 1:
			n.dataElements(prefix, value, ev)
		default:
			n.deeper(prefix, "Data", v, ev)
		}
	default:
		n.member(prefix, "Data", v, ev)
	}
}

func firstMember(v *fastjson.Value, names ...string) *fastjson.Value {
	for _, name := range names {
		if m := v.Get(name); m != nil {
			return m
		}
	}
	return nil
}

// userData reads UserData, whose one member is an element of the provider's own with the fields in it.
func (n *Normaliser) userData(v *fastjson.Value, ev *event.Event) {
	if v.Type() != fastjson.TypeObject {
		if v.Type() != fastjson.TypeNull {
			n.eventData(event.WinlogUserData, v, ev)
		}
		return
	}
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		name := alias(key)
		if child.Type() != fastjson.TypeObject {
			if name != "xmlns" && name != "@xmlns" {
				n.member(event.WinlogUserData, name, child, ev)
			}
			return
		}
		if name != "#attributes" {
			ev.Add("winlog.user_data.xml_name", name)
		}
		child.GetObject().Visit(func(key []byte, inner *fastjson.Value) {
			switch name := alias(key); name {
			case "#attributes", "$":
				n.attributes(event.WinlogUserData, inner, ev)
			case "@xmlns", "xmlns", "-xmlns":
			default:
				n.member(event.WinlogUserData, strings.TrimPrefix(name, "@"), inner, ev)
			}
		})
	})
}

// renderingInfo reads the texts that Windows made of the event for people.
func (n *Normaliser) renderingInfo(v *fastjson.Value, ev *event.Event) {
	if v.Type() != fastjson.TypeObject {
		n.flatten("winlog.rendering_info", v, ev)
		return
	}
	v.GetObject().Visit(func(key []byte, child *fastjson.Value) {
		n.rendered(strings.TrimLeft(alias(key), "@-"), child, ev)
	})
}

func (n *Normaliser) rendered(name string, v *fastjson.Value, ev *event.Event) {
	switch name {
	case "#attributes", "$":
		if v.Type() == fastjson.TypeObject {
			n.renderingInfo(v, ev)
			return
		}
	case "Message":
		value, kind := n.scalarText(v, ev)
		n.head(slotMessage, value, kind, ev)
		return
	case "Keywords":
		if v.Type() == fastjson.TypeObject {
			if k := v.Get("Keyword"); k != nil {
				v = k
			}
		}
		n.flatten("winlog.keywords", v, ev)
		return
	case "Task", "Opcode":
		if name == "Task" {
			name = "winlog.task"
		} else {
			name = "winlog.opcode"
		}
		n.flatten(name, v, ev)
		return
	}
	if v.Type() != fastjson.TypeNull {
		n.flatten(ev.Keep(append(append(n.path[:0], "winlog.rendering_info."...), name...)), v, ev)
	}
}
