package i18n_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yagura/internal/platform/i18n"
	"yagura/locale"
)

// TestCataloguesSayTheSame holds both languages to the same keys and the same places in each message.
func TestCataloguesSayTheSame(t *testing.T) {
	t.Parallel()
	b, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	en, ja := b.Keys(i18n.English), b.Keys(i18n.Japanese)
	for _, key := range en {
		if !slices.Contains(ja, key) {
			t.Errorf("ja.json lacks %s", key)
		} else if a, b := b.Places(i18n.English, key), b.Places(i18n.Japanese, key); !slices.Equal(a, b) {
			t.Errorf("%s: en uses the arguments %v, ja %v", key, a, b)
		}
	}
	for _, key := range ja {
		if !slices.Contains(en, key) {
			t.Errorf("en.json lacks %s", key)
		}
	}
}

// uses is what the tree does with message keys.
type uses struct {
	certain  map[string]string // key to where it is asked for
	patterns []*regexp.Regexp  // "severity." and "source.state.%s" of keys that are put together
	texts    map[string]bool   // every text that may be a key
}

var (
	keyForm     = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$`)
	patternForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.([a-z0-9_]+|%[sv]))*(\.|\.%[sv](\.[a-z0-9_.]+)?)$`)
	inTemplates = regexp.MustCompile(`\bt "([^"]+)"`)
	quoted      = regexp.MustCompile(`"([^"\s]+)"`)
)

func collect(t *testing.T) uses {
	t.Helper()
	u := uses{certain: make(map[string]string), texts: make(map[string]bool)}
	root := filepath.Join("..", "..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "tools") {
				return filepath.SkipDir
			}
			return nil
		}
		switch {
		case strings.HasSuffix(path, ".html"):
			return u.template(path)
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			return u.program(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *uses) template(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, match := range inTemplates.FindAllStringSubmatch(string(data), -1) {
		u.certain[match[1]] = path
	}
	for _, match := range quoted.FindAllStringSubmatch(string(data), -1) {
		u.text(match[1])
	}
	return nil
}

// program reads a Go file: p.T("key", …), fault.New(code, "key", …), Key: "key", and any other text in the form of one.
func (u *uses) program(path string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ask := func(e ast.Expr) {
		if key := literal(e); key != "" {
			u.certain[key] = set.Position(e.Pos()).String()
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			u.text(literal(n))
		case *ast.KeyValueExpr:
			if name, ok := n.Key.(*ast.Ident); ok && name.Name == "Key" && keyForm.MatchString(literal(n.Value)) {
				ask(n.Value)
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if on, ok := sel.X.(*ast.Ident); ok && on.Name == "fault" && sel.Sel.Name == "New" && len(n.Args) > 1 {
				ask(n.Args[1])
			}
			if sel.Sel.Name == "T" && len(n.Args) > 0 {
				ask(n.Args[0])
			}
		}
		return true
	})
	return nil
}

func (u *uses) text(text string) {
	switch {
	case keyForm.MatchString(text):
		u.texts[text] = true
	case patternForm.MatchString(text):
		form := strings.NewReplacer(".", `\.`, "%s", ".+", "%v", ".+").Replace(text)
		if strings.HasSuffix(text, ".") {
			form += ".+"
		}
		u.patterns = append(u.patterns, regexp.MustCompile("^"+form+"$"))
	}
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}

// TestEveryKeyThatIsAskedForExists and none lies about unused: a catalogue that holds both is read with trust.
func TestEveryKeyThatIsAskedForExists(t *testing.T) {
	t.Parallel()
	b, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	u, keys := collect(t), b.Keys(i18n.English)
	for key, where := range u.certain {
		if !slices.Contains(keys, key) && !strings.HasSuffix(key, ".") {
			t.Errorf("%s: no message %q", where, key)
		}
	}
	for _, key := range keys {
		used := u.certain[key] != "" || u.texts[key]
		for _, pattern := range u.patterns {
			used = used || pattern.MatchString(key)
		}
		if !used {
			t.Errorf("nobody uses the message %q", key)
		}
	}
}
