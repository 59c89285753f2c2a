package blob

import (
	"io"
	"os"
)

// Through makes what is put go through w, such as a disk that is full.
func (s *Store) Through(w func(*os.File) io.Writer) { s.through = w }

// Lock takes the lock of a folder as an upload does.
func Lock(dir string) (io.Closer, error) { return folder{dir}.lock(false) }
