package record_test

import (
	"slices"
	"strings"
	"testing"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/record"
	"yagura/internal/platform/record/recordtest"
)

func TestCommentsTellWhomTheyName(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := openDesk(t, d)
		r := x.loan("L-1")
		c, err := x.Comment(x.as(writer), writer, "loan", r.ID, "@baba さん、@chiba@example.jp。`@aoki` も @nobody も @stranger も mail@baba も。@baba")
		if err != nil {
			t.Fatal(err)
		}
		if x.last() != "comment baba,chiba" {
			t.Errorf("told: %s", x.last())
		}
		x.want("a reader says something", second1(x.Comment(x.as(reader), reader, "loan", r.ID, "x")), fault.Forbidden)
		x.want("nothing is said", second1(x.Comment(x.as(writer), writer, "loan", r.ID, " \n ")), fault.Invalid)
		x.want("too much is said", second1(x.Comment(x.as(writer), writer, "loan", r.ID, strings.Repeat("あ", record.MaxComment+1))), fault.Invalid)
		x.want("somebody else changes it", x.EditComment(x.as(second), second, "loan", r.ID, c.ID, 1, "mine"), fault.Forbidden)
		x.want("its author changes it", x.EditComment(x.as(writer), writer, "loan", r.ID, c.ID, 1, "@chiba @admin"), "")
		if x.last() != "comment.edit admin" {
			t.Errorf("only who is named for the first time is told, not %s", x.last())
		}
		x.want("an old version is changed", x.EditComment(x.as(writer), writer, "loan", r.ID, c.ID, 1, "y"), fault.Conflict)
		if !has(x.history(reader, r), "comment.text:@baba さん") {
			t.Errorf("the earlier text is lost: %q", x.history(reader, r))
		}
		x.want("another takes it away", x.DeleteComment(x.as(second), second, "loan", r.ID, c.ID, 0), fault.Forbidden)
		x.want("its author takes it away", x.DeleteComment(x.as(writer), writer, "loan", r.ID, c.ID, 0), "")
		x.want("a deleted one is changed", x.EditComment(x.as(writer), writer, "loan", r.ID, c.ID, 0, "z"), fault.Conflict)
		page, err := x.Comments(t.Context(), reader, "loan", r.ID, "", 10)
		if err != nil || len(page.Items) != 1 || page.Items[0].Text != "" || page.Items[0].DeletedBy != "aoki" || len(page.Items[0].Mentions) != 0 {
			t.Errorf("the mark it leaves: %+v, %v", page.Items, err)
		}
	})
}

// second1 drops a result that a row of a test does not look at.
func second1[T any](_ T, err error) error { return err }

func TestAMentionTellsNobodyWhoMayNotSeeTheRecord(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	r := x.secret("買収", "aoki")
	c, err := x.Comment(x.as(writer), writer, "secret", r.ID, "@baba @chiba @aoki")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Mentions) != 1 || c.Mentions[0].Person != "aoki" || x.last() != "comment aoki" {
		t.Errorf("named: %+v, told: %s", c.Mentions, x.last())
	}
}

func TestCommentsOfOtherRecordsAreNotThere(t *testing.T) {
	t.Parallel()
	x := openDesk(t, dbtest.New(t))
	hidden, mine := x.secret("買収", "aoki"), x.loan("L-1")
	c, err := x.Comment(x.as(writer), writer, "secret", hidden.ID, "x")
	if err != nil {
		t.Fatal(err)
	}
	x.want("reading", second1(x.Comments(t.Context(), second, "secret", hidden.ID, "", 10)), fault.NotFound)
	x.want("writing", second1(x.Comment(x.as(second), second, "secret", hidden.ID, "x")), fault.NotFound)
	x.want("changing", x.EditComment(x.as(writer), writer, "loan", mine.ID, c.ID, 0, "y"), fault.NotFound)
	x.want("deleting", x.DeleteComment(x.as(writer), writer, "loan", mine.ID, c.ID, 0), fault.NotFound)
	x.want("an administrator deletes", x.DeleteComment(recordtest.As(t.Context(), aoki), aoki, "loan", mine.ID, "", 0), fault.NotFound)
}

func TestMentionWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"@aoki":                    "aoki",
		"田中さん@aoki、@baba。":         "aoki baba",
		"(@a.b-c+d@x.example.jp).": "a.b-c+d@x.example.jp",
		"a@b.c @@x @":              "",
		"`@x` @y `@z`":             "y",
		"@aoki.":                   "aoki",
		"@aoki@ @baba@x@y":         "aoki baba",
		"@<script>":                "",
	} {
		if got := strings.Join(record.MentionWords(text), " "); got != want {
			t.Errorf("%q mentions %q, want %q", text, got, want)
		}
	}
}

func FuzzMentionWords(f *testing.F) {
	for _, seed := range []string{"@aoki", "`@x", "@a@b@c", "@\xff", "日本@語@x", "@@@@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := record.MentionWords(text)
		for i, word := range words {
			if word == "" || strings.Count(word, "@") > 1 || !strings.Contains(text, "@"+word) || slices.Contains(words[:i], word) {
				t.Errorf("%q mentions %q", text, words)
			}
		}
	})
}
