package app

import (
	"slices"
	"strings"
	"testing"

	"yagura/internal/platform/i18n"
	"yagura/locale"
)

// TestKindsHaveAllTheirWords holds what kinds of records need against the catalogues, both ways: a word that is missing shows its key, and one
// that no kind has lies about unused.
func TestKindsHaveAllTheirWords(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	catalogue, err := i18n.Load(locale.Files)
	if err != nil {
		t.Fatal(err)
	}
	keys := catalogue.Keys(i18n.English)
	var wanted []string
	for _, k := range h.Record.Kinds() {
		wanted = append(wanted, k.Words()...)
	}
	if len(wanted) == 0 {
		t.Fatal("there are no kinds of records")
	}
	for _, key := range wanted {
		if !slices.Contains(keys, key) {
			t.Errorf("no message %q", key)
		}
	}
	for _, key := range keys {
		// What helps to fill in a field may be left out.
		if strings.HasPrefix(key, "kind.") && !strings.Contains(key, ".help.") && !slices.Contains(wanted, key) {
			t.Errorf("no kind of record has the word %q", key)
		}
	}
}
