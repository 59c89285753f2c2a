// Command oidcprovider serves an OpenID provider on this machine for tests: one client, a few people with groups. It prints its
// issuer on the first line of its output and ends with its standard input, so that a test that dies takes it along.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const password = "a long enough password"

// people are who can sign in, and their groups.
var people = map[string][]string{"tanaka": {"CSIRT"}, "suzuki": {"Sales"}}

type users struct{}

func (users) GetUserByID(id string) *storage.User {
	if _, ok := people[id]; !ok {
		return nil
	}
	return &storage.User{ID: id, Username: id, Password: password, FirstName: strings.ToUpper(id[:1]) + id[1:], LastName: "Example", Email: id + "@example.co.jp", EmailVerified: true}
}

func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name) }

func (users) ExampleClientID() string { return "service" }

// grouped adds the claim of groups to what the example's storage tells.
type grouped struct{ *storage.Storage }

func (g grouped) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := g.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin); err != nil {
		return err
	}
	info.AppendClaims("groups", people[info.Subject])
	return nil
}

func main() {
	redirect := flag.String("redirect", "", "where the client's browsers come back to")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	issuer := "http://" + listener.Addr().String() + "/"
	storage.RegisterClients(storage.WebClient("yagura", "secret", *redirect))
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	handler := exampleop.SetupServer(issuer, grouped{storage.NewStorage(users{})}, quiet, false, op.WithAllowInsecure())
	fmt.Println(issuer)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, http.Serve(listener, handler))
	os.Exit(1)
}
