package document

import (
	"bytes"
	"os"
	"strings"
	"unicode"

	"github.com/signintech/gopdf"
	"golang.org/x/text/unicode/norm"

	"yagura/internal/platform/fault"
)

// fontPlaces are Japanese TrueType fonts of free licences (OFL, IPA Font License) as Debian, Fedora and Arch install them, and those
// of macOS and Windows that are single TrueType files. Each is followed by its bold face, where it has one.
func fontPlaces() [][2]string {
	const share = "/usr/share/fonts/"
	return [][2]string{
		{share + "truetype/bizud-gothic/BIZUDPGothic-Regular.ttf", share + "truetype/bizud-gothic/BIZUDPGothic-Bold.ttf"},
		{share + "morisawa-biz-ud-gothic-fonts/BIZUDPGothic-Regular.ttf", share + "morisawa-biz-ud-gothic-fonts/BIZUDPGothic-Bold.ttf"},
		{share + "TTF/BIZUDPGothic-Regular.ttf", share + "TTF/BIZUDPGothic-Bold.ttf"},
		{share + "opentype/ipaexfont-gothic/ipaexg.ttf", ""},
		{share + "opentype/ipafont-gothic/ipagp.ttf", ""},
		{share + "ipa-gothic-fonts/ipag.ttf", ""},
		{share + "truetype/vlgothic/VL-PGothic-Regular.ttf", ""},
		{share + "truetype/fonts-japanese-gothic.ttf", ""},
		{"/Library/Fonts/Arial Unicode.ttf", ""},
		{"/System/Library/Fonts/Supplemental/Arial Unicode.ttf", ""},
		{`C:\Windows\Fonts\yumin.ttf`, `C:\Windows\Fonts\yumindb.ttf`},
	}
}

// faces are the fonts that a paper is set with.
type faces struct {
	regular, bold []byte // bold may be nil: then it is regular, printed twice
}

// faces reads the configured font, or the first that is there.
func (p *Press) faces() (faces, error) {
	places := fontPlaces()
	if p.opt.Font != "" {
		places = [][2]string{{p.opt.Font, ""}}
	}
	for _, place := range places {
		regular, err := os.ReadFile(place[0])
		if err != nil || !isTrueType(regular) {
			continue
		}
		f := faces{regular: regular}
		if bold, err := os.ReadFile(place[1]); err == nil && isTrueType(bold) {
			f.bold = bold
		}
		return f, nil
	}
	return faces{}, fault.New(fault.Unavailable, "fault.document.font", "neither Chromium nor a Japanese TrueType font (glyf outlines, no collection) was found")
}

// isTrueType reports whether a font has the outlines that the typesetter can read: no collection, no PostScript outlines.
func isTrueType(data []byte) bool {
	return (bytes.HasPrefix(data, []byte("\x00\x01\x00\x00")) || bytes.HasPrefix(data, []byte("true"))) && len(data) > 1000
}

// load gives the fonts to a PDF.
func (f faces) load(pdf *gopdf.GoPdf) error {
	missing := func(rune) rune { return '〓' } // as a compositor puts for a sort that is out
	if err := pdf.AddTTFFontDataWithOption(family, f.regular, gopdf.TtfOption{OnGlyphNotFoundSubstitute: missing}); err != nil {
		return err
	}
	if f.bold == nil {
		return nil
	}
	return pdf.AddTTFFontDataWithOption(family, f.bold, gopdf.TtfOption{Style: gopdf.Bold, OnGlyphNotFoundSubstitute: missing})
}

const family = "paper"

// printable makes a text of characters that have a shape each: composed, without what only joins, turns or selects.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case unicode.IsSpace(c) && c != '\u3000' && c != '\u00a0':
			return ' '
		case unicode.IsControl(c), unicode.Is(unicode.Cf, c), unicode.Is(unicode.Variation_Selector, c):
			return -1
		}
		return c
	}, norm.NFC.String(strings.ToValidUTF8(text, "〓")))
}
