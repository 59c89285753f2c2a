// Package oidctest starts an OpenID provider that nobody here wrote (tools/oidcprovider), for tests to sign in through.
package oidctest

import (
	"bufio"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What the provider knows of the client, and the password of its people, "tanaka" (group CSIRT) and "suzuki" (Sales).
const (
	ClientID     = "yagura"
	ClientSecret = "secret"
	Password     = "a long enough password"
)

// Provider is a running provider.
type Provider struct {
	Issuer string
	home   string
}

// Start builds and starts the provider; it ends with the test. redirect is where the client's browsers come back to.
func Start(t testing.TB, redirect string) *Provider {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "tools", "oidcprovider")
	program := filepath.Join(t.TempDir(), "oidcprovider")
	if out, err := exec.Command("go", "build", "-C", dir, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building the OpenID provider: %v\n%s", err, out)
	}
	command := exec.Command(program, "-redirect", redirect)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with its input
		_ = command.Wait()
	})
	issuer, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the OpenID provider did not start: %v", err)
	}
	return &Provider{Issuer: strings.TrimSpace(issuer), home: redirect}
}

// SignIn follows an authorization request as a browser of somebody who signs in, and returns what the browser brings back.
func (p *Provider) SignIn(t testing.TB, address, name string) url.Values {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	var back *url.URL
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), p.home) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Body.Close()
	form := page.Request.URL // the page of the form carries the request's id
	answer, err := browser.PostForm(form.Scheme+"://"+form.Host+"/login/username", url.Values{
		"id": {form.Query().Get("authRequestID")}, "username": {name}, "password": {Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if back == nil {
		t.Fatalf("the provider did not send the browser back; it stopped at %s (%s)", answer.Request.URL, answer.Status)
	}
	return back.Query()
}
