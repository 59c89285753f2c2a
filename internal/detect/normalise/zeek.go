package normalise

import (
	"strings"

	"github.com/valyala/fastjson"

	"yagura/internal/event"
)

// zeek reads one record of a Zeek log: a line of a JSON log, or of a TSV log as an object. Names that ECS has take
// those; every other field is zeek.<log>.<name>. The log's name comes from _path, from the sender's hint, or
// from the fields.
func (n *Normaliser) zeek(v *fastjson.Value, ev *event.Event) error {
	log := n.zeekLog(v)
	prefix := append(append(n.path[:0], "zeek."...), log...)
	dataset := ev.Keep(prefix)
	o, err := v.Object()
	if err != nil {
		return errNotObject
	}
	n.textLeft = repeatedText
	o.Visit(func(key []byte, child *fastjson.Value) {
		name := alias(key)
		if name == "ts" || name == "_path" || name == "@timestamp" && !ev.Time.IsZero() {
			if name != "ts" || n.zeekTime(child, ev) {
				return
			}
		}
		if isUnset(child) {
			return // "-" in a TSV log is the absence of a value
		}
		if name == "id" && child.Type() == fastjson.TypeObject { // {"id":{"orig_h":…}}
			child.GetObject().Visit(func(part []byte, value *fastjson.Value) {
				n.zeekField(log, dataset, n.join("id", part, ev), value, ev)
			})
			return
		}
		n.zeekField(log, dataset, name, child, ev)
	})
	ev.SetDefault(event.EventModule, "zeek")
	ev.SetDefault(event.EventDataset, dataset)
	n.zeekClass(log, ev)
	n.splitURL(ev)
	if !ev.Has(event.Message) {
		n.zeekSentence(log, ev)
	}
	return nil
}

func (n *Normaliser) zeekField(log, dataset, name string, v *fastjson.Value, ev *event.Event) {
	to := zeekName(log, name)
	if to == "" || (v.Type() != fastjson.TypeArray && ev.Has(to)) {
		n.path = append(append(append(n.path[:0], dataset...), '.'), name...)
		to = ev.Keep(n.path)
	} else if v.Type() == fastjson.TypeString {
		b, _ := v.StringBytes()
		addTyped(ev, to, alias(b)) // a TSV log's numbers are text
		return
	}
	n.flattenAt(to, v, ev, 0, false)
}

func (n *Normaliser) zeekTime(v *fastjson.Value, ev *event.Event) bool {
	if v.Type() == fastjson.TypeString {
		b, _ := v.StringBytes()
		t, ok := parseTime(alias(b))
		if ok {
			ev.Time = t
		}
		return ok
	}
	n.buf = v.MarshalTo(n.buf[:0])
	t, ok := parseTime(alias(n.buf))
	if ok {
		ev.Time = t
	}
	return ok
}

func isUnset(v *fastjson.Value) bool {
	b := v.GetStringBytes()
	return len(b) == 1 && b[0] == '-' && v.Type() == fastjson.TypeString
}

// isZeek recognises a Zeek record that came without a hint: the connection's tuple under Zeek's own names.
func isZeek(v *fastjson.Value) bool {
	if !v.Exists("ts") {
		return false
	}
	return v.Exists("_path") || v.Exists("id.orig_h") || v.Exists("id", "orig_h") ||
		v.Exists("fuid") && v.Exists("mime_type") || v.Exists("certificate.serial")
}

// zeekLog names the log: conn, dns, http, …
func (n *Normaliser) zeekLog(v *fastjson.Value) string {
	if b := v.GetStringBytes("_path"); len(b) > 0 && len(b) < 64 {
		return alias(b)
	}
	hint := n.hint()
	for _, sensor := range [...]string{"zeek.", "zeek:", "bro:", "zeek_", "corelight_", "corelight:", "bro_"} {
		if rest, ok := strings.CutPrefix(hint, sensor); ok {
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, "json:"), "corelight_")
			hint = strings.TrimSuffix(strings.TrimSuffix(rest, ":json"), ".log")
			if hint == "connection" {
				hint = "conn"
			}
			return hint
		}
	}
	switch {
	case v.Exists("conn_state"):
		return "conn"
	case v.Exists("qtype") || v.Exists("qclass") || v.Exists("query"):
		return "dns"
	case v.Exists("request_type") && v.Exists("cipher"), v.Exists("request_type") && v.Exists("till"):
		return "kerberos"
	case v.Exists("method") || v.Exists("user_agent") || v.Exists("uri"):
		return "http"
	case v.Exists("certificate.serial"):
		return "x509"
	case v.Exists("server_name") || v.Exists("cipher"):
		return "ssl"
	case v.Exists("endpoint") && v.Exists("operation"):
		return "dce_rpc"
	case v.Exists("fuid") && v.Exists("mime_type"):
		return "files"
	case v.Exists("share_type"):
		return "smb_mapping"
	case v.Exists("action") && v.Exists("path"):
		return "smb_files"
	case v.Exists("note"):
		return "notice"
	case v.Exists("cookie") && v.Exists("security_protocol"):
		return "rdp"
	case v.Exists("auth_attempts") || v.Exists("auth_success"):
		return "ssh"
	case hint != "":
		return strings.TrimSuffix(hint, ".log")
	}
	return "unknown"
}

// zeekName gives the ECS name of a field, "" where it keeps its own. As in Filebeat's zeek module where that has one.
func zeekName(log, name string) string {
	switch name {
	case "id.orig_h":
		return event.SourceIP
	case "id.orig_p":
		return event.SourcePort
	case "id.resp_h":
		return event.DestinationIP
	case "id.resp_p":
		return event.DestinationPort
	case "uid":
		return "zeek.session_id"
	case "community_id":
		return "network.community_id"
	case "proto":
		return "network.transport"
	}
	switch log + "." + name {
	case "conn.service":
		return "network.protocol"
	case "conn.orig_bytes":
		return "source.bytes"
	case "conn.resp_bytes":
		return "destination.bytes"
	case "conn.orig_pkts":
		return "source.packets"
	case "conn.resp_pkts":
		return "destination.packets"
	case "conn.orig_l2_addr":
		return "source.mac"
	case "conn.resp_l2_addr":
		return "destination.mac"
	case "dns.query":
		return "dns.question.name"
	case "dns.qtype_name":
		return "dns.question.type"
	case "dns.qclass_name":
		return "dns.question.class"
	case "dns.rcode_name":
		return "dns.response_code"
	case "dns.answers":
		return "dns.answers.data"
	case "dns.trans_id":
		return "dns.id"
	case "http.method":
		return "http.request.method"
	case "http.host":
		return "url.domain"
	case "http.uri":
		return "url.original"
	case "http.referrer":
		return "http.request.referrer"
	case "http.user_agent":
		return event.UserAgent
	case "http.version":
		return "http.version"
	case "http.request_body_len":
		return "http.request.body.bytes"
	case "http.response_body_len":
		return "http.response.body.bytes"
	case "http.status_code":
		return "http.response.status_code"
	case "http.resp_mime_types":
		return "http.response.mime_type"
	case "http.username", "ftp.user", "socks.user", "ntlm.username", "radius.username", "mysql.username":
		return event.UserName
	case "ntlm.domainname":
		return event.UserDomain
	case "ntlm.hostname":
		return event.SourceDomain
	case "kerberos.client":
		return event.UserName
	case "ssl.version":
		return "tls.version"
	case "ssl.cipher":
		return "tls.cipher"
	case "ssl.curve":
		return "tls.curve"
	case "ssl.server_name":
		return "tls.client.server_name"
	case "ssl.ja3":
		return "tls.client.ja3"
	case "ssl.ja3s":
		return "tls.server.ja3s"
	case "ssl.subject":
		return "tls.server.subject"
	case "ssl.issuer":
		return "tls.server.issuer"
	case "files.md5":
		return "file.hash.md5"
	case "files.sha1":
		return "file.hash.sha1"
	case "files.sha256":
		return "file.hash.sha256"
	case "files.mime_type", "pe.mime_type":
		return "file.mime_type"
	case "files.filename", "smb_files.name":
		return "file.name"
	case "smtp.mailfrom":
		return "email.sender.address"
	case "smtp.rcptto":
		return "email.to.address"
	case "smtp.subject":
		return "email.subject"
	case "smtp.msg_id":
		return "email.message_id"
	case "notice.msg":
		return event.Message
	case "notice.note", "weird.name":
		return "rule.name"
	case "software.name":
		return "package.name"
	}
	return ""
}

// zeekClass adds what kind of event a record is.
func (n *Normaliser) zeekClass(log string, ev *event.Event) {
	switch log {
	case "notice", "weird", "signatures", "intel":
		classify(ev, "intrusion_detection", "info", log)
	case "files", "pe", "x509", "smb_files":
		classify(ev, "file", "info", log)
	case "ssh":
		classify(ev, "network authentication", "connection", log)
		if success, ok := ev.Lookup("zeek.ssh.auth_success"); ok {
			addOutcome(ev, success == "true" || success == "T")
		}
	case "kerberos", "ntlm", "radius":
		classify(ev, "network authentication", "connection", log)
		if success, ok := ev.Lookup("zeek." + log + ".success"); ok {
			addOutcome(ev, success == "true" || success == "T")
		}
	case "http":
		classify(ev, "network web", "connection protocol", log)
		if code := ev.Get("http.response.status_code"); len(code) == 3 {
			addOutcome(ev, code[0] < '4')
		}
	default:
		classify(ev, "network", "connection protocol", log)
	}
}

// zeekSentence says who spoke to whom about what.
func (n *Normaliser) zeekSentence(log string, ev *event.Event) {
	n.buf = append(append(n.buf[:0], log...), ' ')
	n.buf = append(n.buf, firstOf(ev, event.SourceIP)...)
	if to := firstOf(ev, event.DestinationIP); to != "" {
		n.buf = append(append(n.buf, " -> "...), to...)
		if port := ev.Get(event.DestinationPort); port != "" {
			n.buf = append(append(n.buf, ':'), port...)
		}
	}
	about := firstOf(ev, "dns.question.name", "tls.client.server_name", "url.original", "file.name", "rule.name", event.UserName, "network.protocol")
	if about != "" && len(about) <= 512 {
		n.buf = append(append(n.buf, ' '), about...)
	}
	ev.Add(event.Message, ev.Keep(n.buf))
}
