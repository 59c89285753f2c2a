package desk

import (
	"net/http"
	"slices"

	"yagura/internal/platform/record"
	"yagura/internal/platform/web"
)

// mergeView shows that somebody was faster: what they changed, what was meant, and a choice where both changed the same.
type mergeView struct {
	head
	Who    string // a person's id
	Fields []mergeField
	Note   string
}

// mergeField is a field that one of the two changed, or both.
type mergeField struct {
	Name, Label       string
	Word              string
	Was, Theirs, Mine string // as people read them
	TheirText, MyText string // as the form sends them
	Collides          bool
	OnlyMine          bool
}

// showMerge asks how two changes of a record come together. What does not collide is kept of both.
func (x *desk) showMerge(w http.ResponseWriter, in *inputs, c *record.Conflict, texts map[string]string) error {
	b, err := x.newBook(in.r.Context(), in.p)
	if err != nil {
		return err
	}
	view := mergeView{head: x.head(in.r, c.Theirs, b), Who: c.Theirs.UpdatedBy, Note: in.r.PostFormValue("note")}
	for _, f := range x.kind.Editable() {
		mine, isMine := c.Merged[f.Name]
		theirs := c.Theirs.Text(f.Name) != c.Base.Text(f.Name)
		if f.Fixed || !isMine && !theirs {
			continue
		}
		m := mergeField{
			Name: f.Name, Label: label(in.p, x.kind, f.Name), Word: f.Type.Word(), OnlyMine: isMine && !theirs, Collides: slices.Contains(c.Collides, f.Name),
			Was: b.plain(x.kind, f, c.Base.Text(f.Name)), Theirs: b.plain(x.kind, f, c.Theirs.Text(f.Name)), TheirText: in.text(c.Theirs, f),
		}
		m.Mine = m.Theirs
		if isMine {
			m.Mine, m.MyText = b.plain(x.kind, f, f.Type.Text(mine)), texts[f.Name]
		}
		view.Fields = append(view.Fields, m)
	}
	return x.opt.Site.Render(w, in.r, http.StatusUnprocessableEntity, "desk/merge", view)
}

// movedMeanwhile answers a move that was made on an older version: the record's page says so.
func (x *desk) movedMeanwhile(w http.ResponseWriter, r *http.Request, id string, problem error) error {
	return x.opt.Site.Done(w, r, x.kind.Address(id), web.Flash{Kind: web.Bad, Text: web.Message(r, problem)})
}
