package record

import (
	"context"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/ref"
)

const (
	// MaxDepth is how many links away a graph reaches, MaxNodes how many records it has at most.
	MaxDepth = 3
	MaxNodes = 80
)

// Graph is a record's neighbourhood: records and the links between them. The first node is the record itself; others follow by distance.
type Graph struct {
	Nodes []Node
	Edges []Edge
	More  bool // there are more records than MaxNodes
}

// Node is a record and how many links away it is.
type Node struct {
	Record *Record
	Depth  int
}

// Edge is a link between two nodes, by their places.
type Edge struct {
	From, To int
	Type     LinkType
}

// Graph returns the neighbourhood of a record that may be shown to somebody. What they may not see is not in it, and leads nowhere.
func (s *Store) Graph(ctx context.Context, by *auth.User, one ref.Ref, depth int) (g Graph, err error) {
	depth = min(max(depth, 1), MaxDepth)
	err = s.opt.DB.Read(ctx, func(tx *db.Tx) error {
		r, err := s.GetTx(tx, by, one.Kind, one.ID)
		if err != nil {
			return err
		}
		walk := walk{store: s, tx: tx, by: by, place: map[ref.Ref]int{one: 0}, drawn: make(map[string]bool)}
		walk.Nodes = []Node{{r, 0}}
		for at := 0; at < len(walk.Nodes); at++ {
			if err := walk.visit(at, walk.Nodes[at].Depth < depth); err != nil {
				return err
			}
		}
		g = walk.Graph
		return nil
	})
	return g, err
}

// walk is a graph that is being found.
type walk struct {
	Graph
	store *Store
	tx    *db.Tx
	by    *auth.User
	place map[ref.Ref]int
	drawn map[string]bool // links by id
}

// visit adds the links of a node, and, where they are near enough, the records behind them.
func (w *walk) visit(at int, further bool) error {
	r := w.Nodes[at].Record
	one := r.Kind.Ref(r.ID)
	rows, err := linksOf(w.tx, one)
	if err != nil {
		return err
	}
	links, err := w.store.visibleLinks(w.tx, w.by, one, rows)
	if err != nil {
		return err
	}
	for _, l := range links {
		other := l.Other.Kind.Ref(l.Other.ID)
		to, known := w.place[other]
		switch {
		case known:
		case !further:
			continue
		case len(w.Nodes) >= MaxNodes:
			w.More = true
			continue
		default:
			to = len(w.Nodes)
			w.place[other], w.Nodes = to, append(w.Nodes, Node{l.Other, w.Nodes[at].Depth + 1})
		}
		if w.drawn[l.ID] {
			continue
		}
		w.drawn[l.ID] = true
		e := Edge{From: at, To: to, Type: l.Type}
		if l.Back {
			e.From, e.To = to, at
		}
		w.Edges = append(w.Edges, e)
	}
	return nil
}
