package record_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
)

func (x *desk) link(by *auth.User, one *record.Record, typ string, other *record.Record) error {
	typ, back := strings.CutPrefix(typ, "<")
	return x.Link(x.as(by), by, one.Kind.Ref(one.ID), typ, back, other.Kind.Ref(other.ID))
}

// links lists a record's links as somebody sees them.
func (x *desk) links(by *auth.User, r *record.Record) (list []string) {
	x.t.Helper()
	all, err := x.Links(x.t.Context(), by, r.Kind.Ref(r.ID))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, l := range all {
		list = append(list, strings.TrimPrefix(l.Words(), "record.link.")+" "+l.Other.Title)
	}
	return list
}

func TestLinksAreSeenFromBothSides(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		a, b, c := x.loan("A"), x.loan("B"), x.loan("C")
		x.want("a blocks b", x.link(writer, a, "blocks", b), "")
		x.want("b is part of c", x.link(writer, b, "<parent", c), "")
		x.want("a relates to c", x.link(writer, c, "relates", a), "")
		for what, err := range map[string]error{
			"twice":                     x.link(writer, a, "blocks", b),
			"twice, from the other end": x.link(writer, b, "<blocks", a),
			"the same both ways, twice": x.link(writer, a, "relates", c),
		} {
			x.want(what, err, fault.Conflict)
		}
		for what, err := range map[string]error{
			"to itself":       x.link(writer, a, "relates", a),
			"of no type":      x.link(writer, a, "loves", b),
			"in a circle":     x.link(writer, b, "blocks", a),
			"part of a part":  x.link(writer, b, "parent", c),
			"through a third": func() error { _ = x.link(writer, b, "blocks", c); return x.link(writer, c, "blocks", a) }(),
		} {
			x.want(what, err, fault.Invalid)
		}
		x.want("a reader links", x.link(reader, a, "causes", b), fault.Forbidden)
		if diff := cmp.Diff([]string{"relates C", "blocks B"}, x.links(reader, a)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"blocks C", "blocks.back A", "parent.back C"}, x.links(reader, b)); diff != "" {
			t.Error(diff)
		}
		if !has(x.history(reader, b), "link link.blocks.back:>loan/"+a.ID) || !has(x.history(reader, a), "link link.blocks:>loan/"+b.ID) {
			t.Errorf("histories: %q, %q", x.history(reader, a), x.history(reader, b))
		}
		all, err := x.Links(t.Context(), writer, a.Kind.Ref(a.ID))
		if err != nil {
			t.Fatal(err)
		}
		x.want("a reader unlinks", x.Unlink(x.as(reader), reader, a.Kind.Ref(a.ID), all[0].ID), fault.Forbidden)
		x.want("another record's link", x.Unlink(x.as(writer), writer, b.Kind.Ref(b.ID), all[0].ID), fault.NotFound)
		x.want("unlinking from the other side", x.Unlink(x.as(writer), writer, c.Kind.Ref(c.ID), all[0].ID), "")
		if diff := cmp.Diff([]string{"blocks B"}, x.links(reader, a)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestALinkToAHiddenRecordIsNotThere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		open, behind := x.loan("A"), x.loan("B")
		hidden := x.secret("買収", "aoki")
		x.want("linking", x.link(writer, open, "evidence", hidden), "")
		x.want("linking", x.link(writer, hidden, "causes", behind), "")
		if got := x.links(second, open); got != nil {
			t.Errorf("somebody sees the link to what is hidden: %q", got)
		}
		if got := x.links(writer, open); len(got) != 1 {
			t.Errorf("who may see it sees %q", got)
		}
		if got := x.history(second, open); has(got, "link") || has(got, hidden.ID) {
			t.Errorf("the history tells of it: %q", got)
		}
		if got := x.history(writer, open); !has(got, hidden.ID) {
			t.Errorf("the history of who may see it does not: %q", got)
		}
		g, err := x.Graph(t.Context(), second, open.Kind.Ref(open.ID), 3)
		if err != nil || len(g.Nodes) != 1 || len(g.Edges) != 0 || g.More {
			t.Errorf("the graph leads through it: %+v, %v", g, err)
		}
		x.want("guessing", x.link(second, open, "relates", hidden), fault.NotFound)
		all, err := x.Links(t.Context(), writer, open.Kind.Ref(open.ID))
		if err != nil {
			t.Fatal(err)
		}
		x.want("unlinking", x.Unlink(x.as(second), second, open.Kind.Ref(open.ID), all[0].ID), fault.NotFound)
		x.want("the links of it", second1(x.Links(t.Context(), second, hidden.Kind.Ref(hidden.ID))), fault.NotFound)
		x.want("its graph", second1(x.Graph(t.Context(), second, hidden.Kind.Ref(hidden.ID), 1)), fault.NotFound)
	})
}

func TestAGraphIsBounded(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	chain := []*record.Record{x.loan("0")}
	for i := range 5 {
		chain = append(chain, x.loan(fmt.Sprint(i+1)))
		x.want("linking", x.link(writer, chain[i], "causes", chain[i+1]), "")
	}
	for depth, want := range map[int]int{0: 2, 1: 2, 2: 3, 3: 4, 9: 4} {
		g, err := x.Graph(t.Context(), reader, chain[0].Kind.Ref(chain[0].ID), depth)
		if err != nil || len(g.Nodes) != want || len(g.Edges) != want-1 || g.More {
			t.Errorf("depth %d: %d records, %d links, %v", depth, len(g.Nodes), len(g.Edges), err)
		}
	}
	middle := x.loan("middle")
	for i := range record.MaxNodes + 5 {
		x.want("linking", x.link(writer, middle, "relates", x.loan(fmt.Sprint("n", i))), "")
	}
	g, err := x.Graph(t.Context(), reader, middle.Kind.Ref(middle.ID), 1)
	if err != nil || len(g.Nodes) != record.MaxNodes || !g.More {
		t.Errorf("%d records, more %t, %v", len(g.Nodes), g.More, err)
	}
}
