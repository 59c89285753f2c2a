package ledger

import (
	"encoding/base64"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"yagura/internal/platform/db"
	"yagura/internal/platform/fault"
)

const (
	// tileHeight is how many levels of the tree a stored row holds: 32 hashes, 1 KiB. An append writes one such row instead of
	// a row for each hash, and what reads the tree reads a thirty-second of the rows. Larger ones leave PostgreSQL's page.
	tileHeight = 5
	tileWidth  = 1 << tileHeight
)

// tile is a run of hashes of one level that are siblings: complete where there are tileWidth of them.
type tile struct {
	level, n int64
	hashes   []tlog.Hash
}

// head is the newest state of the tree with its right edge: for each level of tiles, the one that is not complete.
type head struct {
	size int64
	note string
	open [][]tlog.Hash
}

// add appends a leaf's hash and calls complete for each tile that it completes.
func (h *head) add(hash tlog.Hash, complete func(tile) error) error {
	h.size++
	for level := 0; ; level++ {
		if level == len(h.open) {
			h.open = append(h.open, make([]tlog.Hash, 0, tileWidth))
		}
		h.open[level] = append(h.open[level], hash)
		if len(h.open[level]) < tileWidth {
			return nil
		}
		full := tile{int64(level), h.size>>(tileHeight*(level+1)) - 1, h.open[level]}
		if err := complete(full); err != nil {
			return err
		}
		hash = full.root()
		h.open[level] = h.open[level][:0]
	}
}

// edge returns the tiles that are not complete.
func (h *head) edge() []tile {
	var list []tile
	for level, hashes := range h.open {
		if len(hashes) > 0 {
			list = append(list, tile{int64(level), h.size >> (tileHeight * (level + 1)), hashes})
		}
	}
	return list
}

// tiles is how many rows the tree has.
func (h *head) tiles() (n int64) {
	for rest := h.size; rest > 0; rest >>= tileHeight {
		n += (rest + tileWidth - 1) / tileWidth
	}
	return n
}

// root is the tree's hash (RFC 6962 section 2.1): the complete subtrees at its right edge, from the smallest to the largest.
func (h *head) root() tlog.Hash {
	if h.size == 0 {
		root, _ := tlog.TreeHash(0, nil) // no leaf, nothing to read
		return root
	}
	var root tlog.Hash
	first := true
	for _, hashes := range h.open {
		for end := len(hashes); end > 0; {
			width := end & -end
			left := subtree(hashes[end-width : end])
			if first {
				root, first = left, false
			} else {
				root = tlog.NodeHash(left, root)
			}
			end -= width
		}
	}
	return root
}

func (t tile) root() tlog.Hash { return subtree(t.hashes) }

// subtree is the hash over a power of two of siblings.
func subtree(hashes []tlog.Hash) tlog.Hash {
	var work [tileWidth]tlog.Hash
	for n := copy(work[:], hashes); n > 1; n /= 2 {
		for i := range n / 2 {
			work[i] = tlog.NodeHash(work[2*i], work[2*i+1])
		}
	}
	return work[0]
}

// clone is a copy that shares nothing.
func (h *head) clone() head {
	c := head{size: h.size, note: h.note, open: make([][]tlog.Hash, len(h.open))}
	for i, hashes := range h.open {
		c.open[i] = append(make([]tlog.Hash, 0, tileWidth), hashes...)
	}
	return c
}

func (t tile) bytes() []byte {
	data := make([]byte, 0, len(t.hashes)*tlog.HashSize)
	for _, hash := range t.hashes {
		data = append(data, hash[:]...)
	}
	return data
}

// loadHead returns the tree as the transaction sees it. What this process remembers counts only where the database says the
// same: an append may have been rolled back, or another node may have made one. What comes from the database is believed only
// where the signature says the same: nothing is signed on top of hashes that somebody changed.
func (l *Log) loadHead(tx *db.Tx) (head, error) {
	var now head
	err := tx.QueryRow(`SELECT size, note FROM ledger_head WHERE id = 1`).Scan(&now.size, &now.note)
	if fault.Is(err, fault.NotFound) {
		return now, nil
	}
	if err != nil {
		return head{}, err
	}
	l.headMu.Lock()
	known := l.head.note == now.note && l.head.size == now.size
	if known {
		now = l.head.clone()
	}
	l.headMu.Unlock()
	if known {
		return now, nil
	}
	tampered := func(err error) error {
		return fault.New(fault.Unavailable, "fault.ledger.tampered", "the ledger's newest state is not what was signed; nothing is written on top of it: %w", err)
	}
	signed, err := ParseCheckpoint(now.note, l.public)
	if err != nil {
		return head{}, tampered(err)
	}
	for level := 0; now.size>>(tileHeight*level) > 0; level++ {
		width := int(now.size >> (tileHeight * level) % tileWidth)
		hashes := make([]tlog.Hash, 0, tileWidth)
		if width > 0 {
			n := now.size >> (tileHeight * (level + 1))
			stored, err := readTile(tx, int64(level), n)
			if err != nil {
				return head{}, err
			}
			if len(stored) != width {
				return head{}, tampered(fmt.Errorf("tile %d of level %d has %d hashes, not %d", n, level, len(stored), width))
			}
			hashes = append(hashes, stored...)
		}
		now.open = append(now.open, hashes)
	}
	if signed.Size != now.size || signed.Root != now.root() {
		return head{}, tampered(fmt.Errorf("%d leaves with another root than the signed one", now.size))
	}
	return now, nil
}

// readTile returns the hashes of a stored tile, none where there is none or it is none.
func readTile(tx *db.Tx, level, n int64) ([]tlog.Hash, error) {
	var data []byte
	err := tx.QueryRow(`SELECT hashes FROM ledger_tile WHERE level = $1 AND n = $2`, level, n).Scan(&data)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return hashesOf(data), err
}

func hashesOf(data []byte) []tlog.Hash {
	if len(data)%tlog.HashSize != 0 || len(data) > tileWidth*tlog.HashSize {
		return nil
	}
	list := make([]tlog.Hash, len(data)/tlog.HashSize)
	for i := range list {
		list[i] = tlog.Hash(data[i*tlog.HashSize:])
	}
	return list
}

// hashReader reads hashes of the tree from its tiles, each tile once.
func hashReader(tx *db.Tx) tlog.HashReader {
	type place struct{ level, n int64 }
	seen := make(map[place][]tlog.Hash)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			at := place{int64(level / tileHeight), n << (level % tileHeight) / tileWidth}
			hashes, ok := seen[at]
			if !ok {
				var err error
				if hashes, err = readTile(tx, at.level, at.n); err != nil {
					return nil, err
				}
				seen[at] = hashes
			}
			width := int64(1) << (level % tileHeight)
			from := n * width % tileWidth
			if from+width > int64(len(hashes)) {
				return nil, fmt.Errorf("tile %d of level %d of the ledger's tree is not complete", at.n, at.level)
			}
			list[i] = subtree(hashes[from : from+width])
		}
		return list, nil
	})
}

// sign returns the signed checkpoint of a state of the tree (C2SP tlog-checkpoint).
func (l *Log) sign(size int64, root tlog.Hash) (string, error) {
	return signNote(l.signer, fmt.Sprintf("%s\n%d\n%s\n", l.signer.Name(), size, base64.StdEncoding.EncodeToString(root[:])))
}
