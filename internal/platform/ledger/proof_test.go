package ledger_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yagura/internal/platform/db"
	"yagura/internal/platform/db/dbtest"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/ledger"
)

func proof(t testing.TB, b *box, key string) []byte {
	t.Helper()
	p, err := b.Prove(t.Context(), "thing", key, true)
	if err != nil {
		t.Fatal(err)
	}
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAProofHoldsWithThePublicKeyAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := open(t, d)
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			b.create(key)
		}
		b.do("c", "rename", `UPDATE thing SET name = 'x' WHERE id = 'c'`)
		p, c, err := ledger.CheckProof(proof(t, b, "c"), b.PublicKey())
		if err != nil || len(p.Leaves) != 2 || p.Leaves[1].Action != "rename" || p.Leaves[1].Actor != "tanaka" || c.Size != 7 || p.Row == nil {
			t.Errorf("%+v, %v, %v", p, c, err)
		}
		b.behind(`UPDATE thing SET n = 99 WHERE id = 'c'`)
		if _, _, err := ledger.CheckProof(proof(t, b, "c"), b.PublicKey()); !fault.Is(err, fault.Invalid) {
			t.Errorf("of a row that was changed behind its back: %v", err)
		}
		if _, err := b.Prove(t.Context(), "thing", "nobody", true); !fault.Is(err, fault.NotFound) {
			t.Errorf("of a record that never was: %v", err)
		}
	})
}

// TestAnyOtherByteInAProofIsFound changes one byte of a proof at a time. What still passes says the same as before: JSON allows
// other white space, and base64 in a signature's line may not.
func TestAnyOtherByteInAProofIsFound(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t))
	for _, key := range []string{"a", "b", "c"} {
		b.create(key)
	}
	data := proof(t, b, "b")
	honest, _, err := ledger.CheckProof(data, b.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := honest.Encode()
	rapid.Check(t, func(r *rapid.T) {
		changed := bytes.Clone(data)
		at := rapid.IntRange(0, len(data)-1).Draw(r, "at")
		changed[at] ^= byte(rapid.IntRange(1, 255).Draw(r, "by"))
		p, _, err := ledger.CheckProof(changed, b.PublicKey())
		if err != nil {
			return
		}
		if got, _ := p.Encode(); !bytes.Equal(got, want) {
			r.Errorf("a change of byte %d passed:\n%s", at, got)
		}
	})
}

func TestALostKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := open(t, dbtest.New(t))
	b.create("a")
	if err := os.Remove(b.keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), b.DB, ledger.Options{KeyFile: b.keyFile}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a ledger without its key opened: %v", err)
	}
	if _, err := os.Stat(b.keyFile); err == nil {
		t.Error("another key was made")
	}
}

func FuzzCheckProof(f *testing.F) {
	b := open(f, dbtest.New(f))
	b.create("a")
	b.create("b")
	data := proof(f, b, "a")
	f.Add(data)
	f.Add([]byte(strings.Replace(string(data), `"index": 1`, `"index": -1`, 1)))
	f.Add([]byte(`{"format":"yagura-proof-1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, c, err := ledger.CheckProof(data, b.PublicKey()); err == nil && (len(p.Leaves) == 0 || c.Size < 1) {
			t.Errorf("a proof of nothing holds: %+v", p)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	b := open(f, dbtest.New(f))
	b.create("a")
	c, err := b.Checkpoint(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Note)
	f.Add("a\n1\nAAAA\n\n— a x\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := ledger.ParseCheckpoint(text, b.PublicKey()); err == nil && (got.Size != c.Size || got.Root != c.Root) {
			t.Errorf("a checkpoint that nobody signed passes: %q", text)
		}
	})
}
