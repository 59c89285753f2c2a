package source_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yagura/internal/detect/source"
	"yagura/internal/detect/source/gate/gatetest"
	"yagura/internal/detect/source/shippertest"
)

// When the spool is full omelasticsearch is told to come again, and does. That real shippers get all they send through a
// whole server is tested where the server is, in cmd/yagura.
func TestRsyslogWaitsForAFullSink(t *testing.T) {
	t.Parallel()
	d, _ := openDB(t)
	tokens := openTokens(t, d)
	secret, _, err := tokens.Create(t.Context(), "shipper", "test")
	if err != nil {
		t.Fatal(err)
	}
	sink := &gatetest.Sink{}
	inputs := source.NewInputs(source.InputsOptions{Sink: sink, Tokens: tokens, Observer: source.NewStats(time.Now)})
	server := httptest.NewServer(inputs.Handler())
	t.Cleanup(server.Close)
	place := shippertest.At(t, server.Listener.Addr().String(), "shipper", secret)
	conn := shippertest.Rsyslog(t, shippertest.Snippet(t, filepath.Join("snippets", "rsyslog-http.conf"), place))
	refused := false
	sink.FailWith(func(call int) error {
		if call <= 2 {
			refused = true
			return gatetest.Busy()
		}
		return nil
	})
	const n = 1000
	shippertest.Speak(t, conn, n)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := sink.Wait(ctx, n); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // for what comes twice
	shippertest.Each(t, sink.Items(), n)
	sink.FailWith(nil)
	if !refused {
		t.Error("nothing was refused: this tests nothing")
	}
}

// The inputs work the same over HTTPS with HTTP/2, which many shippers choose by themselves.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	d, _ := openDB(t)
	tokens := openTokens(t, d)
	secret, _, err := tokens.Create(t.Context(), "shipper", "test")
	if err != nil {
		t.Fatal(err)
	}
	sink := &gatetest.Sink{}
	server := httptest.NewUnstartedServer(source.NewInputs(source.InputsOptions{Sink: sink, Tokens: tokens, Observer: source.NewStats(time.Now)}).Handler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: client.Transport.(*http.Transport).TLSClientConfig.RootCAs, NextProtos: []string{"h2"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/a/_bulk", strings.NewReader("{\"index\":{}}\n{\"n\":1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, req.Context().Err()); err != nil || resp.ProtoMajor != 2 || resp.StatusCode != 200 || len(sink.Items()) != 1 {
		t.Errorf("%s %s %v: %s", resp.Proto, resp.Status, err, answer)
	}
}
