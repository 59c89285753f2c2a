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
	var err error
	for range 400 {
		var is bool
		// A page that is just leaving cannot answer; the next one can.
		if is, err = chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && is {
			return
		}
		if ctx.Err() != nil {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s: %v", expression, err)
}

// Faint lists the texts of the page that are harder to read than WCAG 2.2 AA allows (1.4.3): 4.5 to 1, 3 to 1 for large ones.
func Faint(t testing.TB, ctx context.Context) []string {
	t.Helper()
	return Ask[[]string](t, ctx, contrasts)
}

const contrasts = `(() => {
	const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
	const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
	const ground = el => { for (; el; el = el.parentElement) { const c = rgba(getComputedStyle(el).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
	const bad = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = walk.nextNode();) {
		const el = n.parentElement;
		if (!n.data.trim() || !el.offsetParent || el.closest(".visually-hidden, .skip, template, option")) continue;
		const style = getComputedStyle(el), size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const [a, b] = [light(rgba(style.color)), light(ground(el))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
		if (ratio < (large ? 3 : 4.5)) bad.add(ratio.toFixed(2) + " " + el.className + " " + n.data.trim().slice(0, 30));
	}
	return [...bad];
})()`
