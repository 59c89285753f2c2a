package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Server is where a running server is found and the token that opens it, for the commands of the same user on the same
// machine. It stands in <data>/server.json, readable by its owner only, while the server runs.
type Server struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

func serverFile(data string) string { return filepath.Join(data, "server.json") }

// Announce writes where the server is. Withdraw it at the end.
func Announce(data, url, token string) error {
	return writeJSON(serverFile(data), Server{URL: url, Token: token, PID: os.Getpid()})
}

// Withdraw removes what Announce wrote, unless another server has replaced it.
func Withdraw(data string) error {
	server, err := FindServer(data)
	if err != nil || server.PID != os.Getpid() {
		return nil
	}
	return os.Remove(serverFile(data))
}

// FindServer reads what Announce wrote. The server may have died since: fs.ErrNotExist says that none was announced.
func FindServer(data string) (Server, error) {
	var server Server
	if err := readJSON(serverFile(data), &server); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Server{}, err
		}
		return Server{}, fmt.Errorf("finding the running server: %w", err)
	}
	if u, err := url.Parse(server.URL); err != nil || u.Host == "" || server.Token == "" {
		return Server{}, fmt.Errorf("finding the running server: %s names none", serverFile(data))
	}
	return server, nil
}
