package document

import (
	"context"
	"regexp"
)

// PrintHTML prints any page.
func PrintHTML(ctx context.Context, program, html string) ([]byte, error) {
	return printHTML(ctx, program, html, "<p></p>", "<p></p>")
}

// PolicyMeta is the policy that every paper has.
func PolicyMeta() string {
	page, err := printFiles.ReadFile("print/paper.html")
	if err != nil {
		panic(err)
	}
	return regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).FindString(string(page))
}
