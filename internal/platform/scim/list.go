package scim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultCount = 100
	maxCount     = 1000   // resources on a page
	maxSorted    = 50_000 // resources that are sorted
	batch        = 500    // rows read at a time
)

// query is what a list is asked for (RFC 7644, 3.4.2).
type query struct {
	where        node
	start, count int // start from 1
	sort         *path
	descending   bool
	show         projection
}

// readQuery reads the parameters of a list.
func (k *kind) readQuery(values url.Values) (q query, err error) {
	if filter := values.Get("filter"); filter != "" {
		if q.where, err = parseFilter(filter); err != nil {
			return q, err
		}
		if err := k.check(q.where); err != nil {
			return q, err
		}
	}
	if q.start, err = number(values, "startIndex", 1, 1); err != nil {
		return q, err
	}
	if q.count, err = number(values, "count", defaultCount, 0); err != nil {
		return q, err
	}
	q.count = min(q.count, maxCount)
	if by := values.Get("sortBy"); by != "" {
		at, where, err := parsePath(by)
		if err != nil || where != nil {
			return q, badValue("there is no sorting by %.60q", by)
		}
		q.sort = &at
	}
	q.descending = strings.EqualFold(values.Get("sortOrder"), "descending")
	q.show, err = readProjection(values.Get("attributes"), values.Get("excludedAttributes"))
	return q, err
}

// number reads a parameter; what is less than least is taken for it (RFC 7644, 3.4.2.4).
func number(values url.Values, name string, otherwise, least int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > 1<<30 {
		return 0, badValue("%s is no number", name)
	}
	return max(n, least), nil
}

// wants reports whether an attribute of the resource's own is needed, to be shown or to choose and sort by.
func (q query) wants(name string) bool {
	return !q.show.hides(name) || q.where != nil && mentions(q.where, name) || q.sort != nil && strings.EqualFold(q.sort.name, name)
}

func mentions(n node, name string) bool {
	switch n := n.(type) {
	case *logic:
		return mentions(n.left, name) || n.right != nil && mentions(n.right, name)
	case *compare:
		return strings.EqualFold(n.path.name, name)
	case *valued:
		return strings.EqualFold(n.path.name, name)
	}
	return false
}

// only finds an equality that every resource must fulfil, by an attribute of which each resource has its own value.
func only(n node, name string) (string, bool) {
	switch n := n.(type) {
	case *logic:
		if n.op != "and" {
			return "", false
		}
		if value, ok := only(n.left, name); ok {
			return value, true
		}
		return only(n.right, name)
	case *compare:
		value, ok := n.value.(string)
		return value, ok && n.op == "eq" && n.path.schema == "" && n.path.sub == "" && strings.EqualFold(n.path.name, name)
	}
	return "", false
}

// page collects the resources that a list is made of, as they come.
type page struct {
	query
	kind  *kind
	total int
	items []object
}

// add takes a resource if the filter lets it. Unless they are sorted, those outside the page are counted only.
func (p *page) add(resource object) error {
	if p.where != nil && !p.kind.matches(resource, p.where) {
		return nil
	}
	p.total++
	switch {
	case p.sort != nil && len(p.items) >= maxSorted:
		return refuse(http.StatusBadRequest, "tooMany", "there are too many to sort; choose some by a filter")
	case p.sort != nil || p.total >= p.start && len(p.items) < p.count:
		p.items = append(p.items, resource)
	}
	return nil
}

// answer sends the page.
func (p *page) answer(w http.ResponseWriter) error {
	if p.sort != nil {
		p.order()
		p.items = p.items[min(p.start-1, len(p.items)):]
		p.items = p.items[:min(p.count, len(p.items))]
	}
	items := make([]any, len(p.items))
	for i, one := range p.items {
		items[i] = p.show.apply(p.kind, one)
	}
	return answer(w, http.StatusOK, listOf(items, p.total, p.start))
}

func listOf(items []any, total, start int) object {
	return object{"schemas": []any{listSchema}, "totalResults": total, "startIndex": start, "itemsPerPage": len(items), "Resources": items}
}

// order sorts by an attribute: of several values the primary or first counts, and whoever has none comes last (RFC 7644, 3.4.2.3).
func (p *page) order() {
	slices.SortStableFunc(p.items, func(x, y object) int {
		a, b := p.sortKey(x), p.sortKey(y)
		sign := strings.Compare(a, b)
		if (a == "") != (b == "") {
			sign = -sign
		}
		if p.descending {
			sign = -sign
		}
		return sign
	})
}

func (p *page) sortKey(resource object) string {
	holder, a, ok := p.kind.place(resource, *p.sort)
	if !ok {
		return ""
	}
	values := each(holder[a.name])
	if len(values) == 0 {
		return ""
	}
	value := values[0]
	for _, v := range values {
		if o, ok := v.(object); ok && o["primary"] == true {
			value = v
			break
		}
	}
	if o, ok := value.(object); ok {
		part, ok := a.part(p.sort.sub)
		if !ok {
			part.name = "value"
		}
		value = o[part.name]
	}
	switch value := value.(type) {
	case bool:
		return strconv.FormatBool(value)
	case string:
		if a.exact {
			return value
		}
		return fold(value)
	}
	return ""
}
