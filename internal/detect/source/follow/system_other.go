//go:build !unix

package follow

import "io/fs"

// keepOpen: an open file could not be renamed or removed by the program that writes it.
const keepOpen = false

func identityOf(fs.FileInfo) identity { return identity{} }

// syncDir: a rename is as durable here as it gets.
func syncDir(string) error { return nil }
