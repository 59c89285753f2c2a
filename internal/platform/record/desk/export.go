package desk

import (
	"cmp"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"yagura/internal/platform/blob"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/sheet"
	"yagura/internal/platform/web"
)

// errEnough ends an export whose reader has gone away.
var errEnough = errors.New("the reader has gone away")

// export sends the records of the present filter as they are read: for people with the words that they know, for programs (JSON) with the
// names and ids that the API has.
func (x *desk) export(w http.ResponseWriter, r *http.Request) error {
	format := cmp.Or(sheet.Format(r.URL.Query().Get("format")), sheet.CSV)
	if !slices.Contains([]sheet.Format{sheet.CSV, sheet.XLSX, sheet.JSON}, format) {
		return fault.New(fault.Invalid, "fault.sheet.unknown", "there is no export in the format %q", format)
	}
	q, err := x.kind.ParseQuery(r.URL.Query(), record.Aside()...)
	if err != nil {
		return err
	}
	p := web.T(r)
	b, err := x.newBook(r.Context(), p)
	if err != nil {
		return err
	}
	class, err := x.opt.Store.ClassOfList(r.Context(), x.kind.Name, q, x.env(r))
	if err != nil {
		return err
	}
	names := x.exported()
	t := sheet.Table{Name: many(p, x.kind), Zone: p.Zone(), Class: p.T("record.class." + string(class))}
	for _, name := range names {
		t.Columns = append(t.Columns, sheet.Column{Name: name, Title: label(p, x.kind, name)})
	}
	cells := x.forPeople(r, b, names)
	if format == sheet.JSON {
		t.Columns = append([]sheet.Column{{Name: "id"}, {Name: "version"}}, t.Columns...)
		cells = x.forPrograms(names)
	}
	out := &late{w: w, begin: func() {
		w.Header().Set("Content-Type", format.ContentType())
		w.Header().Set("Content-Disposition", blob.Disposition(t.Name+"-"+time.Now().In(p.Zone()).Format("20060102-1504")+"."+string(format), false))
		w.Header().Set("Cache-Control", "no-store")
	}}
	return sheet.Write(out, format, t, x.exportRows(r, q, string(format), names, cells))
}

// exported are the fields that leave in an export.
func (x *desk) exported() (names []string) {
	for _, f := range x.kind.All() {
		if !f.Secret {
			names = append(names, f.Name)
		}
	}
	return names
}

// exportRows reads the records one by one; what was sent is in the ledger, whether or not the reader stays to the end.
func (x *desk) exportRows(r *http.Request, q record.Query, format string, names []string, cells func(*record.Record) []any) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		do := record.Exporting{Format: format, Fields: names, Each: func(rec *record.Record) error {
			if !yield(cells(rec), nil) {
				return errEnough
			}
			return nil
		}}
		if _, err := x.opt.Store.Export(r.Context(), x.kind.Name, q, x.env(r), do); err != nil && !errors.Is(err, errEnough) {
			yield(nil, err)
		}
	}
}

// forPeople writes a record in the words of who exports it.
func (x *desk) forPeople(r *http.Request, b *book, names []string) func(*record.Record) []any {
	people := make(map[string]string)
	return func(rec *record.Record) []any {
		row := make([]any, len(names))
		for i, name := range names {
			f := x.kind.Field(name)
			switch v := rec.Get(name).(type) {
			case time.Time:
				if row[i] = any(v); v.IsZero() {
					row[i] = nil
				} else if f.Type.Word() == "deadline" && endOfDay(v, b.p.Zone()) {
					row[i] = sheet.Day(v.In(b.p.Zone()))
				}
				continue
			case int64:
				row[i] = v
				continue
			}
			text := rec.Text(name)
			switch f.Type.Word() {
			case "person":
				if _, ok := people[text]; !ok {
					people[text] = x.personName(r, text)
				}
				row[i] = people[text]
			case "day":
				row[i] = text
				if day, err := time.Parse(time.DateOnly, text); err == nil {
					row[i] = sheet.Day(day)
				}
			default:
				row[i] = b.plain(x.kind, f, text)
			}
		}
		return row
	}
}

// forPrograms writes a record as the API does: ids, and the names of choices and states.
func (x *desk) forPrograms(names []string) func(*record.Record) []any {
	return func(rec *record.Record) []any {
		row := []any{rec.ID, rec.Version}
		for _, name := range names {
			switch v := rec.Get(name).(type) {
			case time.Time:
				if v.IsZero() {
					row = append(row, nil)
				} else {
					row = append(row, v)
				}
			case int64, bool, string:
				row = append(row, v)
			case []string:
				row = append(row, strings.Join(v, ", "))
			default:
				row = append(row, rec.Text(name))
			}
		}
		return row
	}
}

// late says what it is only when there is something: until then an error can be a page of its own.
type late struct {
	w     http.ResponseWriter
	begin func()
	begun bool
}

func (l *late) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.begin()
	}
	return l.w.Write(p)
}

// exportLine is an export with the address of what its list shows now.
type exportLine struct {
	record.Export
	Href string
}

// exportsView is who took lists of the kind out of the house.
type exportsView struct {
	Many, Home string
	Items      []exportLine
	Older      string
}

func (x *desk) exports(w http.ResponseWriter, r *http.Request) error {
	page, err := x.opt.Store.Exports(r.Context(), web.User(r), x.kind.Name, r.URL.Query().Get("cursor"), listPage)
	if err != nil {
		return err
	}
	view := exportsView{Many: many(web.T(r), x.kind), Home: x.kind.Path}
	for _, e := range page.Items {
		view.Items = append(view.Items, exportLine{e, x.kind.Path + "?" + viewTab{ID: everything, Query: e.Query}.address()})
	}
	if page.Next != "" {
		view.Older = x.kind.Path + "/-/exports?cursor=" + page.Next
	}
	return x.opt.Site.Render(w, r, http.StatusOK, "desk/list_exports", view)
}
