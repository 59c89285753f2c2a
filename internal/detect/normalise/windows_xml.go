package normalise

import (
	"strings"

	"yagura/internal/event"
)

// eventXML reads a Windows event's XML ("<Event …><System>…"), as event forwarding, Splunk's and Fluent Bit's agents and
// Sysmon for Linux write it, and reports whether s was one. XML that breaks off leaves what was read up to there, and
// the text in event.original.
func (n *Normaliser) eventXML(s string, ev *event.Event) bool {
	if !isEventXML(s) || strings.Count(s, "<") > 4*maxLeaves {
		return false
	}
	channel, provider, id := peekXML(s)
	if channel == "" && provider == "" || id == "" {
		return false
	}
	n.start(channel, provider, id, ev)
	x := xmlReader{rest: s}
	for x.next() {
		n.xmlPart(&x, ev)
	}
	if x.broken || len(x.path) > 0 {
		ev.SetDefault(event.Original, s)
	}
	n.finish(ev)
	return true
}

// isEventXML tells by the first element.
func isEventXML(s string) bool {
	if !strings.HasPrefix(s, "<") {
		return false
	}
	if strings.HasPrefix(s, "<?xml") {
		_, rest, _ := strings.Cut(s, "?>")
		s = strings.TrimSpace(rest)
	}
	return strings.HasPrefix(s, "<Event>") || strings.HasPrefix(s, "<Event ")
}

// peekXML finds what decides how the rest is read.
func peekXML(s string) (channel, provider, id string) {
	x := xmlReader{rest: s}
	for x.next() {
		switch x.kind {
		case xmlStart:
			if x.is("Event", "System", "Provider") {
				provider = x.attribute("Name")
			}
		case xmlText:
			switch {
			case x.is("Event", "System", "Channel"):
				channel = x.text
			case x.is("Event", "System", "EventID"):
				id = strings.TrimSpace(x.text)
			}
		case xmlEnd:
			if x.name == "System" {
				return channel, provider, id
			}
		}
	}
	return channel, provider, id
}

// xmlPart adds what one token says.
func (n *Normaliser) xmlPart(x *xmlReader, ev *event.Event) {
	if len(x.path) < 2 || x.path[0] != "Event" {
		return
	}
	switch x.path[1] {
	case "System":
		n.xmlSystem(x, ev)
	case "EventData":
		if len(x.path) > 2 {
			n.xmlData(x, event.WinlogEventData, 3, ev)
		} else if name := x.attribute("Name"); x.kind == xmlStart && name != "" {
			ev.Add("winlog.event_data_name", name)
		}
	case "UserData":
		switch {
		case len(x.path) == 3 && x.kind == xmlStart:
			ev.Add("winlog.user_data.xml_name", x.path[2])
		case len(x.path) == 3 && x.kind == xmlText && strings.TrimSpace(x.text) != "":
			n.datum(event.WinlogUserData, x.path[2], x.text, event.String, ev)
		case len(x.path) > 3:
			n.xmlData(x, event.WinlogUserData, 4, ev)
		}
	case "RenderingInfo":
		if x.kind == xmlText && len(x.path) > 2 {
			n.xmlRendered(x, ev)
		}
	default:
		n.xmlOther(x, ev)
	}
}

func (n *Normaliser) xmlSystem(x *xmlReader, ev *event.Event) {
	if len(x.path) != 3 {
		if x.kind == xmlText && strings.TrimSpace(x.text) != "" {
			n.xmlOther(x, ev)
		}
		return
	}
	element := x.path[2]
	switch x.kind {
	case xmlText:
		n.xmlHead(element, "", x.text, ev)
	case xmlStart:
		for _, a := range x.attrs {
			n.xmlHead(element, a.name, a.value, ev)
		}
	}
}

func (n *Normaliser) xmlHead(element, attr, value string, ev *event.Event) {
	if s := systemSlot(element, attr); s != noSlot {
		n.head(s, value, event.String, ev)
		return
	}
	n.path = append(append(n.path[:0], "winlog.system."...), element...)
	if attr != "" {
		n.path = append(append(n.path, '.'), attr...)
	}
	ev.Add(ev.Keep(n.path), value)
}

// xmlData adds the text of a data element at the depth, by its Name or its own name. An empty element is an empty value.
func (n *Normaliser) xmlData(x *xmlReader, prefix string, depth int, ev *event.Event) {
	switch x.kind {
	case xmlStart:
		if len(x.path) == depth {
			x.dataName, x.hasText = x.path[depth-1], false
			if name := x.attribute("Name"); name != "" && x.dataName != "Binary" {
				x.dataName = name
			}
		} else {
			for _, a := range x.attrs { // data that is XML itself
				n.datum(prefix, strings.Join(x.path[depth-1:], ".")+"."+a.name, a.value, event.String, ev)
			}
		}
	case xmlText:
		if len(x.path) == depth {
			n.datum(prefix, x.dataName, x.text, event.String, ev)
			x.hasText = true
		} else if strings.TrimSpace(x.text) != "" {
			n.datum(prefix, strings.Join(x.path[depth-1:], "."), x.text, event.String, ev)
			x.hasText = true
		}
	case xmlEnd:
		if len(x.path) == depth && !x.hasText {
			n.datum(prefix, x.dataName, "", event.String, ev)
			x.hasText = true
		}
	}
}

func (n *Normaliser) xmlRendered(x *xmlReader, ev *event.Event) {
	switch x.path[2] {
	case "Message":
		n.head(slotMessage, x.text, event.String, ev)
	case "Task", "Opcode":
		if strings.TrimSpace(x.text) != "" {
			n.path = appendLower(append(n.path[:0], "winlog."...), x.path[2])
			ev.Add(ev.Keep(n.path), x.text)
		}
	case "Keywords":
		if strings.TrimSpace(x.text) != "" {
			n.head(slotKeywords, x.text, event.String, ev)
		}
	default:
		if strings.TrimSpace(x.text) != "" {
			ev.Add(ev.Keep(append(append(n.path[:0], "winlog.rendering_info."...), x.path[2]...)), x.text)
		}
	}
}

// xmlOther keeps what the schema of events does not have.
func (n *Normaliser) xmlOther(x *xmlReader, ev *event.Event) {
	if x.kind == xmlText && strings.TrimSpace(x.text) != "" {
		ev.Add("winlog."+strings.Join(x.path[1:], "."), x.text)
	}
}
