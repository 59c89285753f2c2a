package web

import (
	"cmp"
	"slices"
	"strings"

	"yagura/internal/platform/auth"
)

// homeHouse is no house but what everybody has: it stands beside the overview, at the head of the rail.
const homeHouse = "home"

// settingsHouse is no house but the floor's own corner of the rail, at its foot.
const settingsHouse = "settings"

// houses in the order of the rail.
var houses = []string{"detect", "respond", "brand", "protect", "govern"}

// house is a part of the rail with the entries this visitor may open.
type house struct {
	Key, Icon string
	Items     []railItem
}

// Path is the house's first page, for the rail that shows signs only.
func (h house) Path() string { return h.Items[0].Path }

// Home reports whether it is the part beside the overview.
func (h house) Home() bool { return h.Key == homeKey }

// Current reports whether the reader is in the house.
func (h house) Current() bool {
	return slices.ContainsFunc(h.Items, func(i railItem) bool { return i.Current })
}

type railItem struct {
	Key, Path, Icon string
	Current         bool
}

// rail builds the rail for a visitor. A house without a page to open is not shown: no dead ends.
func (s *Site) rail(user *auth.User, path string) []house {
	byHouse := make(map[string][]NavItem)
	longest := ""
	for _, m := range s.modules {
		for _, item := range m.Nav {
			if !mayOpen(user, item.Permission) {
				continue
			}
			byHouse[item.House] = append(byHouse[item.House], item)
			if within(path, item.Path) && len(item.Path) > len(longest) {
				longest = item.Path
			}
		}
	}
	var list []house
	for _, name := range slices.Concat([]string{homeHouse}, houses, []string{settingsHouse}) {
		entries := byHouse[name]
		if len(entries) == 0 {
			continue
		}
		slices.SortStableFunc(entries, func(a, b NavItem) int { return cmp.Compare(a.Order, b.Order) })
		h := house{Key: "house." + name, Icon: name}
		if name == homeHouse {
			h.Key = homeKey
		}
		for _, e := range entries {
			h.Items = append(h.Items, railItem{Key: e.Key, Path: e.Path, Icon: e.Icon, Current: e.Path == longest})
		}
		list = append(list, h)
	}
	return list
}

func mayOpen(user *auth.User, p Permission) bool {
	return p == Public || user != nil && (p == SignedIn || user.May(string(p)))
}

// within reports whether a path lies at or below another.
func within(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '/')
}
