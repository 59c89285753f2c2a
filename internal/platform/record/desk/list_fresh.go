package desk

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

const freshPath = "/-/fresh"

// Asking reports whether a request is one that an open list makes by itself: it does not show that somebody is there.
func Asking(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, freshPath)
}

// fresh is how many records came since a list was shown.
type fresh struct {
	Poll string // where to ask; "" where the list does not
	Home string // the list
	N    int
	More bool
}

// freshView is where a list that is shown now asks for what comes.
func (x *desk) freshView(l look, address string, since time.Time) fresh {
	if !x.kind.Live || l.query.Deleted {
		return fresh{}
	}
	values := l.query.Values()
	values.Set("_since", strconv.FormatInt(db.Micros(since), 10))
	values.Set("_list", strings.TrimPrefix(address, x.kind.Path))
	return fresh{Poll: x.kind.Path + freshPath + "?" + values.Encode()}
}

// countFresh answers a list that asks.
func (x *desk) countFresh(w http.ResponseWriter, r *http.Request) error {
	values := r.URL.Query()
	since := time.Now()
	if text := values.Get("_since"); text != "" {
		micros, err := strconv.ParseInt(text, 10, 64)
		if err != nil || micros <= 0 {
			return fault.New(fault.Invalid, "", "%.40q is no time", text)
		}
		since = db.Time(micros)
	}
	list := values.Get("_list")
	values.Del("_since")
	values.Del("_list")
	q, err := x.kind.ParseQuery(values, record.Aside()...)
	if err != nil {
		return err
	}
	n, err := x.opt.Store.CountMadeSince(r.Context(), x.kind.Name, q, x.env(r), since)
	if err != nil {
		return err
	}
	v := fresh{N: n, More: n >= record.MaxFresh, Home: x.kind.Path}
	if strings.HasPrefix(list, "?") {
		v.Home += list
	}
	return x.opt.Site.Render(w, r, http.StatusOK, "desk/fresh", struct {
		fresh
		Title string
	}{v, many(web.T(r), x.kind)})
}
