//go:build unix

package seal

import (
	"os/exec"
	"syscall"
)

// endWhole has a command that is out of time ended with all that it started.
func endWhole(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
