package blob

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"yagura/internal/platform/fault"
)

// S3 is a bucket of Amazon S3 or of a server that speaks like it (MinIO, Ceph, Garage, …). Only this program's files may be in it
// below Prefix.
type S3 struct {
	Endpoint  string // https://s3.ap-northeast-1.amazonaws.com; http only within a network that is trusted
	Bucket    string
	Region    string
	AccessKey string
	SecretKey string
	Prefix    string // put before names, such as "yagura/"
}

// S3 servers answer within this time, or are counted as gone.
const s3Patience = 30 * time.Second

func (opt S3) open() (keeper, error) {
	wrong := func(format string, args ...any) (keeper, error) {
		return nil, fault.New(fault.Invalid, "fault.blob.s3", "blob.s3: "+format, args...)
	}
	u, err := url.Parse(opt.Endpoint)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return wrong("the endpoint %q is no address such as https://s3.ap-northeast-1.amazonaws.com", opt.Endpoint)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.User != nil:
		return wrong("the endpoint is an address without path, query and name; the bucket has a setting of its own")
	case opt.Bucket == "" || opt.AccessKey == "" || opt.SecretKey == "":
		return wrong("a bucket, an access key and a secret key are needed")
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(opt.AccessKey, opt.SecretKey, ""),
		Secure:     u.Scheme == "https",
		Region:     opt.Region,
		MaxRetries: 4,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: s3Patience,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   16,
			DisableCompression:    true, // bytes come as they were put
		},
	})
	if err != nil {
		return wrong("%w", err)
	}
	return bucket{client, opt.Bucket, opt.Prefix}, nil
}

// bucket keeps a file as an object of the same name as in a folder, so that one can be copied to the other.
type bucket struct {
	client *minio.Client
	name   string
	prefix string
}

func (b bucket) key(sha string) string { return b.prefix + sha[:2] + "/" + sha }

func (b bucket) keep(ctx context.Context, staged string, blob Blob) error {
	// Also where it is there already: its age begins anew. The server compares a checksum of what arrives.
	info, err := b.client.FPutObject(ctx, b.name, b.key(blob.SHA256), staged, minio.PutObjectOptions{
		ContentType: "application/octet-stream", ContentDisposition: "attachment",
		SendContentMd5: true, DisableContentSha256: true, // one checksum is enough; the streamed one breaks empty files
	})
	if err != nil {
		return b.refusal(err, blob.SHA256)
	}
	if info.Size != blob.Size {
		return b.refusal(fmt.Errorf("took %d of %d bytes", info.Size, blob.Size), blob.SHA256)
	}
	return nil
}

func (b bucket) open(ctx context.Context, sha string) (io.ReadSeekCloser, error) {
	object, err := b.client.GetObject(ctx, b.name, b.key(sha), minio.GetObjectOptions{})
	if err != nil {
		return nil, b.refusal(err, sha)
	}
	if _, err := object.Stat(); err != nil { // nothing was asked so far
		_ = object.Close()
		return nil, b.refusal(err, sha)
	}
	return object, nil
}

func (b bucket) remove(ctx context.Context, sha string) error {
	// S3 deletes what is not there without a word.
	if _, err := b.client.StatObject(ctx, b.name, b.key(sha), minio.StatObjectOptions{}); err != nil {
		return b.refusal(err, sha)
	}
	return b.refusal(b.client.RemoveObject(ctx, b.name, b.key(sha), minio.RemoveObjectOptions{}), sha)
}

func (b bucket) removeOld(ctx context.Context, sha string, before time.Time) (bool, error) {
	info, err := b.client.StatObject(ctx, b.name, b.key(sha), minio.StatObjectOptions{})
	switch err := b.refusal(err, sha); {
	case fault.Is(err, fault.NotFound):
		return false, nil // another node was first
	case err != nil:
		return false, err
	case info.LastModified.After(before):
		return false, nil
	}
	err = b.client.RemoveObject(ctx, b.name, b.key(sha), minio.RemoveObjectOptions{})
	return err == nil, b.refusal(err, sha)
}

func (b bucket) walk(ctx context.Context, each func(Stored) error) error {
	ctx, stop := context.WithCancel(ctx) // the listing runs beside us
	defer stop()
	for object := range b.client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if object.Err != nil {
			return b.refusal(object.Err, "")
		}
		sha := path.Base(object.Key)
		if !named(sha) || object.Key != b.key(sha) {
			continue // none of ours
		}
		if err := each(Stored{Blob{sha, object.Size}, object.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// refusal makes a fault of what the server said.
func (b bucket) refusal(err error, sha string) error {
	switch {
	case err == nil:
		return nil
	case minio.ToErrorResponse(err).Code == "NoSuchKey":
		return notFound(sha)
	default:
		return fault.New(fault.Unavailable, "fault.blob.failed", "the bucket %s: %w", b.name, err)
	}
}
