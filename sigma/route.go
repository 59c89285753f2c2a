package sigma

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Bounds of what a Scratch remembers of routing: decisions, and the length of values worth remembering.
const (
	maxRoutes     = 16 << 10
	maxRouteValue = 256
)

// conjunction is a Conjunction made ready: folded, and with names as numbers.
type conjunction []condition

type condition struct {
	name     int32
	present  bool
	values   []string
	prefixes []string
}

// route is what is to be done with the events of a set of log sources.
type route struct {
	active []bool // by log source
	scan   []int32
	always []int32
}

// routeCache remembers routes by the values that decide them, and by the log sources they are for.
type routeCache struct {
	byValues  map[string]*route
	bySources map[string]*route
	key       []byte
}

// route returns the route of the current event.
func (s *Scratch) route() *route {
	m, c := s.m, &s.routes
	if c.byValues == nil {
		c.byValues, c.bySources = make(map[string]*route), make(map[string]*route)
	}
	key, short := s.routeKey()
	if short {
		if r, ok := c.byValues[string(key)]; ok {
			s.current = r
			return r
		}
	}
	// The key is remembered before the buffer is used again.
	values := ""
	if short {
		values = string(key)
	}
	sources := c.key[:0]
	for i := range m.sources {
		sources = append(sources, byte(btoi(m.noRoute || s.belongs(m.sources[i].any))))
	}
	c.key = sources
	r, ok := c.bySources[string(sources)]
	if !ok {
		r = m.newRoute(sources)
		if len(c.bySources) >= maxRoutes {
			clear(c.bySources)
		}
		c.bySources[string(sources)] = r
	}
	if short {
		if len(c.byValues) >= maxRoutes {
			clear(c.byValues)
		}
		c.byValues[values] = r
	}
	s.current = r
	return r
}

// routeKey writes down the values that decide about log sources, so that no two events that differ in them
// have the same key. short is false where they are too long to be remembered.
func (s *Scratch) routeKey() (key []byte, short bool) {
	key = s.routes.key[:0]
	if s.m.noRoute {
		return key, true
	}
	for _, name := range s.m.routing {
		if s.nameGen[name] == s.gen {
			for i := s.nameFirst[name]; i >= 0; i = s.values[i].next {
				v := &s.values[i]
				if len(v.raw) > maxRouteValue {
					return key, false
				}
				if !v.null {
					folded := s.foldedValue(v)
					key = append(key, 1)
					key = binary.LittleEndian.AppendUint16(key, uint16(len(folded)))
					key = append(key, folded...)
				}
			}
		}
		key = append(key, 0)
	}
	s.routes.key = key
	return key, len(key) <= 8*maxRouteValue
}

// belongs reports whether any of the conjunctions holds for the current event.
func (s *Scratch) belongs(alternatives []conjunction) bool {
	for _, all := range alternatives {
		holds := true
		for i := range all {
			if holds = s.conditionHolds(&all[i]); !holds {
				break
			}
		}
		if holds {
			return true
		}
	}
	return false
}

func (s *Scratch) conditionHolds(c *condition) bool {
	if s.nameGen[c.name] != s.gen {
		return false
	}
	for i := s.nameFirst[c.name]; i >= 0; i = s.values[i].next {
		v := &s.values[i]
		if v.null {
			continue
		}
		if c.present || c.holds(s.foldedValue(v)) {
			return true
		}
	}
	return false
}

// holds reports whether a folded value satisfies the condition.
func (c *condition) holds(folded string) bool {
	if c.present || slices.Contains(c.values, folded) {
		return true
	}
	for _, prefix := range c.prefixes {
		if strings.HasPrefix(folded, prefix) {
			return true
		}
	}
	return false
}

// newRoute puts together what the given log sources need; sources has a 1 for each that is meant.
func (m *Matcher) newRoute(sources []byte) *route {
	r := &route{active: make([]bool, len(sources))}
	wanted := make([]bool, len(m.index.units))
	for i, on := range sources {
		if on == 0 {
			continue
		}
		r.active[i] = true
		r.always = append(r.always, m.sources[i].always...)
		for _, u := range m.sources[i].scan {
			if !wanted[u] {
				wanted[u] = true
				r.scan = append(r.scan, u)
			}
		}
	}
	return r
}

// newCondition prepares a condition of the taxonomy.
func newCondition(name int32, values []string) condition {
	c := condition{name: name}
	for _, v := range values {
		switch prefix, isPrefix := strings.CutSuffix(v, "*"); {
		case v == "*":
			c.present = true
		case isPrefix:
			c.prefixes = append(c.prefixes, fold(prefix))
		default:
			c.values = append(c.values, fold(v))
		}
	}
	return c
}
