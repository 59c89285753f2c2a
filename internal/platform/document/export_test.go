package document

import (
	"context"
	"errors"
	"regexp"
)

// PrintHTML prints any page.
func PrintHTML(ctx context.Context, program, html string) ([]byte, error) {
	b, err := openBrowser(ctx, program)
	if err != nil {
		return nil, err
	}
	pdf, err := b.print(html, "<p></p>", "<p></p>")
	return pdf, errors.Join(err, b.close())
}

// PolicyMeta is the policy that every paper has.
func PolicyMeta() string {
	page, err := printFiles.ReadFile("print/paper.html")
	if err != nil {
		panic(err)
	}
	return regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`).FindString(string(page))
}
