package demo

import (
	"encoding/json"
	"fmt"
	"time"
)

// object is a JSON object; its keys come out sorted, so that a seed gives the same bytes.
type object map[string]any

func (g *Generator) json(from origin, at time.Time, o object) record {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err) // objects are made here, of text and numbers
	}
	return record{at, from, data}
}

func (g *Generator) id() string {
	g.serial++
	return fmt.Sprintf("%08x-%06d", g.rng.Uint32(), g.serial)
}

// windowsEvent is an event as Winlogbeat 8 sends it.
func (g *Generator) windowsEvent(at time.Time, p person, channel, provider string, id int, data object) record {
	return g.json(windows, at, object{
		"@timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"agent":      object{"type": "winlogbeat", "version": "8.19.0"},
		"ecs":        object{"version": "8.0.0"},
		"host":       object{"name": p.pc, "ip": []string{p.ip}, "os": object{"type": "windows"}},
		"event":      object{"code": fmt.Sprint(id), "kind": "event", "provider": provider},
		"winlog": object{
			"channel": channel, "provider_name": provider, "event_id": fmt.Sprint(id), "record_id": g.rng.IntN(1 << 20),
			"computer_name": p.pc + ".corp." + domain, "event_data": data,
		},
	})
}

func (g *Generator) sysmon(at time.Time, p person, id int, data object) record {
	data["UtcTime"] = at.UTC().Format("2006-01-02 15:04:05.000")
	data["User"] = `MARUMADO\` + p.login
	return g.windowsEvent(at, p, "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", id, data)
}

func (g *Generator) process(at time.Time, p person, image, commandLine, parent string) record {
	return g.sysmon(at, p, 1, object{
		"Image": image, "CommandLine": commandLine, "ParentImage": parent, "ProcessId": fmt.Sprint(1000 + g.rng.IntN(20000)),
		"ParentProcessId": fmt.Sprint(500 + g.rng.IntN(500)), "IntegrityLevel": "Medium",
		"Hashes": fmt.Sprintf("SHA256=%064X", g.rng.Uint64()),
	})
}

func (g *Generator) security(at time.Time, p person, id int, data object) record {
	return g.windowsEvent(at, p, "Security", "Microsoft-Windows-Security-Auditing", id, data)
}

// oktaEvent is an entry of Okta's system log.
func (g *Generator) oktaEvent(at time.Time, p person, ip, kind, display, severity, result string) record {
	return g.json(okta, at, object{
		"uuid": g.id(), "published": at.UTC().Format("2006-01-02T15:04:05.000Z"), "eventType": kind, "version": "0",
		"severity": severity, "displayMessage": display, "outcome": object{"result": result},
		"actor":  object{"id": "00u" + p.login, "type": "User", "alternateId": p.mail(), "displayName": p.name},
		"client": object{"ipAddress": ip, "userAgent": object{"rawUserAgent": browser}},
	})
}

// m365Event is a record of the unified audit log.
func (g *Generator) m365Event(at time.Time, p person, ip, workload, operation string, more object) record {
	o := object{
		"CreationTime": at.UTC().Format("2006-01-02T15:04:05"), "Id": g.id(), "Operation": operation, "Workload": workload,
		"RecordType": 1, "OrganizationId": "b7d6c1f0-0000-4000-8000-000000000001", "UserId": p.mail(), "ClientIP": ip,
	}
	for k, v := range more {
		o[k] = v
	}
	return g.json(m365, at, o)
}

// slackEvent is an entry of Slack's audit log.
func (g *Generator) slackEvent(at time.Time, p person, ip, action string) record {
	return g.json(slack, at, object{
		"id": g.id(), "date_create": at.Unix(), "action": action,
		"actor":   object{"type": "user", "user": object{"id": "U" + p.login, "name": p.login, "email": p.mail(), "team": "T1"}},
		"entity":  object{"type": "workspace", "workspace": object{"id": "T1", "name": "marumado", "domain": "marumado"}},
		"context": object{"ip_address": ip, "ua": browser},
	})
}

// boxEvent is an event of Box's enterprise stream.
func (g *Generator) boxEvent(at time.Time, p person, ip, kind string, details object) record {
	return g.json(box, at, object{
		"type": "event", "event_id": g.id(), "event_type": kind, "created_at": at.In(japan()).Format(time.RFC3339), "ip_address": ip,
		"created_by": object{"type": "user", "id": "2" + p.login, "login": p.mail(), "name": p.name}, "additional_details": details,
	})
}

// proxyEvent is a request through the company's web proxy, as its ECS module sends it.
func (g *Generator) proxyEvent(at time.Time, p person, method, host, path string, sent, received, status int) record {
	return g.json(proxy, at, object{
		"@timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"message":    fmt.Sprintf("%s https://%s%s %d, %d bytes sent", method, host, path, status, sent),
		"event":      object{"category": []string{"web"}, "type": []string{"access"}, "module": "squid", "dataset": "squid.access"},
		"source":     object{"ip": p.ip}, "user": object{"name": p.login},
		"url":        object{"domain": host, "path": path, "full": "https://" + host + path, "scheme": "https"},
		"http":       object{"request": object{"method": method, "bytes": sent}, "response": object{"status_code": status, "bytes": received}},
		"user_agent": object{"original": browser},
	})
}

// webLine is a line of the shop's access log, combined format.
func (g *Generator) webLine(at time.Time, ip, user, method, path string, status, bytes int, agent string) record {
	return record{at, webserver, fmt.Appendf(nil, `%s - %s [%s] "%s %s HTTP/1.1" %d %d "https://%s/" "%s"`,
		ip, user, at.In(japan()).Format("02/Jan/2006:15:04:05 -0700"), method, path, status, bytes, shop, agent)}
}

// syslogLine is a message as rsyslog forwards it (RFC 5424).
func (g *Generator) syslogLine(at time.Time, priority int, host, program, message string) record {
	return record{at, linux, fmt.Appendf(nil, "<%d>1 %s %s %s %d - - %s",
		priority, at.In(japan()).Format("2006-01-02T15:04:05.000000-07:00"), host, program, 1000+g.rng.IntN(30000), message)}
}

// vpnLine is a log line of the FortiGate that ends the VPN.
func (g *Generator) vpnLine(at time.Time, level, logid, desc, action, ip, user, rest string) record {
	local := at.In(japan())
	return record{at, vpn, fmt.Appendf(nil,
		`<189>date=%s time=%s eventtime=%d tz="+0900" devname="vpn-gw" devid="FG100FTK20000001" logid="%s" type="event" subtype="vpn" level="%s" vd="root" logdesc="%s" action="%s" tunneltype="ssl-web" remip=%s user="%s" %s`,
		local.Format(time.DateOnly), local.Format(time.TimeOnly), at.UnixNano(), logid, level, desc, action, ip, user, rest)}
}

const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
