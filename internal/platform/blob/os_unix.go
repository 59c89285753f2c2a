//go:build unix

package blob

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile waits for the lock, shared or alone, that the kernel gives back when the process ends, however it ends.
func lockFile(path string, alone bool) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		if err == nil {
			return lock{f}, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
	}
}

// lock is a locked file. Closing alone would not be enough: a child process that is being started holds a copy of the file for
// a moment, and with it the lock.
type lock struct{ file *os.File }

func (l lock) Close() error {
	return errors.Join(unix.Flock(int(l.file.Fd()), unix.LOCK_UN), l.file.Close())
}

func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
