package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// assets serves the static files. Their addresses carry a hash of their content (/static/app.0f3a….css), so a browser
// may keep them for ever and still sees a new version at once.
type assets struct {
	files   map[string]asset  // by address below /static/
	address map[string]string // of a file's plain name
}

type asset struct {
	data []byte
	kind string
}

func loadAssets() (*assets, error) {
	a := &assets{files: make(map[string]asset), address: make(map[string]string)}
	return a, a.add("", staticFiles)
}

// add takes the files of a module's static folder, found as "<module>/<name>".
func (a *assets) add(module string, files fs.FS) error {
	return fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		plain := path.Join(module, strings.TrimPrefix(name, "static/"))
		if a.address[plain] != "" {
			return fmt.Errorf("there are two static files %s", plain)
		}
		sum, ext := sha256.Sum256(data), path.Ext(plain)
		hashed := strings.TrimSuffix(plain, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.files[hashed] = asset{data, contentType(ext)}
		a.address[plain] = "/static/" + hashed
		return nil
	})
}

// contentType names the kind by a list of our own: what the system's list says must not matter.
func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/plain; charset=utf-8"
	}
}

// url returns the address of a file, an error where there is none: a template that misspells it must not render.
func (a *assets) url(name string) (string, error) {
	address, ok := a.address[name]
	if !ok {
		return "", fmt.Errorf("no static file %q", name)
	}
	return address, nil
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[strings.TrimPrefix(r.URL.Path, "/static/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", file.kind)
	_, _ = w.Write(file.data)
}
