// Package build says which build of the program this is.
package build

import (
	"runtime"
	"runtime/debug"
)

// Version returns the module's version with the commit and the Go version, as the toolchain recorded them: "v0.3.0
// (1a2b3c4d5e6f, go1.26.0)", "devel" where nothing was recorded.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel (" + runtime.Version() + ")"
	}
	version, commit, dirty := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))] + ", "
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "changed, "
		}
	}
	if version == "" || version == "(devel)" {
		version = "devel"
	}
	return version + " (" + commit + dirty + info.GoVersion + ")"
}
