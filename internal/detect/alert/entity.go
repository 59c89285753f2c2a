package alert

import (
	"slices"
	"strings"

	"yagura/internal/detect/match"
	"yagura/internal/event"
)

// EntityKind says what an alert is about.
type EntityKind string

// The kinds, in the order in which an event is asked for them.
const (
	Host     EntityKind = "host"
	User     EntityKind = "user"
	SourceIP EntityKind = "ip"
	// Group is what the matches of a correlation have in common, where that is none of the three.
	Group EntityKind = "group"
	// NoEntity: the events name none of the three; all of a rule's are one alert.
	NoEntity EntityKind = "none"
	// ManyEntities: the rule already has so many open alerts that the rest share this one.
	ManyEntities EntityKind = "many"
)

// Entity is what an alert is about: the thing an analyst goes to look at.
type Entity struct {
	Kind  EntityKind
	Value string // as the event wrote it; entities that differ in case only are the same
}

// Field returns the ECS field that holds the entity, "" for the others.
func (e Entity) Field() string {
	switch e.Kind {
	case Host:
		return event.HostName
	case User:
		return event.UserName
	case SourceIP:
		return event.SourceIP
	}
	return ""
}

// names says in which fields an event names a host, a user and a source address; the first that has a value counts.
var (
	hostNames = [...]string{event.HostName, "host.hostname", event.WinlogComputer, "host.id"}
	userNames = [...]string{event.UserName, event.UserEmail, "user.id", "user.target.name"}
	sourceIPs = [...]string{event.SourceIP, "client.ip", "source.address"}
)

// actors is who and what an event names.
type actors struct {
	host, user, ip string
	observed       bool // the host is a device that watches others: a firewall, a VPN gateway
}

func actorsOf(ev *event.Event) actors {
	return actors{
		host: first(ev, hostNames[:]), user: first(ev, userNames[:]), ip: first(ev, sourceIPs[:]), observed: ev.Has("observer.name"),
	}
}

// entity is the host, else the user, else the source address. A host comes first because it is what can be looked at
// and isolated; events of services in the cloud have none, and there it is the account. A device that watches others
// (ECS: observer) comes last: all that it reports is not one affair.
func (a actors) entity() Entity {
	switch {
	case a.host != "" && (!a.observed || a.user == "" && a.ip == ""):
		return Entity{Host, a.host}
	case a.user != "":
		return Entity{User, a.user}
	case a.ip != "":
		return Entity{SourceIP, a.ip}
	}
	return Entity{Kind: NoEntity}
}

// entityOfMatch is what a match is about: of a correlation, what it groups by, whatever field of the events that was found in.
func entityOfMatch(m *match.Match, a actors) Entity {
	if m.Firing == nil {
		return a.entity()
	}
	var group event.Event
	var values []string
	for _, g := range m.Firing.Group {
		group.Add(g.Name, g.Value)
		values = append(values, clean(cut(g.Value, maxName)))
	}
	e := actorsOf(&group).entity()
	if e.Kind != NoEntity || len(values) == 0 {
		return e
	}
	for _, known := range []Entity{{Host, a.host}, {User, a.user}, {SourceIP, a.ip}} {
		if slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, known.Value) }) {
			return known
		}
	}
	return Entity{Group, clean(cut(strings.Join(values, " · "), maxName))}
}

// maxName bounds what a log may call a host or user, in bytes.
const maxName = 256

func first(ev *event.Event, names []string) string {
	for _, name := range names {
		value := strings.TrimSpace(ev.Get(name))
		if value != "" && value != "-" { // a dash is how Windows and web servers write "none"
			return clean(cut(value, maxName))
		}
	}
	return ""
}

// cut shortens s to at most n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}

// clean makes text of a log fit for a database: UTF-8 without NUL, which PostgreSQL refuses.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
