package people

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

const (
	maxList = 1 << 20
	maxRows = 2000
)

// entry is a line of a list of people.
type entry struct {
	Line  int
	Email string
	Name  string
	Unit  string // code or name
	Roles []string
	// What becomes of it: "" is fine, else why not.
	Problem string

	unitID string
}

// headings are the names that a column may have, in either language.
func headings() map[string][]string {
	return map[string][]string{
		"email": {"email", "e-mail", "mail", "メールアドレス", "メール"},
		"name":  {"name", "氏名", "名前"},
		"unit":  {"unit", "department", "部署", "所属", "組織"},
		"roles": {"roles", "role", "役割", "権限"},
	}
}

// parse reads a list of people: CSV with headings, UTF-8 or the Shift_JIS of Japanese Excel, separated by commas, semicolons or
// tabs. Roles within a cell are separated by commas, semicolons or spaces. The error is fault.Invalid and names the line.
func parse(data []byte) ([]entry, error) {
	text := string(bytes.TrimPrefix(data, []byte("\ufeff")))
	if !utf8.ValidString(text) {
		decoded, err := japanese.ShiftJIS.NewDecoder().Bytes(data)
		if err != nil || bytes.ContainsRune(decoded, utf8.RuneError) {
			return nil, fault.New(fault.Invalid, "fault.people.encoding", "the list is neither UTF-8 nor Shift_JIS")
		}
		text = string(decoded)
	}
	first, _, _ := strings.Cut(text, "\n")
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord, reader.TrimLeadingSpace = -1, true
	for _, comma := range "\t;" {
		if strings.Count(first, string(comma)) > strings.Count(first, ",") {
			reader.Comma = comma
		}
	}
	head, err := reader.Read()
	if err != nil {
		return nil, fault.New(fault.Invalid, "fault.people.list", "line 1: %w", err)
	}
	columns, err := columnsOf(head)
	if err != nil {
		return nil, err
	}
	var list []entry
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "fault.people.list", "%w", err) // encoding/csv names the line
		}
		line, _ := reader.FieldPos(0)
		cell := func(name string) string {
			if i, ok := columns[name]; ok && i < len(row) {
				return strings.TrimSpace(strings.TrimPrefix(row[i], "'"))
			}
			return ""
		}
		one := entry{Line: line, Email: cell("email"), Name: cell("name"), Unit: cell("unit")}
		one.Roles = strings.FieldsFunc(cell("roles"), func(r rune) bool { return strings.ContainsRune(",;、 　", r) })
		if one.Email == "" && one.Name == "" {
			continue // an empty line of a spreadsheet
		}
		if len(list) == maxRows {
			return nil, &fault.Error{Code: fault.Invalid, Key: "fault.people.many", Args: []any{maxRows}, Detail: fmt.Sprintf("line %d: more than %d people", line, maxRows)}
		}
		list = append(list, one)
	}
}

func columnsOf(head []string) (map[string]int, error) {
	columns := make(map[string]int)
	for i, cell := range head {
		title := strings.ToLower(strings.TrimSpace(norm.NFKC.String(cell)))
		for name, titles := range headings() {
			if slices.Contains(titles, title) {
				columns[name] = i
			}
		}
	}
	for _, name := range []string{"email", "name"} {
		if _, ok := columns[name]; !ok {
			return nil, fault.New(fault.Invalid, "fault.people.headings", "line 1: there is no column for %s", name)
		}
	}
	return columns, nil
}

type importView struct {
	Text    string
	Entries []entry
	Good    int
	Error   string
}

func (x *Room) importForm(w http.ResponseWriter, r *http.Request) error {
	return x.site.Render(w, r, http.StatusOK, "people/import", importView{})
}

// importList shows what would become of each line, and, once that was confirmed, makes the people whose lines are fine.
func (x *Room) importList(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxList)
	if err := r.ParseMultipartForm(2 * maxList); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return fault.New(fault.Invalid, "fault.people.form", "reading the form: %w", err)
	}
	text := r.PostFormValue("list")
	if file, _, err := r.FormFile("file"); err == nil {
		data, err := io.ReadAll(io.LimitReader(file, maxList))
		if err != nil {
			return fault.New(fault.Invalid, "fault.people.form", "reading the file: %w", err)
		}
		_ = file.Close() // it was only read
		text = string(data)
	}
	list, err := parse([]byte(text))
	if err != nil {
		return x.site.Render(w, r, http.StatusUnprocessableEntity, "people/import", importView{Text: strings.ToValidUTF8(text, "�"), Error: web.Message(r, err)})
	}
	if err := x.check(r, list); err != nil {
		return err
	}
	view := importView{Text: rewrite(list), Entries: list}
	for _, one := range list {
		if one.Problem == "" {
			view.Good++
		}
	}
	if r.PostFormValue("confirmed") == "" || view.Good == 0 {
		return x.site.Render(w, r, http.StatusOK, "people/import", view)
	}
	made, err := x.make(r, list)
	if err != nil {
		return err
	}
	return x.site.Done(w, r, "/people?state=invited", web.Flash{Kind: web.Good, Text: web.T(r).T("people.import.done", made)})
}

// rewrite is the list as UTF-8 CSV, for the form that confirms it.
func rewrite(list []entry) string {
	var b strings.Builder
	out := csv.NewWriter(&b)
	_ = out.Write([]string{"email", "name", "unit", "roles"})
	for _, one := range list {
		_ = out.Write([]string{one.Email, one.Name, one.Unit, strings.Join(one.Roles, ";")})
	}
	out.Flush()
	return b.String()
}

// check says of each line what keeps it from being made.
func (x *Room) check(r *http.Request, list []entry) error {
	units, err := x.opt.Accounts.Units(r.Context())
	if err != nil {
		return err
	}
	p, seen := web.T(r), make(map[string]int)
	for i := range list {
		one := &list[i]
		email, err := auth.NormalEmail(one.Email)
		if err != nil {
			one.Problem = web.Message(r, err)
			continue
		}
		if before, twice := seen[email]; twice {
			one.Problem = p.T("people.import.twice", before)
			continue
		}
		seen[email] = one.Line
		if _, err := x.opt.Accounts.PersonByEmail(r.Context(), email); err == nil {
			one.Problem = p.T("people.import.known")
			continue
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
		at := slices.IndexFunc(units, func(u auth.Unit) bool {
			return strings.EqualFold(u.Code, one.Unit) || u.Name == one.Unit || strings.EqualFold(u.NameEn, one.Unit)
		})
		switch unknown := slices.IndexFunc(one.Roles, func(role string) bool { return !x.opt.Roles.Known(role) }); {
		case one.Name == "":
			one.Problem = p.T("people.import.nameless")
		case one.Unit != "" && at < 0:
			one.Problem = p.T("people.import.unit", one.Unit)
		case unknown >= 0:
			one.Problem = p.T("people.import.role", one.Roles[unknown])
		case x.mayGive(r, "", nil, one.Roles) != nil:
			one.Problem = p.T("people.import.beyond")
		case len(x.atOnce(one.Roles)) < len(one.Roles):
			one.Problem = p.T("people.import.four")
		case at >= 0 && one.Unit != "":
			one.unitID = units[at].ID
		}
	}
	return nil
}

// make makes the people whose lines are fine and invites them; it returns how many.
func (x *Room) make(r *http.Request, list []entry) (made int, err error) {
	for _, one := range list {
		if one.Problem != "" {
			continue
		}
		roles := one.Roles
		if len(roles) == 0 {
			roles = []string{"employee"}
		}
		p, err := x.opt.Accounts.Create(r.Context(), auth.NewPerson{Email: one.Email, Name: one.Name, Unit: one.unitID, Roles: roles})
		if err != nil {
			return made, fmt.Errorf("line %d: %w", one.Line, err)
		}
		if _, err := x.opt.Accounts.Invite(r.Context(), p.ID); err != nil {
			return made, fmt.Errorf("line %d: %w", one.Line, err)
		}
		made++
	}
	return made, nil
}
