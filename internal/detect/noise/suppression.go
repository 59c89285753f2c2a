package noise

import (
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
)

// Suppression is what records and permissions call a suppression.
const Suppression = "suppression"

// Ways in which rules are kept from alerting.
const (
	Maintenance = "maintenance" // no alerts from a time to a time, on some hosts, of some users or rules
	Spacing     = "spacing"     // at most one alert in so many minutes, for each rule and entity
	FloodBound  = "flood"       // another bound on the alerts of a rule in an hour
)

// SuppressionKind says what a suppression is as a record. What stands in none of rules, hosts and users is about all of them.
func SuppressionKind(p Policy) *record.Kind {
	return &record.Kind{
		Name: Suppression, Path: "/suppressions", House: "detect", Order: 34, Table: "noise_suppression",
		Without: record.Without{Delete: true},
		Fields: []record.Field{
			{Name: "way", Type: record.Choice{Maintenance, Spacing, FloodBound}, Required: true, Fixed: true},
			{Name: "rules", Type: record.Tags{}},
			{Name: "hosts", Type: record.Tags{}},
			{Name: "users", Type: record.Tags{}},
			{Name: "starts", Type: record.Moment{}, Sort: true},
			{Name: "ends", Type: record.Moment{}, Sort: true},
			{Name: "minutes", Type: record.Int{}},
			{Name: "most", Type: record.Int{}},
			{Name: "reason", Type: record.Text{}, Required: true, Max: 500, Search: true},
		},
		States: states(), Views: views(), Columns: []string{"state", "way", "rules", "starts", "ends", "owner"},
		Moves: p.moves([]string{"owner"}, func(r *record.Record, now time.Time) error {
			if ends := r.At("ends"); !ends.IsZero() && !ends.After(now) {
				return record.Wrong{"ends": fault.New(fault.Invalid, "noise.fault.over", "the end %s has passed", ends)}
			}
			return nil
		}),
		Changed: p.suppressionChanged,
	}
}

// longestSpacing is the longest time between two alerts that can be asked for: longer than that is an exception.
const longestSpacing = 30 * 24 * time.Hour

// suppressionChanged checks a suppression as it is written.
func (p Policy) suppressionChanged(_ *db.Tx, before, after *record.Record) error {
	if p.FourEyes && before != nil && before.State == Active && after.State == Active {
		for _, f := range []string{"rules", "hosts", "users", "starts", "ends", "minutes", "most"} {
			if before.Text(f) != after.Text(f) {
				return record.Wrong{f: fault.New(fault.Conflict, "noise.fault.holds", "a suppression that holds is not changed")}
			}
		}
	}
	wrong := record.Wrong{}
	say := func(field, key, detail string) { wrong[field] = fault.New(fault.Invalid, key, "%s", detail) }
	starts, ends, minutes := after.At("starts"), after.At("ends"), after.Num("minutes")
	// Patterns that fit everything narrow nothing.
	narrow := strings.Trim(after.Text("rules")+after.Text("hosts")+after.Text("users"), "*? ,") != ""
	switch after.Str("way") {
	case Maintenance:
		if starts.IsZero() {
			say("starts", "record.fault.missing", "maintenance has a beginning")
		}
		if ends.IsZero() {
			say("ends", "record.fault.missing", "maintenance has an end")
		}
		if !narrow {
			say("hosts", "noise.fault.everything", "maintenance of everything would silence everything")
		}
	case Spacing:
		if minutes < 1 || time.Duration(minutes)*time.Minute > longestSpacing {
			say("minutes", "noise.fault.minutes", "the minutes between two alerts are 1 to 43,200")
		}
		if !narrow {
			say("rules", "noise.fault.everything", "a distance for everything would silence everything")
		}
	case FloodBound:
		if after.Num("most") < 1 {
			say("most", "noise.fault.most", "a rule may open one alert an hour at least")
		}
		if after.Text("rules") == "" {
			say("rules", "record.fault.missing", "a bound is that of a rule")
		}
	}
	if !starts.IsZero() && !ends.IsZero() && !ends.After(starts) {
		say("ends", "noise.fault.order", "the end is not after the beginning")
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// suppression is one that holds.
type suppression struct {
	id, way             string
	rules, hosts, users []string
	starts, ends        time.Time
	apart               time.Duration
	most                int64
}

// covers reports whether the suppression is about a match of one of its rules.
func (x *suppression) covers(host, user string, at time.Time) bool {
	return !at.Before(x.starts) && (x.ends.IsZero() || at.Before(x.ends)) && oneOf(x.hosts, host) && oneOf(x.users, user)
}

// oneOf reports whether a name fits one of the patterns; any does where there are none.
func oneOf(patterns []string, name string) bool {
	if len(patterns) == 0 {
		return true
	}
	name = strings.ToLower(name)
	for _, p := range patterns {
		if fits(p, name) {
			return true
		}
	}
	return false
}

// fits reports whether a name is a pattern's, in which * is any text and ? any character. It takes time in proportion to both lengths.
func fits(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark, i = i, j, i+1
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i, j = i+1, j+1
		case star >= 0:
			i, mark = star+1, mark+1
			j = mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
