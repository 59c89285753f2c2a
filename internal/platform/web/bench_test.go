package web_test

import (
	"testing"

	"yagura/internal/platform/web/webtest"
)

// BenchmarkPage shows the specimen's list: 24 rows, a histogram, the frame. BenchmarkFrame is an error page, the frame alone, to
// compare with.
func BenchmarkPage(b *testing.B) {
	benchmarkPath(b, webtest.Request{As: webtest.Admin, Path: "/specimen"})
}

func BenchmarkFrame(b *testing.B) { benchmarkPath(b, webtest.Request{Path: "/public"}) }

func benchmarkPath(b *testing.B, ask webtest.Request) {
	site := newSite(b)
	for b.Loop() {
		answer := site.Do(ask)
		if answer.Code != 200 {
			b.Fatal(answer.Code)
		}
		b.SetBytes(int64(answer.Body.Len()))
	}
}
