package taxonomy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"yagura/sigma"
)

// Where the normaliser leaves what it has no other name for.
const (
	eventData = "winlog.event_data."
	userData  = "winlog.user_data."
)

// Channel is what is known of the events of one Windows event log channel (or several alike): the document
// key channels.
//
//	channels:
//	  - channel: Microsoft-Windows-Sysmon/Operational   # or a list
//	    provider: Microsoft-Windows-Sysmon     # finds the channel of an event that does not name it
//	    dataset: windows.sysmon_operational
//	    move: {CommandLine: process.command_line}  # the value passes unchanged and the native name goes
//	    copy: {TargetUserName: user.name}      # the native name stays and the ECS name is added; also a list,
//	                                           # [] to add none after all, and "how:name" to derive it (How)
//	    data: [RuleName]                       # fields that every event may have; a field of the channel's move and
//	                                           # copy is known only for the events that list it
//	    events:
//	      - id: 1                              # or a list
//	        provider: …                        # where ids of several providers share the channel
//	        title: Process Create              # how the event is named in a message
//	        category: process                  # event.category, and so on; each also a list
//	        type: start
//	        action: process-created
//	        outcome: success
//	        say: [Image, CommandLine]          # what belongs in a one-line message, by native name or derived one
//	        inserts: [SubjectUserSid, …]       # the fields' order in the event, for collectors that lose their names
//	        data: [Image, IntegrityLevel]      # the event's fields, with those of say, move and copy
//	        move, copy                         # added to the channel's
//
// In one event two native names may not move to one ECS name. In a log source of many kinds of event a
// moved field may still answer for another kind's of the same meaning; where that would be wrong, copy.
type Channel struct {
	Names    values            `yaml:"channel"`
	Provider string            `yaml:"provider"`
	Module   string            `yaml:"module"`
	Dataset  string            `yaml:"dataset"`
	Move     map[string]string `yaml:"move"`
	Copy     map[string]values `yaml:"copy"`
	Data     []string          `yaml:"data"`
	Events   []Record          `yaml:"events"`

	byID map[string][]*Record
	any  *Record // for ids that are not listed
}

// Record is what is known of one kind of event in a Channel.
type Record struct {
	IDs      values            `yaml:"id"`
	Provider string            `yaml:"provider"`
	Title    string            `yaml:"title"`
	Category values            `yaml:"category"`
	Type     values            `yaml:"type"`
	Action   string            `yaml:"action"`
	Outcome  string            `yaml:"outcome"`
	Say      []string          `yaml:"say"`
	Inserts  []string          `yaml:"inserts"`
	Data     []string          `yaml:"data"`
	Move     map[string]string `yaml:"move"`
	Copy     map[string]values `yaml:"copy"`

	targets map[string]*Target
}

// Target says where one native field of a Record goes.
type Target struct {
	Name   string // what the field is called in the event: its ECS name where it moves, else its native name with its prefix
	Moved  bool
	Copies []Copy // what is added beside it

	listed bool // the data say that the event has it; else only what becomes of it where it has
}

// Copy is a field that is made of another.
type Copy struct {
	How How
	To  string // a field, or the prefix of several, as How says
}

// How says how a Copy is made of the native value.
type How string

// The ways. Where the value does not have the form that a way reads, nothing is added. "-" and "" are never copied.
const (
	Same             How = ""                  // the value itself; a number where the name ends in .pid or .port, an address where it ends in .ip
	Base             How = "base"              // the last element of a path
	File             How = "file"              // a path: To.name and To.extension
	Account          How = "account"           // DOMAIN\name: To.domain and To.name
	Join             How = "join"              // the name with the domain field that belongs to it: DOMAIN\name
	Hashes           How = "hashes"            // Sysmon's "SHA1=…,MD5=…": To.hash.sha1 and so on, To.pe.imphash
	Answers          How = "answers"           // Sysmon's "type: 5 name;::ffff:192.0.2.1;": To.resolved_ip and To.answers.data
	Direction        How = "direction"         // true or %%14593 is egress, false or %%14592 ingress
	Initiated        How = "initiated"         // %%14593 is true, %%14592 false
	Protocol         How = "protocol"          // an IP protocol's number: its name
	Logon            How = "logon"             // a logon type's number: its name
	Integrity        How = "integrity"         // a mandatory label's SID: Sysmon's word for it
	RegistryKey      How = "registry-key"      // HKLM\a\b: To.hive and To.key
	RegistryValue    How = "registry-value"    // HKLM\a\b: To.hive, To.key and To.value
	RegistryData     How = "registry-data"     // Sysmon's Details: To.type and To.strings
	AuditedRegistry  How = "audited-registry"  // \REGISTRY\MACHINE\… with the event's value name: To.path as Sysmon writes it, To.hive, To.key, To.value
	AuditedData      How = "audited-data"      // an audited value with its type, as Sysmon writes it
	AuditedOperation How = "audited-operation" // %%1904 to %%1906: Sysmon's EventType
	FileObject       How = "file-object"       // the value where the event's object is a file
	DefenderPath     How = "defender-path"     // "file:_C:\a; …": To.path of the first, To.name, To.extension
	Context          How = "context"           // PowerShell's "Host Application = …": To.host_application and so on
	DN               How = "dn"                // a distinguished name: its first CN
)

// Ways returns every How.
func Ways() []How {
	return []How{
		Same, Base, File, Account, Join, Hashes, Answers, Direction, Initiated, Protocol, Logon, Integrity, RegistryKey, RegistryValue,
		RegistryData, AuditedRegistry, AuditedData, AuditedOperation, FileObject, DefenderPath, Context, DN,
	}
}

func newCopy(s string) (Copy, error) {
	how, to, found := strings.Cut(s, ":")
	if !found {
		how, to = "", s
	}
	if to == "" || !slices.Contains(Ways(), How(how)) {
		return Copy{}, fmt.Errorf("copy %q: no such way", s)
	}
	return Copy{How(how), to}, nil
}

// Target returns where the event data field of that native name goes, or nil where the data does not know it.
func (r *Record) Target(native string) *Target { return r.targets[native] }

// Channel returns what is known of the channel of that name, whatever its case, or nil.
func (t *Taxonomy) Channel(name string) *Channel {
	if c, ok := t.channels[name]; ok { // as the data writes it: no copy is made
		return c
	}
	return t.channels[strings.ToLower(name)]
}

// Channels returns every channel once, in no particular order.
func (t *Taxonomy) Channels() []*Channel {
	var all []*Channel
	for _, c := range t.channels {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// OfProvider returns the channel that the provider writes to by itself, or nil.
func (t *Taxonomy) OfProvider(provider string) *Channel {
	return t.providers[strings.ToLower(provider)]
}

// Record returns what is known of the event with that id and provider. It is never nil: an id that is not
// listed has the channel's moves and copies and no title.
func (c *Channel) Record(id, provider string) *Record {
	for _, r := range c.byID[id] {
		if r.Provider == "" || strings.EqualFold(r.Provider, provider) {
			return r
		}
	}
	return c.any
}

func (d *document) checkChannels() error {
	for i := range d.Channels {
		if err := d.Channels[i].check(); err != nil {
			return fmt.Errorf("channel %v: %w", d.Channels[i].Names, err)
		}
	}
	return nil
}

func (c *Channel) check() error {
	if len(c.Names) == 0 || slices.Contains(c.Names, "") {
		return fmt.Errorf("it has no name")
	}
	for i := range c.Events {
		if len(c.Events[i].IDs) == 0 {
			return fmt.Errorf("event %q has no id", c.Events[i].Title)
		}
	}
	return c.build()
}

func (t *Taxonomy) addChannels(d *document) error {
	for i := range d.Channels {
		c := &d.Channels[i]
		for _, name := range c.Names {
			if t.channels[name] != nil {
				return fmt.Errorf("taxonomy %s: channel %q is described twice", d.name, name)
			}
			t.channels[name] = c
			t.channels[strings.ToLower(name)] = c
		}
		if p := strings.ToLower(c.Provider); p != "" && t.providers[p] == nil {
			t.providers[p] = c
		}
	}
	return nil
}

// build works out where each record's fields go.
func (c *Channel) build() (err error) {
	c.any = &Record{}
	c.byID = map[string][]*Record{}
	if c.any.targets, err = c.targets(c.any); err != nil {
		return err
	}
	for i := range c.Events {
		r := &c.Events[i]
		if r.targets, err = c.targets(r); err != nil {
			return fmt.Errorf("event %v: %w", r.IDs, err)
		}
		for _, id := range r.IDs {
			c.byID[id] = append(c.byID[id], r)
		}
	}
	return nil
}

// targets merges the channel's moves and copies with those of one record.
func (c *Channel) targets(r *Record) (map[string]*Target, error) {
	copies := merged(maps.Clone(c.Copy), r.Copy)
	all := map[string]*Target{}
	for _, native := range slices.Collect(maps.Keys(copies)) {
		all[native] = &Target{Name: eventData + native}
	}
	lists := slices.Concat(c.Data, r.Data, r.Say, r.Inserts, slices.Collect(maps.Keys(r.Copy)), slices.Collect(maps.Keys(r.Move)))
	for _, native := range lists {
		all[native] = &Target{Name: eventData + native, listed: true}
	}
	from := map[string]string{}
	for _, moves := range []map[string]string{r.Move, c.Move} { // what the event moves somewhere, the channel does not
		taken := maps.Clone(from)
		for native, target := range moves {
			if taken[target] != "" {
				continue
			}
			if other := from[target]; other != "" {
				return nil, fmt.Errorf("%s and %s both move to %s", min(native, other), max(native, other), target)
			}
			from[target] = native
			if all[native] == nil {
				all[native] = &Target{}
			}
			if t := all[native]; !t.Moved {
				t.Name, t.Moved = target, true
			}
		}
	}
	for native, list := range copies {
		for _, text := range list {
			how, err := newCopy(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", native, err)
			}
			all[native].Copies = append(all[native].Copies, how)
		}
	}
	return all, nil
}

func merged[V any](into, more map[string]V) map[string]V {
	if into == nil {
		into = make(map[string]V, len(more))
	}
	maps.Copy(into, more)
	return into
}

// addNatives makes the native fields of the entry's Windows events known to it, each under the name that the
// normaliser gives it. own are the fields that the source maps by hand, which stay as they are.
func (t *Taxonomy) addNatives(e *entry, own map[string]values) {
	for _, conjunction := range e.events {
		for _, c := range t.channelsOf(conjunction) {
			for _, r := range c.records(conjunction) {
				for native, target := range r.targets {
					e.addNative(native, target, own[native] != nil)
				}
			}
		}
	}
}

// addNative makes one native field known, also in the spellings that rules use for names with spaces: "Threat
// Name" is ThreatName and Threat_Name to them.
func (e *entry) addNative(native string, target *Target, mapped bool) {
	if target.listed {
		e.known[native] = true
	}
	if target.Moved && !mapped {
		e.moved[native] = moved(e.moved[native], native, target.Name)
	}
	if !strings.Contains(native, " ") {
		return
	}
	for _, glue := range []string{"", "_"} {
		spelling := strings.ReplaceAll(native, " ", glue)
		if e.fields[spelling] == nil {
			e.fields[spelling] = []string{eventData + native, eventData + spelling}
		}
	}
}

// moved puts the native names last: a sender may have left the field where Windows has it.
func moved(names []string, native, target string) []string {
	if len(names) == 0 {
		names = []string{eventData + native, userData + native}
	}
	if slices.Contains(names, target) {
		return names
	}
	return append([]string{target}, names...)
}

// channelsOf returns the channels that events of the conjunction may be in.
func (t *Taxonomy) channelsOf(c sigma.Conjunction) []*Channel {
	for _, condition := range c {
		if condition.Field != "winlog.channel" {
			continue
		}
		var found []*Channel
		for _, channel := range t.Channels() {
			if overlap(condition.Values, channel.Names) {
				found = append(found, channel)
			}
		}
		return found
	}
	return nil
}

// records returns the channel's records with the event ids that the conjunction asks for.
func (c *Channel) records(conjunction sigma.Conjunction) []*Record {
	for _, condition := range conjunction {
		if condition.Field != "event.code" {
			continue
		}
		var found []*Record
		for _, id := range condition.Values {
			found = append(found, c.byID[id]...)
		}
		if len(found) == 0 {
			found = append(found, c.any)
		}
		return found
	}
	found := []*Record{c.any}
	for i := range c.Events {
		found = append(found, &c.Events[i])
	}
	return found
}
