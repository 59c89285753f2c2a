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
//	    copy: {TargetUserName: user.name}      # the native name stays and the ECS name is added
//	    data: [RuleName]                       # further fields that any of its events may have
//	    events:
//	      - id: 1                              # or a list
//	        provider: …                        # where ids of several providers share the channel
//	        title: Process Create              # how the event is named in a message
//	        category: process                  # event.category, and so on; each also a list
//	        type: start
//	        action: process-created
//	        outcome: success
//	        say: [Image, CommandLine]          # what belongs in a one-line message, by native name
//	        data: [IntegrityLevel]             # the event's further fields
//	        move, copy                         # added to the channel's
//
// move must be unambiguous: in one channel two native names may not go to one ECS name, or a rule that
// asks for one would be answered with the other. Such fields are copied.
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
	Data     []string          `yaml:"data"`
	Move     map[string]string `yaml:"move"`
	Copy     map[string]values `yaml:"copy"`

	targets map[string]Target
}

// Target says where one native field goes: moved to Move ("" leaves it under its native name), and copied to
// each of Copy.
type Target struct {
	Move string
	Copy []string
}

// Target returns where the event data field of that native name goes.
func (r *Record) Target(native string) (Target, bool) {
	t, ok := r.targets[native]
	return t, ok
}

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
	from := map[string]string{} // which native name goes to an ECS name
	for _, moves := range c.allMoves() {
		for native, target := range moves {
			if other, taken := from[target]; taken && other != native {
				return fmt.Errorf("%s and %s both move to %s: a rule could not tell them apart; copy them", other, native, target)
			}
			from[target] = native
		}
	}
	for i := range c.Events {
		if len(c.Events[i].IDs) == 0 {
			return fmt.Errorf("event %q has no id", c.Events[i].Title)
		}
	}
	return nil
}

func (c *Channel) allMoves() []map[string]string {
	all := []map[string]string{c.Move}
	for i := range c.Events {
		all = append(all, c.Events[i].Move)
	}
	return all
}

func (t *Taxonomy) addChannels(d *document) error {
	for i := range d.Channels {
		c := &d.Channels[i]
		c.build()
		for _, name := range c.Names {
			if t.channels[name] != nil {
				return fmt.Errorf("taxonomy %s: channel %q is described twice", d.name, name)
			}
			t.channels[name] = c
			t.channels[strings.ToLower(name)] = c
		}
	}
	return nil
}

func (c *Channel) build() {
	c.any = &Record{targets: c.targets(nil)}
	c.byID = map[string][]*Record{}
	for i := range c.Events {
		r := &c.Events[i]
		r.targets = c.targets(r)
		for _, id := range r.IDs {
			c.byID[id] = append(c.byID[id], r)
		}
	}
}

// targets merges the channel's moves and copies with those of one record.
func (c *Channel) targets(r *Record) map[string]Target {
	moves, copies := maps.Clone(c.Move), maps.Clone(c.Copy)
	if r != nil {
		moves, copies = merged(moves, r.Move), merged(copies, r.Copy)
	}
	all := make(map[string]Target, len(moves)+len(copies))
	for native, target := range moves {
		all[native] = Target{Move: target}
	}
	for native, names := range copies {
		all[native] = Target{Move: all[native].Move, Copy: names}
	}
	return all
}

func merged[V any](into, more map[string]V) map[string]V {
	if into == nil {
		into = make(map[string]V, len(more))
	}
	maps.Copy(into, more)
	return into
}

// natives returns every native field name of the record.
func (c *Channel) natives(r *Record) []string {
	names := slices.Concat(c.Data, r.Data, r.Say)
	for name := range r.targets {
		names = append(names, name)
	}
	return names
}

// addNatives makes the native fields of the entry's Windows events known to it, each under the name that the
// normaliser gives it. own are the fields that the source maps by hand, which stay as they are.
func (t *Taxonomy) addNatives(e *entry, own map[string]values) {
	for _, conjunction := range e.events {
		for _, c := range t.channelsOf(conjunction) {
			for _, r := range c.records(conjunction) {
				for _, native := range c.natives(r) {
					e.known[native] = true
					if target := r.targets[native].Move; target != "" && own[native] == nil {
						e.fields[native] = moved(e.fields[native], native, target)
					}
				}
			}
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
