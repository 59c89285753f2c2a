package backtest_test

import (
	"testing"

	"yagura/internal/detect/taxonomy"
)

func tax(t testing.TB) *taxonomy.Taxonomy {
	t.Helper()
	x, err := taxonomy.Load()
	if err != nil {
		t.Fatal(err)
	}
	return x
}
