package normalise

import (
	"strings"

	"yagura/internal/event"
)

// syslogMessage reads what a program wrote: JSON or XML within the message, a device's or auditd's own format, or
// the sentences of the daemons that matter for security.
func (n *Normaliser) syslogMessage(msg string, ev *event.Event) {
	program := ev.Get(event.ProcessName)
	switch {
	case strings.HasPrefix(msg, "<Event"):
		if n.eventXML(msg, ev) {
			return
		}
	case strings.HasPrefix(msg, "{"), strings.HasPrefix(msg, "@cee:"):
		if n.nestedJSON(strings.TrimSpace(strings.TrimPrefix(msg, "@cee:")), ev) {
			return
		}
	case strings.HasPrefix(msg, "%"):
		if n.cisco(msg, ev) {
			return
		}
	case isAudit(msg, program):
		n.audit(msg, ev)
		return
	case strings.HasPrefix(msg, "CEF:"):
		n.label(ev, "cef", "cef.log")
	case strings.HasPrefix(msg, "LEEF:"):
		n.label(ev, "leef", "leef.log")
	}
	if program == "" && n.pairs(msg, ev) {
		return
	}
	ev.SetDefault(event.Message, msg)
	n.program(program, msg, ev)
	n.label(ev, "system", "system.syslog")
}

// program reads a daemon's own sentences. Whatever it does not know keeps its message, and an address after
// "from" is taken as the source: that is what it means in every daemon's log.
func (n *Normaliser) program(program, msg string, ev *event.Event) {
	if strings.HasPrefix(msg, "message repeated ") {
		if _, inner, ok := strings.Cut(msg, ": [ "); ok {
			msg = strings.TrimSuffix(inner, "]")
		}
	}
	handled := pam(msg, ev)
	switch program {
	case "sshd", "sshd-session", "sshd-auth", "dropbear":
		handled = sshd(msg, ev) || handled
		n.label(ev, "system", "system.auth")
	case "sudo":
		handled = n.sudo(msg, ev) || handled
		n.label(ev, "system", "system.auth")
	case "su":
		handled = su(msg, ev) || handled
		n.label(ev, "system", "system.auth")
	case "cron", "crond", "CRON", "CROND", "crontab", "anacron", "atd":
		handled = cron(msg, ev) || handled
	case "useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "passwd", "chpasswd", "gpasswd", "chage",
		"chfn", "chsh", "adduser", "newusers":
		handled = account(program, msg, ev) || handled
		n.label(ev, "system", "system.auth")
	case "login", "systemd-logind", "gdm", "gdm-password", "polkitd", "rlogind", "klogind", "telnetd", "xrdp-sesman":
		handled = login(msg, ev) || handled
		n.label(ev, "system", "system.auth")
	case "vsftpd", "ftpd", "proftpd", "pure-ftpd", "in.ftpd":
		handled = ftp(msg, ev) || handled
	case "kernel", "ulogd":
		handled = netfilter(msg, ev) || handled
	case "nginx", "httpd", "apache", "apache2":
		handled = n.webLine(msg, ev) || handled
	}
	if !handled {
		from(msg, ev)
	}
}

// label gives an event its module and dataset unless it has them. A dataset that says no more than the format gives
// way to what the sender calls its data.
func (n *Normaliser) label(ev *event.Event, module, dataset string) {
	if hint := n.hint(); hint != "" && (dataset == "system.syslog" || dataset == "web.access") {
		if dataset = hint; module != "system" {
			module = moduleOf(hint)
		}
	}
	ev.SetDefault(event.EventDataset, dataset)
	ev.SetDefault(event.EventModule, module)
}

// from finds "from ADDRESS" or "FROM ADDRESS" and takes it as the source. It reports whether there was one.
func from(msg string, ev *event.Event) bool {
	for at := 0; ; {
		i := strings.IndexAny(msg[at:], "fF")
		if i < 0 {
			return false
		}
		i += at
		at = i + 1
		found := strings.HasPrefix(msg[i:], "from ") || strings.HasPrefix(msg[i:], "FROM ")
		if !found || i > 0 && msg[i-1] != ' ' && msg[i-1] != '(' {
			continue
		}
		at = i + len("from ")
		token, after := word(msg[at:])
		if ip, port := address(strings.Trim(token, ",.;()'\"")); ip != "" {
			addEndpoint(ev, "source", ip)
			addNumber(ev, event.SourcePort, port)
			portAfter(after, ev)
			return true
		}
	}
}

// portAfter reads "port 1234" at the start of s.
func portAfter(s string, ev *event.Event) {
	if after, ok := strings.CutPrefix(s, "port "); ok {
		digits, _ := word(after)
		if digits = strings.TrimRight(digits, ":,."); isPort(digits) {
			addNumber(ev, event.SourcePort, digits)
		}
	}
}
