package normalise

import (
	"strings"

	"yagura/internal/event"
)

// sudo reads sudo's log line (sudoers(5), "EVENT LOGGING"):
// "alice : [reason ;] TTY=pts/0 ; PWD=/root ; USER=root ; [GROUP= ; TSID= ; ENV= ;] COMMAND=/bin/ls -la".
// COMMAND is always last and may hold anything, " ; USER=" too.
func (n *Normaliser) sudo(msg string, ev *event.Event) bool {
	user, rest, ok := strings.Cut(msg, " : ")
	if user = strings.TrimSpace(user); !ok || user == "" || strings.ContainsAny(user, " =;") {
		return false
	}
	ev.SetDefault(event.UserName, user)
	failure, command := "", ""
	for rest != "" && !n.tooMany(ev) {
		part := rest
		if strings.HasPrefix(strings.TrimLeft(rest, " "), "COMMAND=") {
			rest = ""
		} else {
			part, rest, _ = strings.Cut(rest, " ; ")
		}
		name, value, isPair := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !isPair || name == "" || strings.ContainsAny(name, " "):
			failure = strings.TrimSpace(part)
			ev.AddNonEmpty("system.auth.sudo.error", failure)
		case name == "TTY":
			ev.Add("system.auth.sudo.tty", value)
		case name == "PWD":
			ev.Add("process.working_directory", value)
		case name == "USER":
			ev.Add("user.effective.name", value)
		case name == "COMMAND":
			command = value
		default:
			ev.Add(ev.Keep(appendLower(append(n.buf[:0], "system.auth.sudo."...), name)), value)
		}
	}
	if command != "" {
		ev.Add(event.ProcessCommand, command)
		exe, _ := word(command)
		if strings.HasPrefix(exe, "/") {
			ev.Add(event.ProcessExe, exe)
		}
	}
	classify(ev, "process", "start", "sudo")
	addOutcome(ev, failure == "" || strings.HasPrefix(failure, "(command continued)"))
	return true
}

func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
