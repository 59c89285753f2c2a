package normalise

import (
	"strconv"
	"strings"
	"time"

	"yagura/internal/event"
)

// isAudit recognises a record of the Linux audit system by its looks or by the program that passed it on.
func isAudit(msg, program string) bool {
	switch program {
	case "audit", "auditd", "audispd", "audisp-syslog", "auoms":
		return strings.Contains(msg, "=")
	}
	msg = strings.TrimPrefix(msg, "audit: ")
	return strings.HasPrefix(msg, "type=") && strings.Contains(msg, "audit(") ||
		strings.HasPrefix(msg, "node=") && strings.Contains(msg, " type=") && strings.Contains(msg, "audit(")
}

// audit reads one record (auditd's "type=SYSCALL msg=audit(1364481363.243:24287): key=value …") into auditd.log.*
// with the record's own keys, and into ECS. What the kernel writes in hexadecimal because it holds spaces or
// worse (proctitle, arguments, paths) is decoded. Records of one audit event share auditd.log.sequence.
func (n *Normaliser) audit(msg string, ev *event.Event) {
	ev.SetDefault(event.Message, msg)
	s := strings.TrimPrefix(msg, "audit: ")
	if node, rest := word(s); strings.HasPrefix(node, "node=") {
		ev.SetDefault(event.HostName, node[len("node="):])
		s = rest
	}
	kind := ""
	if first, rest := word(s); strings.HasPrefix(first, "type=") {
		kind, s = auditType(first[len("type="):]), rest
	} else if isAuditType(first) {
		kind, s = first, rest
	}
	s = strings.TrimPrefix(s, "msg=")
	if stamp, rest, ok := strings.Cut(s, ")"); ok && strings.HasPrefix(stamp, "audit(") {
		auditStamp(stamp[len("audit("):], ev)
		s = strings.TrimLeft(rest, ": ")
	}
	if kind == "" {
		kind = "UNKNOWN"
	}
	ev.Add("auditd.log.record_type", kind)
	ev.SetDefault(event.EventModule, "auditd")
	ev.SetDefault(event.EventDataset, "auditd.log")
	ev.Add(event.EventAction, ev.Keep(appendLower(n.buf[:0], kind)))
	r := auditRecord{n: n, ev: ev, kind: kind, args: n.path[:0]}
	r.pairs(s, 0)
	r.finish()
	n.path = r.args[:0]
}

// auditStamp reads "1364481363.243:24287".
func auditStamp(s string, ev *event.Event) {
	stamp, sequence, _ := strings.Cut(s, ":")
	if t, ok := unixTime(stamp); ok {
		ev.Time = t
	} else if v, err := strconv.ParseFloat(stamp, 64); err == nil && v > 0 && v < 1e11 {
		ev.Time = time.UnixMilli(int64(v * 1000)).UTC()
	}
	if isDigits(sequence) {
		ev.AddKind("auditd.log.sequence", sequence, event.Number)
	}
}

// auditType names the numeric types that the kernel writes when no auditd listens (linux/audit.h).
func auditType(s string) string {
	switch s {
	case "1100":
		return "USER_AUTH"
	case "1300":
		return "SYSCALL"
	case "1302":
		return "PATH"
	case "1305":
		return "CONFIG_CHANGE"
	case "1306":
		return "SOCKADDR"
	case "1307":
		return "CWD"
	case "1309":
		return "EXECVE"
	case "1326":
		return "SECCOMP"
	case "1327":
		return "PROCTITLE"
	case "1400":
		return "AVC"
	}
	return s
}

func isAuditType(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '_' && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z'
}

// auditRecord gathers what several keys of a record say together.
type auditRecord struct {
	n    *Normaliser
	ev   *event.Event
	kind string
	args []byte // the EXECVE arguments, joined
	exec int    // how many there were
}

// pairs reads "key=value key="quoted value" msg='key=value …'". The enriched part that auditd appends after a group
// separator (0x1d) is read the same way: its keys are in capitals.
func (r *auditRecord) pairs(s string, depth int) {
	for {
		s = strings.TrimLeft(s, " \x1d\t,")
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return
		}
		if i := strings.LastIndexAny(name, " \x1d"); i >= 0 { // words without a value, such as "op=PAM:x foo bar res=1"
			name = name[i+1:]
		}
		var value string
		quoted := false
		switch {
		case name == "proctitle" && strings.HasPrefix(r.kind, "AUOMS_"), name == "cmdline" && strings.HasPrefix(r.kind, "AUOMS_"):
			value, s = auomsText(rest)
			quoted = true
		case strings.HasPrefix(rest, "'") && depth == 0:
			value, s = cutQuote(rest[1:], '\'')
			r.pairs(value, 1)
			continue
		case strings.HasPrefix(rest, `"`):
			value, s = cutQuote(rest[1:], '"')
			quoted = true
		case strings.HasPrefix(rest, "["):
			value, s = cutAfter(rest, "]")
		default:
			value, s = cutSpace(rest)
		}
		if name != "" && len(name) < 64 {
			r.pair(name, value, quoted)
		}
	}
}

func cutQuote(s string, quote byte) (value, rest string) {
	if i := strings.IndexByte(s, quote); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func cutAfter(s, end string) (value, rest string) {
	if i := strings.Index(s, end); i >= 0 {
		return s[:i+len(end)], s[i+len(end):]
	}
	return s, ""
}

func cutSpace(s string) (value, rest string) {
	if i := strings.IndexAny(s, " \x1d"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// auomsText reads a command line that auoms writes without quotes: up to the key that follows it.
func auomsText(s string) (value, rest string) {
	for _, next := range [...]string{" redactors=", " containerid="} {
		if i := strings.LastIndex(s, next); i >= 0 {
			return strings.TrimSpace(s[:i]), s[i:]
		}
	}
	return s, ""
}

// pair adds one key under its own name and under ECS's.
func (r *auditRecord) pair(name, value string, quoted bool) {
	if r.n.tooMany(r.ev) {
		return // the line is whole in the message
	}
	isArgument := r.kind == "EXECVE" && len(name) > 1 && name[0] == 'a' && name[1] >= '0' && name[1] <= '9'
	if !quoted && (isArgument || isAuditText(name)) {
		value = r.decode(name, value)
	}
	if isArgument && !strings.HasSuffix(name, "_len") {
		r.argument(name, value)
	}
	ev := r.ev
	ev.Add(ev.Keep(append(append(r.n.buf[:0], "auditd.log."...), name...)), value)
	if value == "" || value == "?" || value == "(null)" || value == "(none)" {
		return
	}
	switch name {
	case "pid":
		addDigits(ev, event.ProcessPID, value)
	case "ppid":
		addDigits(ev, "process.parent.pid", value)
	case "exe":
		ev.SetDefault(event.ProcessExe, value)
	case "comm":
		ev.SetDefault("process.name", value)
		ev.Set(event.ProcessName, value) // the reporting daemon's name gives way
	case "cwd":
		ev.SetDefault("process.working_directory", value)
	case "uid":
		ev.SetDefault("user.id", value)
	case "auid":
		ev.SetDefault("user.audit.id", value)
	case "euid":
		ev.SetDefault("user.effective.id", value)
	case "UID", "acct", "user":
		ev.SetDefault(event.UserName, value)
	case "AUID", "audit_user":
		ev.SetDefault("user.audit.name", value)
	case "EUID", "effective_user":
		ev.SetDefault("user.effective.name", value)
	case "addr":
		addEndpoint(ev, "source", value)
	case "name":
		ev.SetDefault(event.FilePath, value)
	case "cmd", "cmdline":
		ev.SetDefault(event.ProcessCommand, value)
	case "proctitle":
		ev.SetDefault("process.title", value)
	case "success", "res":
		addOutcome(ev, value == "yes" || value == "success" || value == "1")
	case "saddr":
		sockaddr(value, ev)
	}
}

func addDigits(ev *event.Event, name, value string) {
	if isDigits(value) && len(value) < 12 {
		addNumber(ev, name, value)
	}
}

// isAuditText says which values the kernel writes as text, and as bare hexadecimal where the text has spaces,
// quotes or control characters.
func isAuditText(name string) bool {
	switch name {
	case "proctitle", "cmd", "comm", "exe", "name", "cwd", "path", "dir", "file", "watch", "acct", "key", "data", "ocomm", "op", "device":
		return true
	}
	return false
}

// decode turns the hexadecimal text of an argument or path into that text; NUL bytes between arguments become
// spaces. What is not hexadecimal stays.
func (r *auditRecord) decode(name, value string) string {
	if len(value) < 2 || len(value)%2 != 0 {
		return value
	}
	buf := r.n.buf[:0]
	for i := 0; i < len(value); i += 2 {
		hi, lo := hexDigit(value[i]), hexDigit(value[i+1])
		if hi < 0 || lo < 0 {
			return value
		}
		buf = append(buf, byte(hi<<4|lo))
	}
	separator := byte(' ')
	if name == "key" {
		separator = ',' // several keys are joined by 0x01
	}
	for i, c := range buf {
		if c == 0 || c == 1 {
			buf[i] = separator
		}
	}
	r.n.buf = buf
	return r.ev.Keep(buf)
}

// hexDigit reads an upper-case hexadecimal digit, the only ones the kernel writes.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// argument joins "a0", "a1", … and the chunks "a1[0]", "a1[1]" of a long one to a command line.
func (r *auditRecord) argument(name, value string) {
	if len(r.args) > 64<<10 {
		return
	}
	chunk := strings.HasSuffix(name, "]") && !strings.HasSuffix(name, "[0]")
	if r.exec > 0 && !chunk {
		r.args = append(r.args, ' ')
	}
	r.args = append(r.args, value...)
	r.exec++
	if !chunk {
		r.ev.Add("process.args", value)
	}
}

func (r *auditRecord) finish() {
	ev := r.ev
	if r.exec > 0 {
		ev.SetDefault(event.ProcessCommand, ev.Keep(r.args))
	}
	if r.kind == "PROCTITLE" || strings.HasPrefix(r.kind, "AUOMS_") {
		ev.SetDefault(event.ProcessCommand, ev.Get("process.title"))
	}
	if r.kind == "SYSCALL" && !ev.Has("auditd.log.SYSCALL") {
		ev.AddNonEmpty("auditd.log.SYSCALL", syscallName(ev.Get("auditd.log.arch"), ev.Get("auditd.log.syscall")))
	}
	category, kind := auditClass(r.kind)
	if r.kind == "SYSCALL" && strings.HasPrefix(ev.Get("auditd.log.SYSCALL"), "execve") {
		kind = "start"
	}
	classify(ev, category, kind, "")
}

// auditClass says what a record is about in ECS's words.
func auditClass(kind string) (category, types string) {
	switch kind {
	case "EXECVE", "AUOMS_EXECVE", "USER_CMD":
		return "process", "start"
	case "SYSCALL", "PROCTITLE", "CWD", "SECCOMP", "AUOMS_SYSCALL", "ANOM_ABEND":
		return "process", "info"
	case "PATH":
		return "file", "info"
	case "SOCKADDR":
		return "network", "connection"
	case "USER_AUTH", "USER_LOGIN", "USER_ERR", "USER_ACCT", "CRED_ACQ", "CRED_REFR", "LOGIN", "USER_CHAUTHTOK":
		return "authentication", "start"
	case "USER_START":
		return "session", "start"
	case "USER_END", "USER_LOGOUT", "CRED_DISP":
		return "session", "end"
	case "ADD_USER", "ADD_GROUP":
		return "iam", "creation"
	case "DEL_USER", "DEL_GROUP":
		return "iam", "deletion"
	case "USER_MGMT", "GRP_MGMT", "USER_ROLE_CHANGE", "ACCT_LOCK", "ACCT_UNLOCK", "GRP_CHAUTHTOK":
		return "iam", "change"
	case "CONFIG_CHANGE", "DAEMON_CONFIG", "DAEMON_START", "DAEMON_END", "DAEMON_ABORT", "KERN_MODULE", "SERVICE_START", "SERVICE_STOP":
		return "configuration", "change"
	}
	return "", "info"
}

// sockaddr reads the raw struct sockaddr of connect(2) and bind(2): AF_INET "0200" port address, AF_INET6 "0A00".
// The family is little-endian on every machine that auditd runs on here.
func sockaddr(s string, ev *event.Event) {
	raw := make([]byte, 0, 32)
	for i := 0; i+1 < len(s) && i < 56; i += 2 {
		hi, lo := hexDigit(s[i]), hexDigit(s[i+1])
		if hi < 0 || lo < 0 {
			return
		}
		raw = append(raw, byte(hi<<4|lo))
	}
	if len(raw) < 8 || raw[1] != 0 {
		return
	}
	ip := ""
	switch {
	case raw[0] == 2:
		ip = formatIP(raw[4:8])
	case raw[0] == 10 && len(raw) >= 24:
		ip = formatIP(raw[8:24])
	default:
		return
	}
	ev.SetDefault(event.DestinationIP, ip)
	if !ev.Has(event.DestinationPort) {
		ev.AddInt(event.DestinationPort, int64(raw[2])<<8|int64(raw[3]))
	}
}
