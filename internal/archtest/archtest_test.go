// Package archtest guards the walls of the house: who may import whom, and what no file may contain.
// The rules stand in docs/architecture.md; here they are checked.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "yagura/"

// downstream says which houses a house may call. Nobody calls back.
var downstream = map[string][]string{
	"detect":  {"respond"},
	"brand":   {"respond", "detect"},
	"protect": {"respond", "detect"},
	"respond": {},
	"govern":  {},
}

// source is one Go file of the tree, tests included.
type source struct {
	path string // slash-separated, from the module's root
	file *ast.File
	set  *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) imports() []string {
	var paths []string
	for _, spec := range s.file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, path)
		}
	}
	return paths
}

func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var list []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "tools" || name == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		list = append(list, source{filepath.ToSlash(rel), file, set})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("only %d Go files found: is the walk broken?", len(list))
	}
	return list
}

// house returns the house a path of ours lies in, "platform" for the floor, "" for what is neither.
func house(path string) string {
	rest, ok := strings.CutPrefix(path, "internal/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	if _, known := downstream[name]; known || name == "platform" {
		return name
	}
	return ""
}

func TestWhoMayImportWhom(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		from := house(s.path)
		for _, path := range s.imports() {
			ours, ok := strings.CutPrefix(path, module)
			if !ok {
				continue
			}
			to := house(ours)
			own := ours == strings.TrimSuffix(filepath.ToSlash(filepath.Dir(s.path)), "/")
			switch {
			case (strings.HasPrefix(s.path, "sigma/") || strings.HasPrefix(s.path, "internal/event/")) && !own && !s.test():
				t.Errorf("%s imports %s: sigma and event import nothing of ours", s.path, path)
			case strings.HasPrefix(s.path, "client/") && !own:
				t.Errorf("%s imports %s: who builds with the client builds nothing else of ours", s.path, path)
			case from == "platform" && to != "" && to != "platform":
				t.Errorf("%s imports %s: the floor knows no house", s.path, path)
			case from != "" && from != "platform" && to != "" && to != "platform" && to != from && !slices.Contains(downstream[from], to):
				t.Errorf("%s imports %s: house %s does not look at house %s", s.path, path, from, to)
			case ours == "internal/app" && !strings.HasPrefix(s.path, "cmd/") && !strings.HasPrefix(s.path, "internal/app/"):
				t.Errorf("%s imports %s: only the commands use the wiring", s.path, path)
			case strings.HasPrefix(ours, "cmd/"):
				t.Errorf("%s imports a command", s.path)
			}
		}
	}
}

// engines are libraries that hide behind one package of ours.
var engines = map[string]string{
	"github.com/VictoriaMetrics/": "internal/platform/logstore/",
	"modernc.org/sqlite":          "internal/platform/db/",
	"github.com/pressly/goose":    "internal/platform/db/",
	"github.com/alecthomas/kong":  "cmd/yagura/",
	"github.com/minio/minio-go":   "internal/platform/blob/",
	"github.com/xuri/excelize":    "internal/platform/sheet/",
	"github.com/yuin/goldmark":    "internal/platform/document/",
	"github.com/signintech/gopdf": "internal/platform/document/",
}

func TestEnginesHideBehindOnePackage(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, path := range s.imports() {
			for prefix, home := range engines {
				if strings.HasPrefix(path, prefix) && !strings.HasPrefix(s.path, home) {
					t.Errorf("%s imports %s, which only %s may", s.path, path, home)
				}
			}
		}
	}
}

func TestNoInitAndNoDrawerPackages(t *testing.T) {
	t.Parallel()
	drawers := []string{"utils", "util", "common", "helpers", "helper", "manager", "misc"}
	for _, s := range sources(t) {
		if slices.Contains(drawers, s.file.Name.Name) {
			t.Errorf("%s: package %s names no subject", s.path, s.file.Name.Name)
		}
		for _, decl := range s.file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init() hides what runs at start; wire it in internal/app", s.set.Position(fn.Pos()))
			}
		}
	}
}

// TestNoUnfinishedWork finds markers of work put off; a thing is finished or it is not there.
func TestNoUnfinishedWork(t *testing.T) {
	t.Parallel()
	markers := []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:", "not " + "implemented", "未" + "実装"}
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			for _, comment := range group.List {
				for _, marker := range markers {
					if strings.Contains(comment.Text, marker) {
						t.Errorf("%s: a comment says %q", s.set.Position(comment.Pos()), marker)
					}
				}
			}
		}
	}
}

// TestEveryPackageSaysWhatItPromises asks each package for a comment of its own.
// TestFormsAreReadFromTheBodyAlone finds http.Request.FormValue, which takes a field from the address where the body has none: what is
// posted stands in the body (PostFormValue), what is asked for in the address (URL.Query).
func TestFormsAreReadFromTheBodyAlone(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "FormValue" {
				t.Errorf("%s: FormValue mixes the body and the address", s.set.Position(n.Pos()))
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItPromises(t *testing.T) {
	t.Parallel()
	documented := make(map[string]bool)
	for _, s := range sources(t) {
		dir := filepath.ToSlash(filepath.Dir(s.path))
		if s.test() && !strings.HasSuffix(dir, "archtest") {
			continue
		}
		documented[dir] = documented[dir] || s.file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}
