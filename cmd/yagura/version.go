package main

import (
	"fmt"

	"yagura/internal/platform/build"
)

type versionCmd struct{}

// Run prints the version from the build information.
func (*versionCmd) Run(io *streams) error {
	fmt.Fprintln(io.out, "yagura", build.Version())
	return nil
}
