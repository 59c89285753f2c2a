package app

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"yagura/internal/platform/record"
)

// sqlTexts are texts that would mean something else than themselves where one became a part of a statement.
func sqlTexts() []string {
	return []string{
		"' OR '1'='1", `" OR 1=1 --`, "x'; DROP TABLE record_history; --", "') OR 1=1 --", "/**/UNION/**/SELECT/**/1", "\\", "\\'", "%", "_", "$1", "?", "NUL\x00byte", "\xff\xfe",
		strings.Repeat("'", 5000), "id", "1 OR 1=1", "1..1 OR 1=1", "CASE WHEN 1=1 THEN 1 END", "x\" NEAR(y", "title:x* AND", "é́́", "99999999999999999999999999", "-9223372036854775808..9223372036854775807",
	}
}

// asked asks the API as the first administrator.
func (b *besieged) asked(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", "application/json")
	r.AddCookie(&http.Cookie{Name: visit, Value: b.admin.ID})
	w := httptest.NewRecorder()
	b.site.Handler().ServeHTTP(w, r)
	return w
}

// listed are the ids of what a list of the API has.
func (b *besieged) listed(path string) []string {
	b.t.Helper()
	answer := b.asked(path)
	var page struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil {
		b.t.Errorf("%.200s: %v", path, err)
	}
	ids := make([]string, 0, len(page.Items))
	for _, item := range page.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

// TestNoQueryOfAnyKindSpeaksSQL says to every filter, order, cursor, column and view of every kind, on pages and over the API, what would change
// the meaning of a statement that it became a part of. The answer is a list of no more than what the text means, or that it means nothing.
func TestNoQueryOfAnyKindSpeaksSQL(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	for _, k := range b.Record.Kinds() {
		all := b.listed("/api/v1" + k.Path)
		if len(all) == 0 {
			t.Fatalf("there is no %s", k.Name)
		}
		params := []string{"q", "sort", "cursor", "limit", "columns", "view", "deleted", "tab", "panel", "edit", "_list", "_since", "no_field"}
		for _, f := range k.All() {
			params = append(params, f.Name)
		}
		for _, param := range params {
			for i, text := range sqlTexts() {
				query := "?" + url.Values{param: {text}}.Encode()
				paths := []string{k.Path + query, "/api/v1" + k.Path + query}
				if i%4 == 0 { // what follows reads the same query
					paths = append(paths, "/api/v1"+k.Path+"/export"+query+"&format=csv", k.Path+"/-/fresh"+query, k.Path+"/-/exports"+query)
				}
				for _, path := range paths {
					if answer := b.asked(path); answer.Code >= 500 {
						t.Errorf("%.120s: status %d: %.300s", path, answer.Code, answer.Body)
					}
				}
				// Where it is taken for a text, it finds what has it.
				if f := k.Field(param); (f != nil || param == "q") && b.asked("/api/v1"+k.Path+query).Code == http.StatusOK {
					for _, id := range b.listed("/api/v1" + k.Path + query) {
						if r, err := b.Record.Get(t.Context(), record.System(), k.Name, id); err != nil || !means(r, f, text) {
							t.Errorf("%s=%.40q finds %q, %v", param, text, r.Text(param), err)
						}
					}
				}
			}
		}
		if left := b.listed("/api/v1" + k.Path); !slices.Equal(left, all) {
			t.Errorf("afterwards there are %d of %d %s", len(left), len(all), k.Name)
		}
	}
	for _, path := range []string{"/find", "/api/v1/find", "/tasks", "/notifications", "/ledger", "/people", "/jobs", "/records/-/people", "/records/-/records"} {
		for _, param := range []string{"q", "cursor", "view", "owner", "other", "actor", "table", "role", "state", "sort", "limit", "unit"} {
			for _, text := range sqlTexts() {
				if answer := b.asked(path + "?" + url.Values{param: {text}}.Encode()); answer.Code >= 500 {
					t.Errorf("%s?%s=%.40q: status %d: %.300s", path, param, text, answer.Code, answer.Body)
				}
			}
		}
	}
}

// means reports whether a text honestly finds a record by a field, nil for the search: a range of all numbers, a part of its text, or words that
// all are in what was written.
func means(r *record.Record, f *record.Field, text string) bool {
	if f != nil {
		return strings.HasPrefix(text, "-9223372036854775808..") || strings.Contains(strings.ToLower(r.Text(f.Name)), strings.ToLower(text))
	}
	words := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	}
	there := words(written + hostileRule())
	return !slices.ContainsFunc(words(text), func(word string) bool { return !slices.Contains(there, word) })
}

// TestNoExportOfAnyKindIsAFormula exports records whose texts begin like formulas: of every kind, for every spreadsheet.
func TestNoExportOfAnyKindIsAFormula(t *testing.T) {
	t.Parallel()
	b := besiege(t)
	for _, k := range b.Record.Kinds() {
		if !k.Without.Create {
			for _, begin := range []string{"=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", "\r=", "'="} {
				form := b.fill(k)
				for name, texts := range form {
					if strings.Contains(texts[0], "yagura-probe") && harmless()[k.Name][name] == "" && k.Field(name).Type.Word() != "tags" {
						form.Set(name, begin+`cmd|' /c calc'!A1`)
					}
				}
				b.done(k.Path, form)
			}
		}
		lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.get(b.admin.ID, k.Path+"/-/export?format=csv&view=all", nil).Body.String(), "\ufeff"))).ReadAll()
		if err != nil || len(lines) < 2 || !k.Without.Create && len(lines) < 12 {
			t.Fatalf("%s: %d lines, %v", k.Name, len(lines), err)
		}
		for _, line := range lines {
			for _, cell := range line {
				if _, number := strings.CutPrefix(cell, "-"); strings.ContainsRune("=+-@＝＋－＠\t\r", first(cell)) && (!number || strings.Trim(cell, "-0123456789") != "") {
					t.Errorf("%s: the cell %q", k.Name, cell)
				}
			}
		}
		book := b.get(b.admin.ID, k.Path+"/-/export?format=xlsx&view=all", nil).Body.Bytes()
		for name, text := range unpacked(t, book) {
			if strings.HasPrefix(name, "xl/worksheets/") && (strings.Contains(text, "<f>") || strings.Contains(text, "<f ") || strings.Contains(text, "<hyperlink")) || strings.Contains(name, "externalLink") || strings.Contains(name, "vba") {
				t.Errorf("%s: %s has a formula, a link or a macro", k.Name, name)
			}
		}
		if kind := b.get(b.admin.ID, k.Path+"/-/export?format=json&view=all", nil).Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: JSON is sent as %s", k.Name, kind)
		}
	}
}

func first(text string) rune {
	for _, c := range text {
		return c
	}
	return ' '
}
