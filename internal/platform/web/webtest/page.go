package webtest

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Step is one thing done in a browser.
type Step = chromedp.Action[chromedp.Void]

// Do runs steps in the browser, or ends the test.
func Do(t testing.TB, ctx context.Context, steps ...Step) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// Ask evaluates an expression in the page, or ends the test.
func Ask[T any](t testing.TB, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Until waits for an expression to become true, or ends the test after 10 seconds. It asks from outside: the content
// policy lets no page evaluate text.
func Until(t testing.TB, ctx context.Context, expression string) {
	t.Helper()
	for range 400 {
		if Ask[bool](t, ctx, "!!("+expression+")") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", expression)
}
