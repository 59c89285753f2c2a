package main

import (
	"os"
	"testing"

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
			return nil
		},
		Condition: func(name string) (bool, error) { return name == "corpus" && os.Getenv("YAGURA_CORPUS") != "", nil },
	})
}
