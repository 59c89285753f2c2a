package document

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// destinations reads from a PDF of Chromium's on which page each id stands, as far as it can be found: Skia writes all objects but
// streams as plain text. What is not understood is left out.
func destinations(pdf []byte) map[string]int {
	pages, at := pageNumbers(string(pdf)), make(map[string]int)
	for _, found := range regexp.MustCompile(`/(\S+) \[(\d+) 0 R /XYZ `).FindAllSubmatch(pdf, -1) {
		if n := pages[string(found[2])]; n > 0 {
			at[idOf(string(found[1]))] = n
		}
	}
	return at
}

// idOf undoes what PDF ("#25") and addresses ("%e9") do to the characters of a name.
func idOf(name string) string {
	plain, err := url.PathUnescape(strings.ReplaceAll(strings.ReplaceAll(name, "#25", "%"), "#", "%"))
	if err != nil {
		return name
	}
	if id, err := url.PathUnescape(plain); err == nil {
		return id
	}
	return plain
}

// pageNumbers counts the pages of the tree below the catalogue, by the numbers of their objects.
func pageNumbers(pdf string) map[string]int {
	kids := make(map[string][]string)
	for _, node := range regexp.MustCompile(`(?s)(\d+) 0 obj\s*<</Type /Pages\b([^>]*)>>`).FindAllStringSubmatch(pdf, -1) {
		_, list, _ := strings.Cut(node[2], "/Kids [")
		list, _, _ = strings.Cut(list, "]")
		for _, ref := range strings.Split(list, " 0 R") {
			if ref = strings.TrimSpace(ref); ref != "" {
				kids[node[1]] = append(kids[node[1]], ref)
			}
		}
	}
	numbers := make(map[string]int)
	root := regexp.MustCompile(`/Type /Catalog\s*/Pages (\d+) 0 R`).FindStringSubmatch(pdf)
	if root == nil {
		return numbers
	}
	seen := make(map[string]bool)
	var walk func(node string)
	walk = func(node string) {
		list, inner := kids[node]
		if !inner {
			if _, err := strconv.Atoi(node); err == nil && numbers[node] == 0 {
				numbers[node] = len(numbers) + 1
			}
			return
		}
		if seen[node] {
			return
		}
		seen[node] = true
		for _, kid := range list {
			walk(kid)
		}
	}
	walk(root[1])
	return numbers
}
