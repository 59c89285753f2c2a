package web

// Tab is a saved view or a part of a detail page: {{template "tabs" .Tabs}} with a []Tab.
type Tab struct {
	Label   string // in the reader's language
	Path    string
	Count   any // a number, or nil for none
	Current bool
}

// Chip is a condition that is in force, with the address without it: {{template "chips" .Chips}} with a []Chip.
type Chip struct {
	Label  string // what it is about: "Severity"; may be empty
	Text   string
	Remove string
}

// LevelLink filters a list by a severity and says how many there are: {{template "levels" (dict "Label" … "Links" .Levels)}} with
// a list of them.
type LevelLink struct {
	Level  any // as {{severity}} takes it
	Count  int64
	Path   string
	Chosen bool
}

// Pager leads through a list by key: {{template "pager" .Pager}}. Empty addresses are not shown.
type Pager struct {
	Text              string // what is shown: "1–50 of 1,234"
	First, Prev, Next string
}

// Option is a choice of a {{template "field"}}.
type Option struct {
	Value any
	Label string
}
