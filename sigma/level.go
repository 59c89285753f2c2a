package sigma

import "fmt"

// Level is how critical a match is (Sigma rules specification, "Level"). Levels are ordered: a higher one
// compares greater. The zero Level means that the rule names none.
type Level uint8

// The levels, from the least to the most critical.
const (
	LevelNone Level = iota
	LevelInformational
	LevelLow
	LevelMedium
	LevelHigh
	LevelCritical
)

// ParseLevel reads a level's name as rules write it, in lower case.
func ParseLevel(name string) (Level, error) {
	switch name {
	case "informational":
		return LevelInformational, nil
	case "low":
		return LevelLow, nil
	case "medium":
		return LevelMedium, nil
	case "high":
		return LevelHigh, nil
	case "critical":
		return LevelCritical, nil
	}
	return LevelNone, fmt.Errorf("level %q is none of informational, low, medium, high, critical", name)
}

// String returns the level's name as rules write it, "" for LevelNone.
func (l Level) String() string {
	switch l {
	case LevelInformational:
		return "informational"
	case LevelLow:
		return "low"
	case LevelMedium:
		return "medium"
	case LevelHigh:
		return "high"
	case LevelCritical:
		return "critical"
	}
	return ""
}

// MarshalText makes a level its name in JSON and YAML.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (l *Level) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = LevelNone
		return nil
	}
	level, err := ParseLevel(string(text))
	*l = level
	return err
}
