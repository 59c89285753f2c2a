package rulesource

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crypto/sha256"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/httpx"
)

// The bounds of a fetch.
const (
	maxArchive  = 64 << 20 // bytes of a zip archive
	maxPack     = 256 << 20
	maxObject   = 16 << 20 // bytes of an object of a commit
	maxInflated = 1 << 30  // bytes of all its objects
	fetchLimit  = 5 * time.Minute
)

// origin is where a source's rules come from, and what is known of the last time they came.
type origin struct {
	method, address, branch, folders string
	token                            string // for a private git repository or archive; "" for none
	revision                         string // of the last fetch: a commit, an ETag, a digest
}

// fetched is what a fetch brought.
type fetched struct {
	files    *gatherer // nil: nothing changed since the last time
	revision string
}

// fetcher gets rules from outside.
type fetcher struct {
	client  *httpx.Client
	folders []string // below which a source of a folder may lie
	scratch string   // a folder for what is being unpacked
}

// fetch gets the rule files of a source. Errors are faults that say what was wrong, in words for people.
func (x *fetcher) fetch(ctx context.Context, o origin) (fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	switch o.method {
	case "zip":
		return x.zip(ctx, o)
	case "git":
		return x.git(ctx, o)
	default:
		return x.folder(o)
	}
}

// zip asks for an archive, and only for one that is another than the last.
func (x *fetcher) zip(ctx context.Context, o origin) (fetched, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, o.address, nil)
	if err != nil {
		return fetched{}, fault.New(fault.Invalid, "rulesource.fault.address", "the address is no URL")
	}
	if o.token != "" {
		r.Header.Set("Authorization", "Bearer "+o.token)
	}
	if o.revision != "" {
		r.Header.Set("If-None-Match", o.revision)
	}
	answer, err := x.client.Do(r)
	switch {
	case err != nil:
		return fetched{}, err
	case answer.Status == http.StatusNotModified:
		return fetched{revision: o.revision}, nil
	case answer.Status != http.StatusOK:
		return fetched{}, &fault.Error{Code: fault.Unavailable, Key: "rulesource.fault.status", Args: []any{answer.Status}, Detail: fmt.Sprintf("the server answered %d", answer.Status)}
	case answer.Cut:
		return fetched{}, tooMuch("the archive is larger than %d bytes", maxArchive)
	}
	files, err := readZip(answer.Body, o.folders)
	if err != nil {
		return fetched{}, err
	}
	revision := answer.Header.Get("ETag")
	if revision == "" || len(revision) > 200 || strings.ContainsFunc(revision, func(r rune) bool { return r < ' ' || r > '~' }) {
		sum := sha256.Sum256(answer.Body)
		revision = `"` + hex.EncodeToString(sum[:]) + `"`
	}
	return fetched{files, revision}, nil
}

// folder reads a folder of this machine.
func (x *fetcher) folder(o origin) (fetched, error) {
	root, err := x.allowed(o.address)
	if err != nil {
		return fetched{}, err
	}
	in, err := os.OpenRoot(root) // symbolic links do not lead out of it
	if err != nil {
		return fetched{}, &fault.Error{Code: fault.Unavailable, Key: "rulesource.fault.folder", Args: []any{o.address}, Detail: "the folder cannot be read", Err: err}
	}
	defer in.Close()
	g := gather(o.folders)
	err = fs.WalkDir(in.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := g.count(); err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || !g.wants(name) {
			return nil
		}
		f, err := in.Open(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		defer f.Close()
		return g.take(name, f)
	})
	if _, known := errors.AsType[*fault.Error](err); err != nil && !known {
		err = &fault.Error{Code: fault.Unavailable, Key: "rulesource.fault.folder", Args: []any{o.address}, Detail: "the folder cannot be read", Err: err}
	}
	if err != nil {
		return fetched{}, err
	}
	return fetched{files: g, revision: g.pack(nil, time.Time{}).digest()}, nil
}

// allowed is the folder's real path, where it lies below one of those that the configuration names: whoever may write down a source must not
// have the server read whatever it can.
func (x *fetcher) allowed(address string) (string, error) {
	real, err := filepath.EvalSymlinks(address)
	if err == nil && filepath.IsAbs(real) {
		for _, folder := range x.folders {
			root, err := filepath.EvalSymlinks(folder)
			if err != nil {
				continue
			}
			if below, err := filepath.Rel(root, real); err == nil && filepath.IsLocal(below) {
				return real, nil
			}
		}
	}
	// The same answer for what is not there: it tells nobody which folders there are.
	return "", fault.New(fault.Forbidden, "rulesource.fault.outside", "the folder is none that rules.source_folders allows")
}

// git gets the newest commit of a branch, without its history, over the smart HTTP protocol.
func (x *fetcher) git(ctx context.Context, o origin) (fetched, error) {
	if _, err := httpx.CheckURL(o.address); err != nil {
		return fetched{}, err
	}
	endpoint, err := transport.NewEndpoint(o.address)
	if err != nil {
		return fetched{}, fault.New(fault.Invalid, "rulesource.fault.address", "the address is no URL")
	}
	var auth transport.AuthMethod
	if o.token != "" {
		auth = &githttp.BasicAuth{Username: "x-access-token", Password: o.token}
	}
	session, err := githttp.NewClient(&http.Client{Transport: x.client.Transport(), Timeout: fetchLimit}).NewUploadPackSession(endpoint, auth)
	if err != nil {
		return fetched{}, gitFailed(endpoint, err)
	}
	defer session.Close()
	refs, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return fetched{}, gitFailed(endpoint, err)
	}
	commit, err := head(refs, o.branch)
	if err != nil || commit.String() == o.revision {
		return fetched{revision: o.revision}, err
	}
	dir, err := os.MkdirTemp(x.scratch, "git-*")
	if err != nil {
		return fetched{}, fmt.Errorf("fetching rules: %w", err)
	}
	defer os.RemoveAll(dir)
	store := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRUDefault(), filesystem.Options{LargeObjectThreshold: maxFile})
	defer store.Close()
	if err := receive(ctx, session, refs, commit, store); err != nil {
		return fetched{}, gitFailed(endpoint, err)
	}
	files, err := filesOf(ctx, store, commit, o.folders)
	return fetched{files, commit.String()}, err
}

func gitFailed(at *transport.Endpoint, err error) error {
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	why := err.Error()
	if errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed) {
		return fault.New(fault.Unavailable, "rulesource.fault.auth", "%s wants another token, or has no such repository: %s", at.Host, why)
	}
	return &fault.Error{Code: fault.Unavailable, Key: "rulesource.fault.git", Args: []any{at.Host, why}, Detail: at.Host + ": " + why, Err: err}
}

// head finds the newest commit of a branch, or of the one that the repository names by itself.
func head(refs *packp.AdvRefs, branch string) (plumbing.Hash, error) {
	if branch != "" {
		for _, name := range []string{"refs/heads/" + branch, "refs/tags/" + branch + "^{}", "refs/tags/" + branch} {
			if hash, ok := refs.References[name]; ok {
				return hash, nil
			}
			if hash, ok := refs.Peeled[strings.TrimSuffix(name, "^{}")]; ok && strings.HasSuffix(name, "^{}") {
				return hash, nil
			}
		}
		return plumbing.ZeroHash, &fault.Error{Code: fault.Unavailable, Key: "rulesource.fault.branch", Args: []any{branch}, Detail: fmt.Sprintf("the repository has no branch or tag %q", branch)}
	}
	if refs.Head == nil {
		return plumbing.ZeroHash, fault.New(fault.Unavailable, "rulesource.fault.empty", "the repository has no commit yet")
	}
	return *refs.Head, nil
}

// receive has the server send one commit with its files.
func receive(ctx context.Context, session transport.UploadPackSession, refs *packp.AdvRefs, commit plumbing.Hash, store *filesystem.Storage) error {
	request := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	request.Wants = []plumbing.Hash{commit}
	if refs.Capabilities.Supports(capability.Shallow) {
		request.Depth = packp.DepthCommits(1)
		if err := request.Capabilities.Set(capability.Shallow); err != nil {
			return err
		}
	}
	answer, err := session.UploadPack(ctx, request)
	if err != nil {
		return err
	}
	defer answer.Close()
	var from io.Reader = answer
	switch {
	case request.Capabilities.Supports(capability.Sideband64k):
		from = sideband.NewDemuxer(sideband.Sideband64k, answer)
	case request.Capabilities.Supports(capability.Sideband):
		from = sideband.NewDemuxer(sideband.Sideband, answer)
	}
	pack, err := os.CreateTemp(filepath.Dir(store.Filesystem().Root()), "pack-*")
	if err != nil {
		return err
	}
	defer os.Remove(pack.Name())
	defer pack.Close()
	if _, err := io.Copy(pack, &bounded{from: from, left: maxPack}); err != nil {
		return err
	}
	if err := vet(pack); err != nil {
		return err
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return packfile.UpdateObjectStorage(store, pack)
}

// vet reads a pack through before anything is made of it: what follows takes each object into memory as large as the pack says it is.
func vet(pack io.ReadSeeker) error {
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	scanner := packfile.NewScanner(pack)
	_, objects, err := scanner.Header()
	if err != nil {
		return err
	}
	var total int64
	for range objects {
		header, err := scanner.NextObjectHeader()
		if err != nil {
			return err
		}
		if header.Length > maxObject {
			return tooMuch("an object of the commit is larger than %d bytes", maxObject)
		}
		content := capped{left: maxObject}
		if _, _, err := scanner.NextObject(&content); err != nil {
			return err
		}
		size := header.Length
		if header.Type.IsDelta() {
			_, n := binary.Uvarint(content.head) // the size of what it is a change of
			made, m := binary.Uvarint(content.head[max(n, 0):])
			if n <= 0 || m <= 0 || made > maxObject {
				return tooMuch("an object of the commit is larger than %d bytes", maxObject)
			}
			size = int64(made)
		}
		if total += size; total > maxInflated {
			return tooMuch("the commit is larger than %d bytes", maxInflated)
		}
	}
	return nil
}

// capped keeps the first bytes of what is written to it, and takes no more than it may.
type capped struct {
	head []byte
	left int64
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= int64(len(p)); c.left < 0 {
		return 0, tooMuch("an object of the commit is larger than %d bytes", maxObject)
	}
	if room := 2*binary.MaxVarintLen64 - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// bounded ends with an error where there is more than may be.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooMuch("the commit is larger than %d bytes", maxPack)
	}
	return n, err
}

// filesOf takes the rule files of a commit.
func filesOf(ctx context.Context, store *filesystem.Storage, hash plumbing.Hash, folders string) (*gatherer, error) {
	commit, err := object.GetCommit(store, hash)
	if err != nil {
		return nil, fmt.Errorf("the commit %s: %w", hash, err)
	}
	tree, err := commit.Tree()
	if err != nil {
		return nil, fmt.Errorf("the commit %s: %w", hash, err)
	}
	g := gather(folders)
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err == nil {
			err = errors.Join(ctx.Err(), g.count())
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]filemode.FileMode{filemode.Regular, filemode.Executable, filemode.Deprecated}, entry.Mode) || !g.wants(name) {
			continue
		}
		if err := takeBlob(g, store, name, entry.Hash); err != nil {
			return nil, err
		}
	}
}

func takeBlob(g *gatherer, store *filesystem.Storage, name string, hash plumbing.Hash) error {
	blob, err := object.GetBlob(store, hash)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if blob.Size > maxFile {
		return tooMuch("%s is larger than %d bytes", name, maxFile)
	}
	in, err := blob.Reader()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer in.Close()
	return g.take(name, in)
}
