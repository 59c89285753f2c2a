package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/fault"
)

// Client is the sink at the other end of the wire: it hands batches to a running server, so that reading files is
// the same code whether they go into a server or straight into a data folder. Safe for concurrent use.
type Client struct {
	URL   string // of the server: http://127.0.0.1:8686
	Token string // the local administrator's
	HTTP  *http.Client
}

// longest waits between two tries when the server says nothing better.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

// Accept implements intake.Sink. While the server is full or unavailable it waits and tries again, until ctx ends. A
// request that broke off without an answer is an error: the batch may or may not be there.
func (c *Client) Accept(ctx context.Context, b *intake.Batch) error {
	body := b.AppendBinary(nil)
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		retry, err := c.send(ctx, body)
		if err == nil || !fault.Is(err, fault.Busy) && !fault.Is(err, fault.Unavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(max(wait, min(retry, longestWait))):
		}
	}
}

// send sends one batch; retry is how long the server asked to wait.
func (c *Client) send(ctx context.Context, body []byte) (retry time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("sending events: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", batchType)
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sending events: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return 0, fmt.Errorf("sending events: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return 0, nil
	}
	var problem struct {
		Code   fault.Code
		Detail string
	}
	if json.Unmarshal(answer, &problem) != nil || problem.Code == "" {
		return 0, fmt.Errorf("sending events: the server answered %s", resp.Status)
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0 where there is none
	return time.Duration(seconds) * time.Second, fault.New(problem.Code, "", "the server: %s", problem.Detail)
}
