package normalise

import (
	"strings"

	"yagura/internal/event"
)

// su reads the sentences of shadow-utils, util-linux and the old ones:
// "(to root) alice on pts/0", "FAILED SU (to root) alice on pts/1", "Successful su for root by alice",
// "+ /dev/pts/0 alice:root", "'su root' failed for alice on /dev/pts/0".
func su(msg string, ev *event.Event) bool {
	by, target, ok := "", "", true
	switch {
	case strings.HasPrefix(msg, "+ "), strings.HasPrefix(msg, "- "):
		_, pair := word(msg[2:])
		by, target, _ = strings.Cut(pair, ":")
		ok = msg[0] == '+'
	case strings.HasPrefix(msg, "Successful su for "), strings.HasPrefix(msg, "FAILED su for "):
		ok = msg[0] == 'S'
		target, by, _ = strings.Cut(msg[strings.Index(msg, " for ")+len(" for "):], " by ")
	case strings.HasPrefix(msg, "'su "):
		var rest, tty string
		target, rest, _ = strings.Cut(msg[len("'su "):], "' ")
		ok = strings.HasPrefix(rest, "succeeded ")
		_, rest, _ = strings.Cut(rest, " for ")
		by, tty, _ = strings.Cut(rest, " on ")
		ev.AddNonEmpty("system.auth.su.tty", tty)
	default:
		failed, rest := strings.HasPrefix(msg, "FAILED SU "), strings.TrimPrefix(msg, "FAILED SU ")
		who, found := strings.CutPrefix(rest, "(to ")
		if !found {
			return false
		}
		var tty string
		target, by, _ = strings.Cut(who, ") ")
		by, tty, _ = strings.Cut(by, " on ")
		ev.AddNonEmpty("system.auth.su.tty", tty)
		ok = !failed
	}
	ev.AddNonEmpty(event.UserName, strings.TrimSpace(by))
	ev.AddNonEmpty("user.effective.name", strings.TrimSpace(target))
	classify(ev, "authentication", "start", "su")
	addOutcome(ev, ok)
	return true
}

// cron reads "(user) CMD (command)", "(user) REPLACE (user)", "(CRON) INFO (…)".
func cron(msg string, ev *event.Event) bool {
	who, ok := strings.CutPrefix(msg, "(")
	user, rest, closed := strings.Cut(who, ") ")
	if !ok || !closed {
		return false
	}
	verb, detail, ok := strings.Cut(rest, " (")
	if !ok {
		return false
	}
	detail = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(detail), ")"))
	ev.SetDefault(event.UserName, user)
	switch verb {
	case "CMD":
		ev.Add(event.ProcessCommand, detail)
		classify(ev, "process", "start", "cron_command")
	case "CMDEND":
		ev.Add(event.ProcessCommand, detail)
		classify(ev, "process", "end", "cron_command_end")
	case "REPLACE", "BEGIN EDIT", "END EDIT", "DELETE", "LIST":
		ev.AddNonEmpty("user.target.name", detail)
		classify(ev, "configuration", "change", cronAction(verb))
	default:
		classify(ev, "process", "info", "cron_info")
	}
	return true
}

func cronAction(verb string) string {
	switch verb {
	case "REPLACE":
		return "crontab_replaced"
	case "DELETE":
		return "crontab_deleted"
	case "LIST":
		return "crontab_listed"
	case "BEGIN EDIT":
		return "crontab_edit_begin"
	default:
		return "crontab_edit_end"
	}
}

// account reads what shadow-utils and passwd write about accounts and groups:
// "new user: name=x, UID=1001, GID=1001, home=/home/x, shell=/bin/bash", "delete user 'x'",
// "add 'x' to group 'sudo'", "password for 'x' changed by 'root'".
func account(program, msg string, ev *event.Event) bool {
	action, kind := "", "user change"
	switch {
	case strings.HasPrefix(msg, "new user: "):
		action, kind = "user_added", "user creation"
		accountPairs(msg[len("new user: "):], "user", ev)
	case strings.HasPrefix(msg, "new group: "):
		action, kind = "group_added", "group creation"
		accountPairs(msg[len("new group: "):], "group", ev)
	case strings.HasPrefix(msg, "group added to "):
		action, kind = "group_added", "group creation"
		_, pairs, _ := strings.Cut(msg, ": ")
		accountPairs(pairs, "group", ev)
	case strings.HasPrefix(msg, "add "):
		action, kind = "user_added_to_group", "group change"
	case strings.HasPrefix(msg, "delete user "):
		action, kind = "user_deleted", "user deletion"
	case strings.HasPrefix(msg, "delete ") && strings.Contains(msg, " from "):
		action, kind = "user_removed_from_group", "group change"
	case strings.HasPrefix(msg, "removed group "), strings.HasPrefix(msg, "removed shadow group "), strings.HasPrefix(msg, "group "):
		action, kind = "group_changed", "group change"
		if strings.HasPrefix(msg, "removed") || strings.Contains(msg, " removed") {
			action, kind = "group_deleted", "group deletion"
		}
	case strings.HasPrefix(msg, "lock user "):
		action = "user_locked"
	case strings.HasPrefix(msg, "unlock user "):
		action = "user_unlocked"
	case strings.HasPrefix(msg, "password for "), strings.HasPrefix(msg, "password changed"), strings.HasPrefix(msg, "change user ") && strings.Contains(msg, "password"):
		action = "password_changed"
	case strings.HasPrefix(msg, "change user "), strings.HasPrefix(msg, "changed "):
		action = "user_changed"
	case program == "gpasswd" && strings.Contains(msg, " added by "):
		action, kind = "user_added_to_group", "group change"
		gpasswd(msg, ev)
	default:
		return false
	}
	accountQuoted(action, msg, ev)
	classify(ev, "iam", kind, action)
	addOutcome(ev, true)
	return true
}

// accountPairs reads "name=x, UID=1001, GID=1001, home=/home/x, shell=/bin/bash, from=/dev/pts/0".
func accountPairs(list, subject string, ev *event.Event) {
	for pair := range strings.SplitSeq(list, ", ") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "name":
			ev.SetDefault(subject+".name", value)
		case "UID":
			ev.SetDefault("user.id", value)
		case "GID":
			ev.SetDefault("group.id", value)
		case "home":
			ev.SetDefault("system.auth.useradd.home", value)
		case "shell":
			ev.SetDefault("system.auth.useradd.shell", value)
		case "from":
			ev.SetDefault("system.auth.useradd.from", value)
		}
	}
}

// accountQuoted reads the names in quotes: the first is whom the sentence is about, then a group or who did it.
func accountQuoted(action, msg string, ev *event.Event) {
	_, rest, ok := strings.Cut(msg, "'")
	first, rest, closed := strings.Cut(rest, "'")
	if !ok || !closed {
		return
	}
	if strings.HasPrefix(action, "group_") {
		ev.SetDefault("group.name", first)
		return
	}
	ev.SetDefault(event.UserName, first)
	label, rest, ok := strings.Cut(rest, "'")
	second, _, closed := strings.Cut(rest, "'")
	if !ok || !closed {
		return
	}
	switch {
	case strings.HasSuffix(label, "group "):
		ev.SetDefault("group.name", second)
	case strings.HasSuffix(label, " by "):
		ev.SetDefault("user.changes.by", second)
	}
}

// gpasswd reads "user x added by root to group y".
func gpasswd(msg string, ev *event.Event) {
	user, rest, _ := strings.Cut(strings.TrimPrefix(msg, "user "), " added by ")
	by, group, _ := strings.Cut(rest, " to group ")
	ev.AddNonEmpty(event.UserName, user)
	ev.AddNonEmpty("user.changes.by", by)
	ev.AddNonEmpty("group.name", group)
}

// login reads login(1), systemd-logind and the Kerberos and r-command daemons.
func login(msg string, ev *event.Event) bool {
	first, _ := word(msg)
	switch {
	case strings.HasPrefix(msg, "New session "):
		id, rest, _ := strings.Cut(msg[len("New session "):], " of user ")
		ev.Add("session.id", id)
		ev.AddNonEmpty(event.UserName, strings.TrimSuffix(rest, "."))
		classify(ev, "session", "start", "session_opened")
		addOutcome(ev, true)
	case strings.HasPrefix(msg, "Removed session "):
		ev.Add("session.id", strings.TrimSuffix(msg[len("Removed session "):], "."))
		classify(ev, "session", "end", "session_closed")
	case strings.HasPrefix(msg, "FAILED LOGIN"):
		if _, rest, ok := strings.Cut(msg, " FOR "); ok {
			user, _, _ := strings.Cut(rest, ",")
			ev.AddNonEmpty(event.UserName, strings.Trim(user, "'` "))
		}
		classify(ev, "authentication", "start", "login")
		addOutcome(ev, false)
		from(strings.Replace(msg, " (", " from ", 1), ev)
	case strings.Contains(msg, "LOGIN ON "):
		if _, by, ok := strings.Cut(msg, " BY "); ok {
			by, _ = word(by)
			ev.AddNonEmpty(event.UserName, by)
		} else if first == "ROOT" {
			ev.Add(event.UserName, "root")
		}
		classify(ev, "authentication session", "start", "login")
		addOutcome(ev, true)
		from(msg, ev)
	case strings.HasPrefix(msg, "Authentication failed"), strings.Contains(msg, "authentication failed"):
		classify(ev, "authentication", "start", "login")
		addOutcome(ev, false)
		from(msg, ev)
	default:
		return false
	}
	return true
}

// ftp reads vsftpd's `[pid 2] [user] FAIL LOGIN: Client "192.0.2.1"` and ftpd's "FTP LOGIN FROM 192.0.2.1, user".
func ftp(msg string, ev *event.Event) bool {
	if _, client, ok := strings.Cut(msg, `Client "`); ok {
		client, _, _ = strings.Cut(client, `"`)
		addEndpoint(ev, "source", client)
		head, _, _ := strings.Cut(msg, ": Client")
		if i := strings.LastIndexByte(head, ']'); i > 0 && strings.HasSuffix(strings.TrimSpace(head), "LOGIN") {
			if j := strings.LastIndexByte(head[:i], '['); j >= 0 && !strings.HasPrefix(head[j:], "[pid ") {
				ev.AddNonEmpty(event.UserName, head[j+1:i])
			}
			classify(ev, "authentication", "start", "ftp_login")
			addOutcome(ev, !strings.Contains(head[i:], "FAIL"))
		} else {
			classify(ev, "network", "connection", "ftp_"+strings.ToLower(strings.TrimSpace(head[strings.LastIndexByte(head, ']')+1:])))
		}
		return true
	}
	if strings.HasPrefix(msg, "connection from ") {
		ip, rest := word(msg[len("connection from "):])
		addEndpoint(ev, "source", ip)
		name, _, _ := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		addEndpoint(ev, "source", name)
		classify(ev, "network", "connection start", "ftp_connection")
		return true
	}
	if i := strings.Index(msg, "FTP LOGIN FROM "); i >= 0 {
		host, user := word(msg[i+len("FTP LOGIN FROM "):])
		addEndpoint(ev, "source", strings.Trim(host, ",[]"))
		ev.AddNonEmpty(event.UserName, user[strings.LastIndexAny(user, " ,")+1:])
		classify(ev, "authentication", "start", "ftp_login")
		addOutcome(ev, !strings.Contains(msg, "REFUSED"))
		return true
	}
	return false
}
