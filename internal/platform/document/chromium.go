package document

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"yagura/internal/platform/fault"
)

//go:embed print
var printFiles embed.FS

// sheets are the pages that Chromium prints: the paper, and what stands at the head and foot of each page.
var sheets = template.Must(template.ParseFS(printFiles, "print/*.html"))

// chromium is the program that prints, "" where there is none.
func (p *Press) chromium() string {
	switch p.opt.Chromium {
	case "none":
		return ""
	case "":
	default:
		return p.opt.Chromium
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// sheet is what the templates get.
type sheet struct {
	Paper
	Lang     string
	Style    template.CSS
	Facts    []fact
	Edge     string
	Contents []heading
	Starts   map[string]int // page of each heading, by its id, once known
	Body     template.HTML
}

// printChromium has Chromium print a paper.
func printChromium(ctx context.Context, program string, paper Paper, pictures map[string]picture) (pdf []byte, err error) {
	style, err := printFiles.ReadFile("print/print.css")
	if err != nil {
		return nil, err
	}
	md, tree, source := parse(paper.Markdown, paper.printHooks())
	var body bytes.Buffer
	if err := md.Renderer().Render(&body, source, tree); err != nil {
		return nil, err
	}
	s := sheet{
		Paper: paper, Lang: string(paper.Words.Lang()), Style: template.CSS(style), Facts: paper.facts(), Edge: paper.edge(), //nolint:gosec // our own file
		Contents: contents(tree, source), Body: withPictures(policy.SanitizeBytes(body.Bytes()), pictures),
	}
	b, err := openBrowser(ctx, program)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if pdf, err = b.printSheet(s); err != nil || len(s.Contents) == 0 {
		return pdf, err
	}
	// CSS of a browser cannot say on which page something is. The paper that was made can, and is made again with that.
	s.Starts = destinations(pdf)
	return b.printSheet(s)
}

// printSheet prints a sheet with its head and foot.
func (b *browser) printSheet(s sheet) ([]byte, error) {
	pages := make(map[string]string)
	for _, name := range []string{"paper.html", "head.html", "foot.html"} {
		var out strings.Builder
		if err := sheets.ExecuteTemplate(&out, name, s); err != nil {
			return nil, err
		}
		pages[name] = out.String()
	}
	return b.print(pages["paper.html"], pages["head.html"], pages["foot.html"])
}

// picturePath stands in for a picture until the sanitiser, which lets through paths of our own only, has done its work.
const picturePath = "/picture/"

func (paper Paper) printHooks() Hooks {
	h := Hooks{Mention: unlinked(paper.Hooks.Mention), Record: unlinked(paper.Hooks.Record)}
	h.Image = func(reference string) (string, bool) {
		return picturePath + base64.RawURLEncoding.EncodeToString([]byte(reference)), true
	}
	return h
}

// unlinked is a hook without addresses: a paper cannot lead into the program.
func unlinked(hook func(string) (Target, bool)) func(string) (Target, bool) {
	if hook == nil {
		return nil
	}
	return func(name string) (Target, bool) {
		target, ok := hook(name)
		return Target{Text: target.Text}, ok
	}
}

// withPictures puts the content of pictures where they are shown.
func withPictures(body []byte, pictures map[string]picture) template.HTML {
	pairs := make([]string, 0, 2*len(pictures))
	for reference, p := range pictures {
		pairs = append(pairs, ` src="`+picturePath+base64.RawURLEncoding.EncodeToString([]byte(reference))+`"`,
			` src="data:`+p.kind+`;base64,`+base64.StdEncoding.EncodeToString(p.data)+`"`)
	}
	return template.HTML(strings.NewReplacer(pairs...).Replace(string(body))) //nolint:gosec // sanitised; what is added is base64
}

// browser is a Chromium of its own for a paper. The page's own policy, the missing name service, the dead proxy and the scripts that
// are off each keep it from reaching anything by themselves.
type browser struct {
	ctx  context.Context // of the page that is open in it
	dir  string          // page and profile, for their owner only
	stop func()
}

func openBrowser(ctx context.Context, program string) (*browser, error) {
	dir, err := os.MkdirTemp("", "yagura-print-")
	if err != nil {
		return nil, err
	}
	options := append([]chromedp.ExecAllocatorOption(nil), chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(program), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.NoInheritEnv, chromedp.Env("HOME="+dir, "TMPDIR="+dir, "LANG=C.UTF-8", "PATH="+os.Getenv("PATH")),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.Flag("proxy-server", "socks5://127.0.0.1:9"), chromedp.Flag("proxy-bypass-list", "<-loopback>"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to be root with its sandbox
	}
	ctx, stopProcess := chromedp.NewExecAllocator(ctx, options...)
	ctx, closeTab := chromedp.NewContext(ctx)
	b := &browser{ctx, dir, func() { closeTab(); stopProcess() }}
	err = chromedp.Do(ctx, func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting Chromium: %w", err), b.close())
	}
	return b, nil
}

// close ends the process and removes what it left.
func (b *browser) close() error {
	b.stop()
	return os.RemoveAll(b.dir)
}

// print prints a page to A4 with what stands at its head and foot.
func (b *browser) print(html, head, foot string) ([]byte, error) {
	path := filepath.Join(b.dir, "paper.html")
	if err := os.WriteFile(path, []byte(html), 0o600); err != nil {
		return nil, err
	}
	if err := chromedp.Do(b.ctx, chromedp.Navigate("file://"+filepath.ToSlash(path))); err != nil {
		return nil, fmt.Errorf("opening the paper in Chromium: %w", err)
	}
	yes := true
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(
		chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFMargins(0.95, 0.8, 0.8, 0.8), chromedp.PDFPrintBackground(),
		chromedp.PDFHeaderTemplate(head), chromedp.PDFFooterTemplate(foot),
		func(p *page.PrintToPDFParams) {
			p.GenerateTaggedPDF, p.GenerateDocumentOutline, p.TransferMode = &yes, &yes, page.PrintToPDFTransferModeReturnAsStream
		},
	))
	if err != nil {
		return nil, fmt.Errorf("printing the paper with Chromium: %w", err)
	}
	if len(pdf) > maxPDF {
		return nil, fault.New(fault.TooLarge, "fault.document.images", "a paper of %d bytes", len(pdf))
	}
	return pdf, nil
}
