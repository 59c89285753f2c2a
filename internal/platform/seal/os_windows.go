package seal

import "os/exec"

// endWhole has nothing to do: a command that is out of time is ended alone.
func endWhole(*exec.Cmd) {}
