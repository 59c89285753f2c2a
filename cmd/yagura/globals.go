package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"yagura/internal/platform/config"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/locale"
)

// Globals are the flags of every command.
type Globals struct {
	ConfigFile  string           `name:"config" env:"YAGURA_CONFIG" placeholder:"FILE" help:"Configuration file (default: yagura.yml in the data folder, then /etc/yagura/yagura.yml)."`
	Data        string           `name:"data" env:"YAGURA_DATA" placeholder:"DIR" help:"Data folder."`
	ShowVersion kong.VersionFlag `name:"version" help:"Show the version."`
	Set         []string         `name:"set" placeholder:"NAME=VALUE" sep:"none" help:"Any setting of the configuration, such as http.listen=:8686."`
}

// load puts the configuration together; flags are settings that the command's own flags give.
func (g *Globals) load(flags map[string]string) (*config.Config, []config.Setting, error) {
	given, err := g.pairs()
	if err != nil {
		return nil, nil, err
	}
	if env, ok := os.LookupEnv("YAGURA_DATA"); g.Data != "" && (!ok || env != g.Data) {
		given["data"] = g.Data
	}
	for name, value := range flags {
		if value != "" {
			given[name] = value
		}
	}
	return config.Load(config.Sources{File: g.ConfigFile, Flags: given, Getenv: os.LookupEnv})
}

// pairs is what --set gives.
func (g *Globals) pairs() (map[string]string, error) {
	given := make(map[string]string, len(g.Set))
	for _, pair := range g.Set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fault.New(fault.Invalid, "", "--set %s: want NAME=VALUE", pair)
		}
		given[name] = value
	}
	return given, nil
}

// exist makes sure that each path is there: a folder of rules that is misspelt would find nothing, and look like peace.
func exist(paths []string) error {
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return fault.New(fault.Invalid, "fault.file.open", "%w", err)
		}
	}
	return nil
}

// report prints an error for a person, in their language, and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	code := fault.CodeOf(err)
	text := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Key != "" {
		if p := printer(); p != nil && p.Has(f.Key) {
			text = p.T(f.Key, f.Args...) + "\n  " + text
		}
	}
	fmt.Fprintln(w, "yagura:", text)
	return code.ExitCode()
}

// printer speaks the language of the environment (LC_ALL, LC_MESSAGES, LANG), nil if the catalogues cannot be read.
func printer() *i18n.Printer {
	bundle, err := i18n.Load(locale.Files)
	if err != nil {
		return nil
	}
	lang := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG"))
	lang, _, _ = strings.Cut(lang, ".")
	return bundle.Printer(bundle.Match("", strings.ReplaceAll(lang, "_", "-")), time.Local)
}

// terminal reports whether w is one, and how wide.
func terminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil && width > 0
}
