package i18n_test

import (
	"testing"
	"time"

	"yagura/internal/platform/i18n"
)

func TestErasAreForJapanesePages(t *testing.T) {
	t.Parallel()
	b := bundle(t, `{}`, `{}`)
	at := time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)
	tokyo := time.FixedZone("JST", 9*3600)
	if got := b.Printer(i18n.Japanese, tokyo).WithEras().Time(at); got != "令和8年11月24日 00:04:05" {
		t.Errorf("in Japanese: %s", got)
	}
	if got := b.Printer(i18n.English, tokyo).WithEras().Date(at); got != "2026-11-24" {
		t.Errorf("in English: %s", got)
	}
}
