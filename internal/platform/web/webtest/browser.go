package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// NeedPictures skips a test that only takes pictures, where nobody wants any.
func NeedPictures(t testing.TB) {
	t.Helper()
	if os.Getenv(picturesVariable) == "" {
		t.Skip("set " + picturesVariable + " to a folder to keep pictures of the pages there")
	}
}

// Browser starts a headless Chromium of its own for the test, with a fresh profile, and skips the test where there is none. It
// ends after two minutes.
func Browser(t testing.TB) context.Context {
	t.Helper()
	return BrowserFor(t, 2*time.Minute)
}

// BrowserFor is Browser with another limit.
func BrowserFor(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium: install Debian's package chromium to test pages in a browser")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoSandbox, chromedp.Headless}
	for _, flag := range []string{"disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stopProcess := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil { // starts it, so that there is something to close
		stopProcess()
		t.Fatalf("starting Chromium: %v", err)
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	t.Cleanup(func() {
		stop()
		// The tab first, then the process: its children end before the profile is removed.
		closeTab()
		stopProcess()
	})
	return ctx
}

// picturesVariable names the folder that pictures of pages are kept in.
const picturesVariable = "YAGURA_SCREENSHOTS"

// Shoot keeps a picture of what the browser shows, as name.png in the folder that YAGURA_SCREENSHOTS names, for people to
// look at; without that nothing is done. The actions run first.
func Shoot(t testing.TB, ctx context.Context, name string, width, height int64, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	folder := os.Getenv(picturesVariable)
	if folder == "" {
		return
	}
	size := chromedp.EmulateViewport(width, height)
	if width < 600 {
		size = chromedp.EmulateViewport(width, height, chromedp.EmulateMobile)
	}
	if err := chromedp.Do(ctx, append(append([]chromedp.Action[chromedp.Void]{size}, actions...), chromedp.Sleep(300*time.Millisecond))...); err != nil {
		t.Errorf("picture %s: %v", name, err)
		return
	}
	image, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), image, 0o644)
	}
	if err != nil {
		t.Errorf("picture %s: %v", name, err)
	}
}

// SetCookie sets a cookie for the site that the browser shows.
func SetCookie(name, value string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[string](fmt.Sprintf("document.cookie = %q", name+"="+value+"; path=/"))(ctx, t)
		return err
	})
}
