// Package docs holds the documents of this folder, so that the program shows them at /help. Documents in Japanese stand in ja/
// under the same names.
package docs

import "embed"

//go:embed *.md ja/*.md
var files embed.FS

// Files returns the documents: "search.md", "ja/using.md".
func Files() embed.FS { return files }
