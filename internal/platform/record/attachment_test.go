package record_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"yagura/internal/platform/auth"
	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func (x *desk) attach(r *record.Record, name, content string) record.Attachment {
	x.t.Helper()
	a, err := x.Attach(x.as(writer), writer, r.Kind.Name, r.ID, strings.NewReader(content), record.Attaching{Name: name, Note: "差押え", Place: "金庫 A"})
	if err != nil {
		x.t.Fatal(err)
	}
	return a
}

func (x *desk) chain(r *record.Record, a record.Attachment) (lines []string) {
	x.t.Helper()
	page, err := x.Chain(x.t.Context(), reader, r.Kind.Name, r.ID, a.ID, "", 100)
	if err != nil {
		x.t.Fatal(err)
	}
	for _, c := range page.Items {
		lines = append(lines, strings.Join(strings.Fields(c.Actor+" "+c.Action+" "+short(c.From)+" "+short(c.To)+" "+c.Note), " "))
	}
	slices.Reverse(lines)
	return lines
}

// short makes hashes short.
func short(text string) string {
	if len(text) == 64 {
		return text[:4]
	}
	return text
}

func TestTheChainOfCustody(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		a := x.attach(r, "disk.img", "hello")
		if a.SHA256 != "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" || a.Size != 5 || a.Media != "text/plain; charset=utf-8" || a.Holder != "aoki" {
			t.Errorf("attached as %+v", a)
		}
		got, content, err := x.OpenAttachment(x.as(reader), reader, "loan", r.ID, a.ID, record.LookWhole)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(content); err != nil || string(text) != "hello" || got.Name != "disk.img" {
			t.Errorf("it reads %q of %q, %v", text, got.Name, err)
		}
		content.Close()
		of := func(by *auth.User, to, note string) error {
			return x.OfferAttachment(x.as(by), by, "loan", r.ID, a.ID, to, note)
		}
		take := func(by *auth.User, answer string) error {
			return x.TakeAttachment(x.as(by), by, "loan", r.ID, a.ID, answer, "")
		}
		x.want("who does not hold it hands it over", of(second, "chiba", ""), fault.Forbidden)
		x.want("handing over to nobody", of(writer, "stranger", ""), fault.Invalid)
		x.want("handing over to who may not see it", of(writer, "nobody", ""), fault.Invalid)
		x.want("taking over what is not offered", take(second, record.Taken), fault.Conflict)
		x.want("handing over", of(writer, "baba", "鑑定へ"), "")
		if x.last() != "attach.offer baba" {
			t.Errorf("told: %s", x.last())
		}
		x.want("handing over twice", of(writer, "chiba", ""), fault.Conflict)
		x.want("somebody else takes it", take(reader, record.Taken), fault.Forbidden)
		x.want("it is declined", take(second, record.Declined), "")
		x.want("handing over again", of(writer, "baba", ""), "")
		robot := *second
		robot.Session = false
		x.want("a token takes it over", take(&robot, record.Taken), fault.Forbidden)
		x.want("taking over", take(second, record.Taken), "")
		x.want("a reader changes the place", x.PlaceAttachment(x.as(reader), reader, "loan", r.ID, a.ID, "机", ""), fault.Forbidden)
		x.want("the place changes", x.PlaceAttachment(x.as(second), second, "loan", r.ID, a.ID, "鑑定室", "封印済み"), "")
		if _, err := x.VerifyAttachment(x.as(reader), reader, "loan", r.ID, a.ID); err != nil {
			t.Error(err)
		}
		x.want("removing what another attached", x.RemoveAttachment(x.as(second), second, "loan", r.ID, a.ID, "x"), fault.Forbidden)
		x.want("removing without a reason", x.RemoveAttachment(x.as(writer), writer, "loan", r.ID, a.ID, ""), fault.Invalid)
		x.want("removing", x.RemoveAttachment(x.as(writer), writer, "loan", r.ID, a.ID, "別件のもの"), "")
		x.want("reading what was removed", third(x.OpenAttachment(x.as(reader), reader, "loan", r.ID, a.ID, record.LookWhole)), fault.NotFound)
		want := []string{
			"aoki received 2cf2 金庫 A", "chiba read", "aoki offered aoki baba 鑑定へ", "baba declined aoki baba", "aoki offered aoki baba", "baba taken aoki baba",
			"baba moved 金庫 A 鑑定室 封印済み", "chiba verified 2cf2 2cf2", "aoki removed 2cf2 別件のもの",
		}
		if diff := cmp.Diff(want, x.chain(r, a)); diff != "" {
			t.Error(diff)
		}
		list, err := x.Attachments(t.Context(), reader, "loan", r.ID)
		if err != nil || len(list) != 1 || list[0].RemovedWhy != "別件のもの" || list[0].Holder != "baba" || list[0].Place != "鑑定室" {
			t.Errorf("removed ones are listed: %+v, %v", list, err)
		}
	})
}

func third[A, B any](_ A, _ B, err error) error { return err }

func TestAChangedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.loan("L-1")
	a := x.attach(r, "log.txt", "the evidence")
	path := filepath.Join(x.files, a.SHA256[:2], a.SHA256)
	err := os.Chmod(path, 0o600)
	if err == nil {
		err = os.WriteFile(path, []byte("The evidence"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.VerifyAttachment(x.as(reader), reader, "loan", r.ID, a.ID)
	if err != nil || got.Damaged == "" || got.Damaged == a.SHA256 || got.CheckedAt.IsZero() {
		t.Errorf("found: %+v, %v", got, err)
	}
	if !has(x.history(reader, r), "attach.damaged attach.name:log.txt") || !has(x.chain(r, a), "chiba damaged "+short(a.SHA256)+" "+short(got.Damaged)) {
		t.Errorf("nobody hears of it: %q %q", x.history(reader, r), x.chain(r, a))
	}
	if _, err := x.VerifyAttachment(x.as(reader), reader, "loan", r.ID, a.ID); err != nil || strings.Count(strings.Join(x.history(reader, r), "\n"), "damaged") != 1 {
		t.Errorf("the history says it again and again: %q, %v", x.history(reader, r), err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, err := x.VerifyAttachment(x.as(reader), reader, "loan", r.ID, a.ID); err != nil || got.Damaged != "-" {
		t.Errorf("a file that is gone: %+v, %v", got, err)
	}
}

// endless is an upload of two gigabytes.
type endless struct{ given int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.given >= 2<<30 {
		return 0, io.EOF
	}
	e.given += int64(len(p))
	return len(p), nil
}

func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.loan("L-1")
	upload := new(endless)
	_, err := x.Attach(x.as(writer), writer, "loan", r.ID, upload, record.Attaching{Name: "big"})
	x.want("two gigabytes", err, fault.TooLarge)
	if upload.given > recordtest.MaxFile+1<<20 {
		t.Errorf("%d bytes were read of a limit of %d", upload.given, recordtest.MaxFile)
	}
	upload = new(endless)
	_, err = x.Attach(x.as(reader), reader, "loan", r.ID, upload, record.Attaching{Name: "big"})
	x.want("a reader's upload", err, fault.Forbidden)
	if upload.given != 0 {
		t.Errorf("%d bytes were taken from somebody who may not attach", upload.given)
	}
	broken := errors.New("the line broke")
	if _, err := x.Attach(x.as(writer), writer, "loan", r.ID, io.MultiReader(strings.NewReader("x"), failing{broken}), record.Attaching{}); !errors.Is(err, broken) {
		t.Errorf("a broken upload: %v", err)
	}
	if list, err := x.Attachments(t.Context(), reader, "loan", r.ID); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAttachmentsOfOtherRecordsAreNotThere(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	hidden, mine := x.secret("買収", "aoki"), x.loan("L-1")
	a := x.attach(hidden, "plan.txt", "x")
	for what, err := range map[string]error{
		"listing":       second1(x.Attachments(t.Context(), second, "secret", hidden.ID)),
		"reading":       third(x.OpenAttachment(x.as(second), second, "secret", hidden.ID, a.ID, record.LookWhole)),
		"through mine":  third(x.OpenAttachment(x.as(writer), writer, "loan", mine.ID, a.ID, record.LookWhole)),
		"its chain":     second1(x.Chain(t.Context(), second, "loan", mine.ID, a.ID, "", 10)),
		"verifying":     second1(x.VerifyAttachment(x.as(second), second, "loan", mine.ID, a.ID)),
		"removing":      x.RemoveAttachment(x.as(writer), writer, "loan", mine.ID, a.ID, "x"),
		"its place":     x.PlaceAttachment(x.as(writer), writer, "loan", mine.ID, a.ID, "x", ""),
		"handing over":  x.OfferAttachment(x.as(writer), writer, "loan", mine.ID, a.ID, "baba", ""),
		"taking over":   x.TakeAttachment(x.as(writer), writer, "loan", mine.ID, a.ID, record.Taken, ""),
		"attaching one": second1(x.Attach(x.as(second), second, "secret", hidden.ID, strings.NewReader("x"), record.Attaching{})),
	} {
		x.want(what, err, fault.NotFound)
	}
}

func TestTheFileOfARemovedAttachmentIsKeptForItsTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	dbtest.EachAt(t, func() time.Time { return now }, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		a := x.attach(r, "a", "same")
		b := x.attach(r, "b", "same")
		x.want("removing", x.RemoveAttachment(x.as(writer), writer, "loan", r.ID, a.ID, "x"), "")
		if n, err := x.Purge(t.Context()); err != nil || n != 0 {
			t.Errorf("%d were given up at once, %v", n, err)
		}
		x.want("removing", x.RemoveAttachment(x.as(writer), writer, "loan", r.ID, b.ID, "x"), "")
		if used, err := x.Used(t.Context(), a.SHA256); err != nil || !used {
			t.Errorf("used: %v, %v", used, err)
		}
	})
	later := dbtest.NewAt(t, func() time.Time { return now })
	x := openDesk(t, later)
	r := x.loan("L-1")
	a := x.attach(r, "a", "same")
	x.want("removing", x.RemoveAttachment(x.as(writer), writer, "loan", r.ID, a.ID, "x"), "")
	now = now.Add(recordtest.KeepRemoved + time.Second)
	if n, err := x.Purge(t.Context()); err != nil || n != 1 {
		t.Errorf("%d were given up after their time, %v", n, err)
	}
	if used, err := x.Used(t.Context(), a.SHA256); err != nil || used {
		t.Errorf("used: %v, %v", used, err)
	}
	if chain := x.chain(r, a); !strings.HasPrefix(chain[len(chain)-1], "system erased") {
		t.Errorf("the chain ends with %q", chain)
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"../../etc/passwd":                 "passwd",
		`C:\Users\x\evil.exe`:              "evil.exe",
		"":                                 "file",
		"..":                               "file",
		"報告書.pdf":                          "報告書.pdf",
		"fdp\u202egpj.exe":                 "fdpgpj.exe",
		"a\x00b\r\nSet-Cookie: x.txt":      "abSet-Cookie_ x.txt",
		"<img src=x onerror=y>.svg":        "_img src=x onerror=y_.svg",
		"con. ":                            "con",
		strings.Repeat("あ", 300) + ".docx": strings.Repeat("あ", 195) + ".docx",
		"\xff\xfe.bin":                     "\uFFFD.bin",
	} {
		if got := record.FileName(name); got != want {
			t.Errorf("%q is kept as %q, want %q", name, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	for _, seed := range []string{"a.txt", "../x", "\u202e", "a\\b", "..", strings.Repeat("x", 500) + "." + strings.Repeat("y", 400)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := record.FileName(name)
		if got == "" || got == "." || got == ".." || strings.ContainsAny(got, "/\\<>:\"|?*\x00\r\n") || len([]rune(got)) > record.MaxFileName {
			t.Errorf("%q is kept as %q", name, got)
		}
		if strings.ContainsFunc(got, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }) {
			t.Errorf("%q keeps what steers: %q", name, got)
		}
		if record.FileName(got) != got {
			t.Errorf("%q is kept as %q, and that as %q", name, got, record.FileName(got))
		}
	})
}

// A download in parts is one reading; what a file is called and how large it is, is none.
func TestPartsOfAReadingAreOneReading(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		a := x.attach(r, "disk.img", "hello")
		for _, step := range []struct {
			who  *auth.User
			look record.Look
			want int // readings in the chain afterwards
		}{
			{reader, record.LookOutside, 0}, {reader, record.LookPart, 1}, {reader, record.LookPart, 1}, {second, record.LookPart, 2},
			{reader, record.LookWhole, 3}, {reader, record.LookPart, 3}, {second, record.LookOutside, 3},
		} {
			_, content, err := x.OpenAttachment(x.as(step.who), step.who, "loan", r.ID, a.ID, step.look)
			if err != nil {
				t.Fatal(err)
			}
			content.Close()
			n := 0
			for _, line := range x.chain(r, a) {
				if strings.Contains(line, " "+record.Read) {
					n++
				}
			}
			if n != step.want {
				t.Errorf("after %s looked (%d) there are %d readings, want %d", step.who.ID, step.look, n, step.want)
			}
		}
	})
}
