package notify_test

import (
	"testing"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
)

func TestRules(t *testing.T) {
	t.Parallel()
	h := one(t)
	x := lost("Ｂox of 鍵", "aoki")
	x.Unit = "shop"
	h.send(x)
	for want, list := range map[bool][]notify.Conditions{
		true: {
			{}, {Topics: []string{"box.opened", "box.lost"}}, {Kinds: []string{"box"}}, {Severity: notify.Critical}, {Units: []string{"shop"}}, {Units: []string{"other", "group"}},
			{Phrases: []notify.Phrase{{Field: "box", Op: notify.Contains, Text: "BOX"}}}, {Phrases: []notify.Phrase{{Op: notify.Contains, Text: "鍵"}}},
			{Phrases: []notify.Phrase{{Field: "box", Op: notify.Is, Text: "box OF 鍵"}}}, {Phrases: []notify.Phrase{{Field: "box", Op: notify.Lacks, Text: "cat"}}},
			{Phrases: []notify.Phrase{{Field: "nothing", Op: notify.Lacks, Text: "cat"}}},
		},
		false: {
			{Topics: []string{"box.opened"}}, {Units: []string{"other"}}, {Topics: []string{"box.lost"}, Units: []string{"other"}},
			{Phrases: []notify.Phrase{{Field: "box", Op: notify.Is, Text: "box"}}}, {Phrases: []notify.Phrase{{Op: notify.Lacks, Text: "box"}}},
			{Phrases: []notify.Phrase{{Field: "nothing", Op: notify.Contains, Text: "box"}}},
			{Phrases: []notify.Phrase{{Field: "box", Op: notify.Contains, Text: "box"}, {Field: "box", Op: notify.Contains, Text: "cat"}}},
		},
	} {
		for _, c := range list {
			trial, err := h.Try(t.Context(), "baba", c)
			if err != nil || trial.Seen != 1 || (len(trial.Matched) == 1) != want {
				t.Errorf("%+v: %+v, %v", c, trial, err)
			}
		}
	}
	if trial, err := h.Try(t.Context(), "chiba", notify.Conditions{}); err != nil || len(trial.Matched) != 0 || trial.Secret != 1 {
		t.Errorf("who may not know tries: %+v, %v", trial, err)
	}
}

func TestARuleTellsWhomItNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h *house) {
		r := h.rule(notify.Conditions{Topics: []string{"box.opened"}}, notify.Destination{Roles: []string{"guest"}, People: []string{"aoki"}})
		h.send(opened("a", "aoki"), lost("b"))
		if a, c := h.unread("aoki"), h.unread("chiba"); a != 1 || c != 1 {
			t.Errorf("aoki has %d, chiba %d", a, c)
		}
		if n := len(h.office.taken(t, "aoki")); n != 1 {
			t.Errorf("who is told twice is mailed %d times", n)
		}
		r.Enabled = false
		if _, err := h.SaveRule(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		h.send(opened("c"))
		if n := h.unread("chiba"); n != 1 {
			t.Errorf("a rule that is off tells: %d", n)
		}
		if _, err := h.SaveRule(t.Context(), r); !fault.Is(err, fault.Conflict) {
			t.Errorf("over somebody else's change: %v", err)
		}
		if err := h.DeleteRule(t.Context(), r.ID, 2); err != nil {
			t.Error(err)
		}
		if _, err := h.Rule(t.Context(), r.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("a deleted rule: %v", err)
		}
		somebody := notify.Destination{People: []string{"aoki"}}
		for _, wrong := range []notify.Rule{
			{Send: somebody}, {Name: "x"}, {Name: "x", Send: notify.Destination{People: []string{"ghost"}}}, {Name: "x", Send: notify.Destination{Targets: []string{"ghost"}}},
			{Name: "x", Send: notify.Destination{Units: []string{"ghost"}}}, {Name: "x", Send: somebody, When: notify.Conditions{Topics: []string{"ghost"}}},
			{Name: "x", Send: somebody, When: notify.Conditions{Kinds: []string{"ghost"}}}, {Name: "x", Send: somebody, When: notify.Conditions{Severity: 9}},
			{Name: "x", Send: somebody, When: notify.Conditions{Phrases: []notify.Phrase{{Op: "matches", Text: "x"}}}},
		} {
			if _, err := h.SaveRule(t.Context(), wrong); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", wrong, err)
			}
		}
	})
}
