package desk

import (
	"errors"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/blob"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/record"
	"yagura/internal/platform/sheet"
	"yagura/internal/platform/web"
	"yagura/sigma"
)

const (
	maxUpload = 20 << 20
	// inMemory is what of an upload is held in memory; the rest lies in a temporary file until it is read.
	inMemory = 1 << 20
	// importFor is how long one request imports; the page asks on until all is done.
	importFor = 3 * time.Second
)

func (x *desk) importRoutes() []web.Route {
	path, write := x.kind.Path+"/-/import", x.mayWrite()
	return []web.Route{
		{Pattern: "GET " + path, Permission: write, Handle: x.importForm},
		{Pattern: "POST " + path, Permission: write, Handle: x.upload},
		{Pattern: "GET " + path + "/{upload}", Permission: write, Handle: x.importPage},
		{Pattern: "GET " + path + "/{upload}/lines.csv", Permission: write, Handle: x.importErrors},
		{Pattern: "POST " + path + "/{upload}/check", Permission: write, Handle: x.dryRun},
		{Pattern: "POST " + path + "/{upload}/run", Permission: write, Handle: x.runImport},
		{Pattern: "POST " + path + "/{upload}/drop", Permission: write, Handle: x.dropUpload},
	}
}

// importView is the page of an import, from the file to what became of it.
type importView struct {
	Many, Home, Action string
	Error              string
	Key                string // what finds a record again
	Fields             []web.Option

	Upload  *record.Upload
	Columns []importColumn
	Fates   []fateView
	Fate    record.Fate
	Lines   []lineView
	Next    string
	ToDo    int64 // lines that would be imported
	Running bool
	Wrong   bool // some lines cannot be imported, or were not
}

// importColumn is a column of the list, and which field it is.
type importColumn struct {
	Heading string
	Options []option
	Sample  string
}

type fateView struct {
	web.Tab
	Look string
}

type lineView struct {
	Number   int64
	Fate     string
	Look     string
	Name     string
	Href     string
	Changes  []changeView
	Problems []string
}

func (x *desk) importForm(w http.ResponseWriter, r *http.Request) error {
	return x.showImport(w, r, http.StatusOK, nil)
}

func (x *desk) newImport(r *http.Request) *importView {
	p := web.T(r)
	v := &importView{Many: many(p, x.kind), Home: x.kind.Path, Action: x.kind.Path + "/-/import"}
	if x.kind.Key != "" {
		v.Key = label(p, x.kind, x.kind.Key)
	}
	for _, f := range x.kind.Importable() {
		o := web.Option{Value: f.Name, Label: label(p, x.kind, f.Name)}
		v.Fields = append(v.Fields, o)
	}
	return v
}

func (x *desk) showImport(w http.ResponseWriter, r *http.Request, status int, problem error) error {
	v := x.newImport(r)
	if problem != nil {
		v.Error = web.Message(r, problem)
	}
	return x.opt.Site.Render(w, r, status, "desk/import", v)
}

// upload takes a list in, guesses what its columns are, and says what would become of it.
func (x *desk) upload(w http.ResponseWriter, r *http.Request) error {
	u, err := x.received(w, r)
	if code := fault.CodeOf(err); code == fault.Invalid || code == fault.TooLarge {
		return x.showImport(w, r, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	return x.opt.Site.Redirect(w, r, x.kind.Path+"/-/import/"+u.ID)
}

func (x *desk) received(w http.ResponseWriter, r *http.Request) (*record.Upload, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload+1<<20)
	err := r.ParseMultipartForm(inMemory)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, tooLarge()
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "record.fault.form", "the form cannot be read: %w", err)
	}
	defer func() { _ = r.MultipartForm.RemoveAll() }() // what is left is in the system's folder for temporary files
	file, head, err := r.FormFile("file")
	if err != nil {
		return nil, fault.New(fault.Invalid, "record.import.fault.file", "the form has no file")
	}
	defer func() { _ = file.Close() }()
	return x.keepList(r, head.Filename, file)
}

func tooLarge() error {
	return &fault.Error{Code: fault.TooLarge, Key: "record.import.fault.large", Args: []any{maxUpload >> 20}, Detail: "the upload is too large"}
}

// keepList reads a list and keeps it until its sender says what is to be done with it.
func (x *desk) keepList(r *http.Request, name string, file io.ReadSeeker) (*record.Upload, error) {
	reader, err := sheet.Open(file, sheet.Limits{Bytes: maxUpload, Rows: record.MaxLines + 2, Columns: record.MaxCells})
	if err != nil {
		return nil, err
	}
	return x.opt.Store.Upload(r.Context(), web.User(r), x.kind.Name, name, numbered(reader))
}

// numbered are the rows of a sheet with the lines that have nothing, so that the n-th is the line that the reader sees.
func numbered(reader *sheet.Reader) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		line := 0
		for row, err := range reader.Rows() {
			if err != nil {
				yield(nil, err)
				return
			}
			if line == 0 {
				line = row.Line - 1 // what stands above the headings is nothing
			}
			for line++; line < row.Line; line++ {
				if !yield(nil, nil) {
					return
				}
			}
			if !yield(row.Cells, nil) {
				return
			}
		}
	}
}

// importPage shows where an import stands.
func (x *desk) importPage(w http.ResponseWriter, r *http.Request) error {
	return x.showUpload(w, r, http.StatusOK, nil, nil)
}

func (x *desk) showUpload(w http.ResponseWriter, r *http.Request, status int, mapping []string, problem error) error {
	u, err := x.opt.Store.UploadOf(r.Context(), web.User(r), x.kind.Name, r.PathValue("upload"))
	if err != nil {
		return err
	}
	v := x.newImport(r)
	v.Upload, v.Action = u, v.Action+"/"+u.ID
	v.ToDo = u.Fates[record.FateNew] + u.Fates[record.FateChange]
	v.Running = v.ToDo > 0 && u.Fates[record.FateMade]+u.Fates[record.FateChanged]+u.Fates[record.FateLate] > 0 && u.State == record.UploadChecked
	v.Wrong = u.Fates[record.FateWrong]+u.Fates[record.FateLate] > 0
	if problem != nil {
		v.Error = web.Message(r, problem)
	}
	if err := x.importColumns(r, v, mapping); err != nil {
		return err
	}
	if u.State != record.UploadSent {
		if err := x.importLines(r, v); err != nil {
			return err
		}
	}
	return x.opt.Site.Render(w, r, status, "desk/import", v)
}

// importColumns says what each column is: what was chosen, or what its heading is called in either language.
func (x *desk) importColumns(r *http.Request, v *importView, mapping []string) error {
	u := v.Upload
	first, err := x.opt.Store.UploadLines(r.Context(), web.User(r), x.kind.Name, u.ID, "", "", 3)
	if err != nil {
		return err
	}
	if mapping == nil {
		mapping = x.fieldsOf(u)
	}
	for i, heading := range u.Headings {
		c := importColumn{Heading: heading, Options: []option{{Label: web.T(r).T("record.import.leave")}}}
		for _, f := range v.Fields {
			name, _ := f.Value.(string)
			c.Options = append(c.Options, option{Value: name, Label: f.Label, Chosen: i < len(mapping) && name == mapping[i]})
		}
		var samples []string
		for _, l := range first.Items {
			if i < len(l.Cells) && l.Cells[i] != "" {
				samples = append(samples, shorten(l.Cells[i], 30))
			}
		}
		c.Sample = strings.Join(samples, " / ")
		v.Columns = append(v.Columns, c)
	}
	return nil
}

// fieldsOf are the fields that an upload's columns are: those that were chosen, or those that their headings name.
func (x *desk) fieldsOf(u *record.Upload) []string {
	if slices.ContainsFunc(u.Mapping, func(m string) bool { return m != "" }) {
		return u.Mapping
	}
	return x.guess(u.Headings)
}

func shorten(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// folded makes headings and choices that look alike the same.
func folded(text string) string {
	return strings.ToLower(strings.Join(strings.Fields(strings.Trim(norm.NFKC.String(text), "*: \t")), " "))
}

// guess finds the fields that headings name, in either language or as programs call them.
func (x *desk) guess(headings []string) []string {
	names := make(map[string]string)
	for _, f := range x.kind.Importable() {
		names[folded(f.Name)] = f.Name
		for _, p := range x.opt.Site.Printers() {
			names[folded(label(p, x.kind, f.Name))] = f.Name
		}
	}
	mapping := make([]string, len(headings))
	for i, heading := range headings {
		if name := names[folded(heading)]; name != "" && !slices.Contains(mapping, name) {
			mapping[i] = name
		}
	}
	return mapping
}

// reading makes of a cell with a choice in words, of either language, what the field's type reads.
func (x *desk) reading(in *inputs) func(f *record.Field, cell string) string {
	words := make(map[string]map[string]string)
	units := unitWords(in.units)
	for _, f := range x.kind.Importable() {
		said := make(map[string]string)
		for _, p := range x.opt.Site.Printers() {
			x.saidAs(p, f, func(word, meaning string) { said[folded(word)] = meaning })
		}
		if f.Type.Word() == "unit" {
			said = units
		}
		words[f.Name] = said
	}
	return func(f *record.Field, cell string) string {
		said := words[f.Name]
		if meaning, ok := said[folded(cell)]; ok {
			return meaning
		}
		if f.Type.Word() != "choices" {
			return cell
		}
		parts := strings.FieldsFunc(cell, func(c rune) bool { return strings.ContainsRune(",、;\n", c) })
		for i, part := range parts {
			if meaning, ok := said[folded(part)]; ok {
				parts[i] = meaning
			}
		}
		return strings.Join(parts, ", ")
	}
}

// unitWords are the names of units in either language with what they mean; a name that two have means none.
func unitWords(units []auth.Unit) map[string]string {
	said := make(map[string]string)
	twice := make(map[string]bool)
	for _, u := range units {
		for _, name := range []string{folded(u.NameIn(string(i18n.Japanese))), folded(u.NameIn(string(i18n.English)))} {
			twice[name] = twice[name] || said[name] != "" && said[name] != u.ID
			said[name] = u.ID
		}
	}
	maps.DeleteFunc(said, func(name, _ string) bool { return name == "" || twice[name] })
	return said
}

// saidAs gives the words of a field's choices with what they mean.
func (x *desk) saidAs(p *i18n.Printer, f *record.Field, add func(word, meaning string)) {
	switch t := f.Type.(type) {
	case record.Choice:
		for _, c := range t {
			add(choiceWord(p, x.kind, f.Name, c), c)
		}
	case record.Choices:
		for _, c := range t {
			add(choiceWord(p, x.kind, f.Name, c), c)
		}
	case record.Level:
		for level := sigma.LevelInformational; level <= sigma.LevelCritical; level++ {
			add(p.T("severity."+level.String()), level.String())
		}
	case record.Bool:
		add(p.T("record.yes"), "true")
		add(p.T("record.no"), "false")
	}
	if f.Type.Word() == "state" {
		for _, s := range x.kind.States {
			add(stateWord(p, x.kind, s.Name), s.Name)
		}
	}
}

// dryRun says what would become of each line.
func (x *desk) dryRun(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	in, err := x.inputs(r)
	if err != nil {
		return err
	}
	m := record.Mapping{Fields: r.PostForm["column"], Blanks: r.PostFormValue("blanks") == "true", Read: x.reading(in)}
	u, err := x.opt.Store.DryRun(r.Context(), x.env(r), x.kind.Name, r.PathValue("upload"), m)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict) {
		return x.showUpload(w, r, http.StatusUnprocessableEntity, m.Fields, err)
	}
	if err != nil {
		return err
	}
	return x.opt.Site.Redirect(w, r, x.kind.Path+"/-/import/"+u.ID)
}

// fateLooks are the fates in the order in which they are shown, with the pills' looks.
func fateLooks() []struct {
	fate record.Fate
	look string
} {
	return []struct {
		fate record.Fate
		look string
	}{{record.FateMade, "good"}, {record.FateChanged, "good"}, {record.FateNew, "new"}, {record.FateChange, "active"}, {record.FateSame, ""}, {record.FateWrong, "bad"}, {record.FateLate, "warn"}}
}

// importLines shows lines with what becomes of them.
func (x *desk) importLines(r *http.Request, v *importView) error {
	p, q := web.T(r), r.URL.Query()
	v.Fate = record.Fate(q.Get("fate"))
	looks := make(map[record.Fate]string)
	v.Fates = append(v.Fates, fateView{Tab: web.Tab{Label: p.T("record.list.all"), Path: v.Action, Count: v.Upload.Lines(), Current: v.Fate == ""}})
	for _, f := range fateLooks() {
		looks[f.fate] = f.look
		if n := v.Upload.Fates[f.fate]; n > 0 {
			v.Fates = append(v.Fates, fateView{Tab: web.Tab{Label: p.T("record.import.fate." + string(f.fate)), Path: v.Action + "?fate=" + string(f.fate), Count: n, Current: v.Fate == f.fate}, Look: f.look})
		}
	}
	page, err := x.opt.Store.UploadLines(r.Context(), web.User(r), x.kind.Name, v.Upload.ID, v.Fate, q.Get("cursor"), 100)
	if err != nil {
		return err
	}
	b, err := x.newBook(r.Context(), p)
	if err != nil {
		return err
	}
	for _, l := range page.Items {
		v.Lines = append(v.Lines, x.lineView(r, b, v.Upload, l, looks[l.Fate]))
	}
	if page.Next != "" {
		v.Next = v.Action + "?fate=" + string(v.Fate) + "&cursor=" + page.Next
	}
	return nil
}

func (x *desk) lineView(r *http.Request, b *book, u *record.Upload, l record.Line, look string) lineView {
	v := lineView{Number: l.Number, Fate: b.p.T("record.import.fate." + string(l.Fate)), Look: look, Problems: x.problemWords(r, l)}
	for _, name := range []string{x.kind.Key, "title"} {
		if i := slices.Index(u.Mapping, name); name != "" && i >= 0 && i < len(l.Cells) && (v.Name == "" || name != x.kind.Key) {
			v.Name = strings.TrimSpace(v.Name + " " + shorten(l.Cells[i], 60))
		}
	}
	if l.RecordID != "" {
		v.Href = x.kind.Address(l.RecordID)
	}
	for _, c := range l.Changes {
		if f := x.kind.Field(c.Field); f != nil {
			change := changeView{Label: label(b.p, x.kind, c.Field), Word: f.Type.Word()}
			if !f.Secret {
				change.From, change.To = shorten(b.plain(x.kind, f, c.From), 200), shorten(b.plain(x.kind, f, c.To), 200)
			}
			v.Changes = append(v.Changes, change)
		}
	}
	return v
}

// problemWords says why a line cannot be imported.
func (x *desk) problemWords(r *http.Request, l record.Line) (list []string) {
	p := web.T(r)
	for _, problem := range l.Problems {
		text := p.T(problem.Key, problem.Args...)
		if problem.Field != "" {
			text = label(p, x.kind, problem.Field) + ": " + text
		}
		list = append(list, text)
	}
	return list
}

// runImport imports for a few seconds; the page asks on until all is done.
func (x *desk) runImport(w http.ResponseWriter, r *http.Request) error {
	if err := parseForm(w, r); err != nil {
		return err
	}
	u, _, err := x.opt.Store.Import(r.Context(), x.env(r), x.kind.Name, r.PathValue("upload"), importFor)
	if err != nil {
		return err
	}
	return x.opt.Site.Redirect(w, r, x.kind.Path+"/-/import/"+u.ID)
}

func (x *desk) dropUpload(w http.ResponseWriter, r *http.Request) error {
	if err := x.opt.Store.DropUpload(r.Context(), web.User(r), x.kind.Name, r.PathValue("upload")); err != nil {
		return err
	}
	return x.opt.Site.Redirect(w, r, x.kind.Path+"/-/import")
}

// importErrors sends the lines that cannot be imported, as they came, with the reason behind them: to be mended and sent again.
func (x *desk) importErrors(w http.ResponseWriter, r *http.Request) error {
	user, id := web.User(r), r.PathValue("upload")
	u, err := x.opt.Store.UploadOf(r.Context(), user, x.kind.Name, id)
	if err != nil {
		return err
	}
	p := web.T(r)
	t := sheet.Table{Name: u.Name, Zone: p.Zone()}
	for _, heading := range u.Headings {
		t.Columns = append(t.Columns, sheet.Column{Name: heading, Title: heading})
	}
	t.Columns = append(t.Columns, sheet.Column{Title: p.T("record.import.line")}, sheet.Column{Title: p.T("record.import.reason")})
	w.Header().Set("Content-Type", sheet.CSV.ContentType())
	w.Header().Set("Content-Disposition", blob.Disposition(p.T("record.import.errors.file")+".csv", false))
	return sheet.Write(io.Writer(w), sheet.CSV, t, func(yield func([]any, error) bool) {
		for _, fate := range []record.Fate{record.FateWrong, record.FateLate} {
			for cursor := ""; ; {
				page, err := x.opt.Store.UploadLines(r.Context(), user, x.kind.Name, id, fate, cursor, record.MaxPage)
				if err != nil {
					yield(nil, err)
					return
				}
				for _, l := range page.Items {
					if !yield(errorRow(p, l, len(u.Headings), x.problemWords(r, l)), nil) {
						return
					}
				}
				if cursor = page.Next; cursor == "" {
					break
				}
			}
		}
	})
}

func errorRow(p *i18n.Printer, l record.Line, columns int, problems []string) []any {
	row := make([]any, 0, columns+2)
	for i := range columns {
		if i < len(l.Cells) {
			row = append(row, l.Cells[i])
		} else {
			row = append(row, "")
		}
	}
	if l.Fate == record.FateLate {
		problems = append(problems, p.T("record.import.fate.late.text"))
	}
	return append(row, l.Number, strings.Join(problems, " "))
}
