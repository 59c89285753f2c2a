package main

import (
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"yagura": main})
}

// TestScripts runs the command line as people do; the scripts are its manual, too.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			// Nothing of the tester's own settings, and a data folder that is gone afterwards.
			env.Setenv("YAGURA_DATA", env.Getenv("WORK")+"/data")
			env.Setenv("LANG", "C")
			env.Setenv("YAGURA_CORPUS", os.Getenv("YAGURA_CORPUS"))
			env.Setenv("TZ", "UTC")
			port, err := freePort()
			env.Setenv("PORT", port)
			return err
		},
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"envfrom": envFrom, "envmatch": envMatch, "until": until},
		Condition: func(name string) (bool, error) { return name == "corpus" && os.Getenv("YAGURA_CORPUS") != "", nil },
	})
}

// freePort asks the kernel for a port on loopback that nobody has.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// envFrom NAME FILE sets a variable to what a file, or the last command's stdout, says.
func envFrom(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: envfrom NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// envMatch NAME PATTERN FILE sets a variable to what the pattern's parentheses match in a file, or in the last command's stdout.
func envMatch(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: envmatch NAME PATTERN FILE")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile(args[2]))
	if len(found) != 2 {
		ts.Fatalf("%s has not one match of %q", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}

// until PATTERN COMMAND… runs a command until its standard output matches.
func until(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	wanted, err := regexp.Compile(args[0])
	ts.Check(err)
	for range 100 {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if wanted.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	ts.Fatalf("%v never says %q; it says %s", args[1:], args[0], ts.ReadFile("stdout"))
}
