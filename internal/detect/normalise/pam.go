package normalise

import (
	"strings"

	"yagura/internal/event"
)

// pam reads what Linux-PAM modules write, whichever program hosts them:
// "pam_unix(sshd:auth): authentication failure; logname= uid=0 … rhost=192.0.2.1  user=root", the same without the
// prefix (old daemons put the module in the tag), "session opened for user root(uid=0) by (uid=0)".
func pam(msg string, ev *event.Event) bool {
	if strings.HasPrefix(msg, "pam_") {
		module, rest, ok := strings.Cut(msg, "(")
		service, after, closed := strings.Cut(rest, "): ")
		if !ok || !closed || strings.ContainsAny(module, " :") {
			return false
		}
		ev.Add("system.auth.pam.module", module)
		name, kind, _ := strings.Cut(service, ":")
		ev.AddNonEmpty("system.auth.pam.service", name)
		ev.AddNonEmpty("system.auth.pam.type", kind)
		msg = after
	}
	switch {
	case strings.HasPrefix(msg, "authentication failure;"):
		pamFailure(msg, ev)
	case strings.HasPrefix(msg, "PAM ") && strings.Contains(msg, " more authentication failure"):
		pamFailure(msg, ev)
	case strings.HasPrefix(msg, "session opened for user "), strings.HasPrefix(msg, "session closed for user "):
		pamSession(msg, ev)
	case strings.HasPrefix(msg, "check pass; user unknown"):
		ev.Add("system.auth.pam.message", msg)
		classify(ev, "authentication", "info", "user_unknown")
		addOutcome(ev, false)
	case strings.HasPrefix(msg, "password changed for "):
		ev.Add("system.auth.pam.message", msg)
		ev.AddNonEmpty(event.UserName, strings.TrimSpace(msg[len("password changed for "):]))
		classify(ev, "iam", "user change", "password_changed")
		addOutcome(ev, true)
	case strings.HasPrefix(msg, "account ") && strings.Contains(msg, " has expired"):
		ev.Add("system.auth.pam.message", msg)
		user, _ := word(msg[len("account "):])
		ev.AddNonEmpty(event.UserName, user)
		classify(ev, "authentication", "info", "account_expired")
		addOutcome(ev, false)
	default:
		return false
	}
	return true
}

// pamFailure reads "<sentence>; logname= uid= euid= tty= ruser= rhost= [user=]". Values hold no spaces, but
// ruser and user come from the outside: only the first of each name counts.
func pamFailure(msg string, ev *event.Event) {
	sentence, list, _ := strings.Cut(msg, ";")
	ev.Add("system.auth.pam.message", sentence)
	for pair := range strings.FieldsSeq(list) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			continue
		}
		switch name {
		case "rhost":
			ev.SetDefault("system.auth.pam.rhost", value)
			addEndpoint(ev, "source", value)
		case "user":
			ev.SetDefault(event.UserName, value)
		case "uid":
			ev.SetDefault("system.auth.pam.uid", value)
		case "euid":
			ev.SetDefault("system.auth.pam.euid", value)
		case "tty":
			ev.SetDefault("system.auth.pam.tty", value)
		case "ruser":
			ev.SetDefault("system.auth.pam.ruser", value)
		case "logname":
			ev.SetDefault("system.auth.pam.logname", value)
		}
	}
	classify(ev, "authentication", "start", "authentication_failure")
	addOutcome(ev, false)
}

func pamSession(msg string, ev *event.Event) {
	kind, action := "start", "session_opened"
	if strings.HasPrefix(msg, "session closed") {
		kind, action = "end", "session_closed"
	}
	ev.Add("system.auth.pam.message", msg[:len("session opened")])
	user, by, _ := strings.Cut(msg[len("session opened for user "):], " by ")
	user, rest, hasID := strings.Cut(strings.TrimSpace(user), "(uid=")
	ev.AddNonEmpty(event.UserName, user)
	if hasID {
		ev.AddNonEmpty("user.id", strings.TrimSuffix(rest, ")"))
	}
	if name, id, ok := strings.Cut(strings.TrimSpace(by), "(uid="); ok {
		ev.AddNonEmpty("system.auth.pam.by", name)
		ev.AddNonEmpty("system.auth.pam.by_uid", strings.TrimSuffix(id, ")"))
	}
	classify(ev, "session", kind, action)
	addOutcome(ev, true)
}
