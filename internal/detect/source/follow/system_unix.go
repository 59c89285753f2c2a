//go:build unix

package follow

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOpen: an open file can be renamed and removed here, and is then still read to its end.
const keepOpen = true

func identityOf(info fs.FileInfo) identity {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return identity{uint64(s.Dev), uint64(s.Ino)} // the types differ between systems
	}
	return identity{}
}

// syncDir makes a rename in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
