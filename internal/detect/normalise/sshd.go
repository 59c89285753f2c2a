package normalise

import (
	"strings"

	"yagura/internal/event"
)

// sshd reads OpenSSH's sentences (auth.c, monitor.c, packet.c, session.c) and dropbear's. User names come from
// whoever connects and may hold anything, " from 192.0.2.1" too, so addresses are read from the end.
func sshd(msg string, ev *event.Event) bool {
	msg = strings.TrimPrefix(msg, "error: ")
	msg = strings.TrimPrefix(msg, "fatal: ")
	msg = strings.TrimSuffix(strings.TrimSpace(msg), " [preauth]")
	first, rest := word(msg)
	switch first {
	case "Accepted", "Failed", "Postponed", "Partial":
		return sshLogin(first, rest, ev)
	case "Invalid", "Illegal":
		if after, ok := strings.CutPrefix(rest, "user "); ok {
			sshAttempt(after, "ssh_invalid_user", ev)
			return true
		}
	case "User":
		if user, _, ok := strings.Cut(rest, " not allowed because "); ok {
			sshAttempt(user, "ssh_not_allowed", ev)
			return true
		}
	case "maximum":
		if after, ok := strings.CutPrefix(rest, "authentication attempts exceeded for "); ok {
			sshAttempt(after, "ssh_max_attempts", ev)
			return true
		}
	case "Disconnecting":
		_, after, ok := strings.Cut(rest, " user ")
		if i := strings.LastIndex(after, ": "); ok && i > 0 {
			return sshPeer(after[:i], "ssh_disconnect", ev)
		}
	case "input_userauth_request:":
		if after, ok := strings.CutPrefix(rest, "invalid user "); ok {
			classify(ev, "authentication", "info", "ssh_invalid_user")
			ev.AddNonEmpty(event.UserName, strings.TrimSpace(after))
			return true
		}
	case "Disconnected", "Received", "Connection", "Did", "Bad", "reverse", "Address", "Unable", "Timeout", "Close",
		"Starting", "banner", "kex_exchange_identification:", "ssh_dispatch_run_fatal:", "Protocol":
		return sshConnection(msg, ev)
	}
	return false
}

// sshLogin reads "<method> for [invalid user ]<user> from <ip> port <port> ssh2[: <key>]".
func sshLogin(verb, rest string, ev *event.Event) bool {
	method, rest := word(rest)
	who, ok := strings.CutPrefix(rest, "for ")
	if !ok {
		return false
	}
	user, peer, ok := cutLast(who, " from ")
	if !ok {
		return false
	}
	ev.Add("system.auth.ssh.event", verb)
	ev.Add("system.auth.ssh.method", method)
	if name, invalid := strings.CutPrefix(user, "invalid user "); invalid {
		user = name
		ev.AddKind("system.auth.ssh.invalid_user", "true", event.Bool)
	} else if name, invalid := strings.CutPrefix(user, "illegal user "); invalid {
		user = name
		ev.AddKind("system.auth.ssh.invalid_user", "true", event.Bool)
	}
	ev.AddNonEmpty(event.UserName, user)
	sshAddress(peer, ev)
	if _, key, found := strings.Cut(peer, " ssh2: "); found {
		ev.Add("system.auth.ssh.signature", key)
	}
	switch verb {
	case "Accepted":
		classify(ev, "authentication session", "start", "ssh_login")
		addOutcome(ev, true)
	case "Failed":
		classify(ev, "authentication", "start", "ssh_login")
		addOutcome(ev, false)
	default:
		classify(ev, "authentication", "info", "ssh_login")
	}
	return true
}

// sshAttempt reads "[invalid user ]<user> from <ip>[ port <port>]": a login that was turned away.
func sshAttempt(who, action string, ev *event.Event) {
	user, peer, found := cutLast(who, " from ")
	if !found {
		if peer, found = strings.CutPrefix(who, "from "); found {
			user = ""
		}
	}
	ev.AddNonEmpty(event.UserName, strings.TrimSpace(strings.TrimPrefix(user, "invalid user ")))
	sshAddress(peer, ev)
	classify(ev, "authentication", "start", action)
	addOutcome(ev, false)
}

// sshConnection reads the sentences about a connection rather than a login.
func sshConnection(msg string, ev *event.Event) bool {
	switch {
	case strings.HasSuffix(msg, "POSSIBLE BREAK-IN ATTEMPT!"):
		if name, ip, ok := strings.Cut(msg, " ["); ok { // reverse mapping checking getaddrinfo for <name> [<ip>] failed
			ip, _, _ = strings.Cut(ip, "]")
			addEndpoint(ev, "source", ip)
			addEndpoint(ev, "source", name[strings.LastIndexByte(name, ' ')+1:])
		} else if after, ok := strings.CutPrefix(msg, "Address "); ok { // Address <ip> maps to <name>, but this does not map back
			ip, rest := word(after)
			addEndpoint(ev, "source", ip)
			name, _, _ := strings.Cut(strings.TrimPrefix(rest, "maps to "), ",")
			addEndpoint(ev, "source", name)
		}
		classify(ev, "network", "connection info", "ssh_reverse_mapping_failed")
	case strings.HasPrefix(msg, "Connection from "):
		source, destination, _ := strings.Cut(msg[len("Connection from "):], " on ")
		sshAddress(source, ev)
		ip, _ := word(destination)
		addEndpoint(ev, "destination", ip)
		classify(ev, "network", "connection start", "ssh_connection")
	case strings.HasPrefix(msg, "Disconnected from "):
		return sshPeer(msg[len("Disconnected from "):], "ssh_disconnect", ev)
	case strings.HasPrefix(msg, "Connection closed by "):
		return sshPeer(msg[len("Connection closed by "):], "ssh_disconnect", ev)
	case strings.HasPrefix(msg, "Connection reset by "):
		return sshPeer(msg[len("Connection reset by "):], "ssh_disconnect", ev)
	case strings.HasPrefix(msg, "Received disconnect from "):
		sshAddress(msg[len("Received disconnect from "):], ev)
		classify(ev, "network", "connection end", "ssh_disconnect")
	case strings.HasPrefix(msg, "Starting session: "), strings.HasPrefix(msg, "Close session: user "):
		_, who, ok := strings.Cut(strings.Replace(msg, "Close session: user ", " for ", 1), " for ")
		user, peer, found := cutLast(who, " from ")
		if !ok || !found {
			return false
		}
		ev.AddNonEmpty(event.UserName, user)
		sshAddress(peer, ev)
		kind, action := "start", "ssh_session_start"
		if msg[0] == 'C' {
			kind, action = "end", "ssh_session_end"
		}
		classify(ev, "session", kind, action)
	default:
		_, peer, ok := cutLast(msg, " from ")
		if !ok {
			_, peer, ok = cutLast(msg, " with ")
		}
		if !ok {
			_, peer, ok = cutLast(msg, "authentication for ")
		}
		if ok {
			sshAddress(peer, ev)
		}
		classify(ev, "network", "connection info", "ssh_bad_connection")
	}
	return true
}

// sshPeer reads "[invalid user |authenticating user |user ]<user> <ip>[ port <port>]".
func sshPeer(s, action string, ev *event.Event) bool {
	classify(ev, "network", "connection end", action)
	for _, label := range [...]string{"invalid user ", "authenticating user ", "user "} {
		after, ok := strings.CutPrefix(s, label)
		if !ok {
			continue
		}
		who, port, _ := cutLast(after, " port ")
		user, ip, ok := cutLast(who, " ")
		if !ok {
			user, ip = "", who
		}
		ev.AddNonEmpty(event.UserName, user)
		addEndpoint(ev, "source", ip)
		if port, _ = word(port); isPort(port) {
			addNumber(ev, event.SourcePort, port)
		}
		return true
	}
	sshAddress(s, ev)
	return true
}

// sshAddress reads "<ip>[ port <port>]…".
func sshAddress(peer string, ev *event.Event) {
	ip, rest := word(peer)
	if trimmed, colon := strings.CutSuffix(ip, ":"); colon {
		ip = trimmed
	}
	addEndpoint(ev, "source", strings.TrimRight(ip, ",."))
	portAfter(rest, ev)
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
