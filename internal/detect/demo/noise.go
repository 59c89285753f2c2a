package demo

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// noise makes one ordinary thing that happens in the company at that time.
func (g *Generator) noise(at time.Time) []record {
	p := pick(g.rng, g.people)
	switch n := g.rng.IntN(100); {
	case n < 34:
		return g.customerVisit(at)
	case n < 58:
		return g.desktopWork(at, p)
	case n < 72:
		return []record{g.browse(at, p)}
	case n < 80:
		return g.logon(at, p)
	case n < 86:
		return []record{g.server(at, p)}
	case n < 90:
		return []record{g.vpnLine(at, "information", "0101039424", "SSL VPN tunnel up", "tunnel-up", publicIP(g.rng), p.login, `msg="SSL tunnel established"`)}
	case n < 94:
		return []record{g.oktaEvent(at, p, p.ip, "user.authentication.sso", "User single sign on to app", "INFO", "SUCCESS")}
	case n < 97:
		return []record{g.m365Event(at, p, p.ip, "SharePoint", pick(g.rng, []string{"FileAccessed", "FileModified", "FileDownloaded"}),
			object{"RecordType": 6, "ObjectId": "https://marumado.sharepoint.example/sites/sales/" + pick(g.rng, documents()), "UserAgent": browser})}
	case n < 99:
		return []record{g.slackEvent(at, p, p.ip, pick(g.rng, []string{"user_login", "file_downloaded", "file_uploaded"}))}
	default:
		return []record{g.boxEvent(at, p, p.ip, pick(g.rng, []string{"DOWNLOAD", "UPLOAD", "PREVIEW"}), object{"size": 1000 + g.rng.IntN(900000)})}
	}
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

func publicIP(rng *rand.Rand) string { return fmt.Sprint(publicWeb, 1+rng.IntN(250)) }

func documents() []string {
	return []string{"見積書_2026.xlsx", "会議メモ.docx", "商品カタログ.pdf", "シフト表.xlsx", "棚卸.xlsx"}
}

func (g *Generator) customerVisit(at time.Time) []record {
	paths := []string{
		"/", "/items/pan-28cm", "/items/bocho-santoku", "/cart", "/search?q=%E5%8C%85%E4%B8%81", "/assets/app.css", "/api/stock?id=4711",
		"/login", "/mypage", "/checkout",
	}
	status := pick(g.rng, []int{200, 200, 200, 200, 200, 200, 304, 302, 404})
	return []record{g.webLine(at, publicIP(g.rng), "-", pick(g.rng, []string{"GET", "GET", "GET", "POST"}), pick(g.rng, paths), status, 400+g.rng.IntN(60000), browser)}
}

func (g *Generator) desktopWork(at time.Time, p person) []record {
	const explorer = `C:\Windows\explorer.exe`
	type program struct{ image, arguments string }
	run := pick(g.rng, []program{
		{`C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE`, ` "C:\Users\` + p.login + `\Documents\` + pick(g.rng, documents()) + `"`},
		{`C:\Program Files\Google\Chrome\Application\chrome.exe`, ` --type=renderer`},
		{`C:\Program Files\Slack\slack.exe`, ` --process-start-args`},
		{`C:\Windows\System32\notepad.exe`, ``},
		{`C:\Windows\System32\svchost.exe`, ` -k netsvcs -p`},
		{`C:\Program Files\Zoom\bin\Zoom.exe`, ``},
	})
	first := g.process(at, p, run.image, `"`+run.image+`"`+run.arguments, explorer)
	if g.rng.IntN(3) > 0 {
		return []record{first}
	}
	host := pick(g.rng, []string{"www.example.com", "teams.example.net", "update.example.org"})
	return []record{first, g.sysmon(at.Add(40*time.Millisecond), p, 22, object{"QueryName": host, "QueryStatus": "0", "QueryResults": "192.0.2.80;", "Image": run.image})}
}

func (g *Generator) browse(at time.Time, p person) record {
	host := pick(g.rng, []string{"www.example.com", "news.example.net", "docs.example.org", "weather.example.jp", "maps.example.com"})
	return g.proxyEvent(at, p, "GET", host, pick(g.rng, []string{"/", "/articles/2026", "/search"}), 400+g.rng.IntN(900), 2000+g.rng.IntN(400000), 200)
}

func (g *Generator) logon(at time.Time, p person) []record {
	id, status := 4624, "0x0"
	if g.rng.IntN(14) == 0 {
		id, status = 4625, "0xc000006a"
	}
	return []record{g.security(at, p, id, object{
		"TargetUserName": p.login, "TargetDomainName": "MARUMADO", "LogonType": pick(g.rng, []string{"2", "3", "7", "11"}), "Status": status,
		"IpAddress": p.ip, "LogonProcessName": "User32", "WorkstationName": p.pc, "SubjectUserSid": "S-1-5-18",
	})}
}

func (g *Generator) server(at time.Time, p person) record {
	host := pick(g.rng, []string{"web-01", "web-02", "db-01", "backup-01"})
	switch g.rng.IntN(3) {
	case 0:
		return g.syslogLine(at, 38, host, "sshd", fmt.Sprintf("Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:demo", p.login, p.ip, 40000+g.rng.IntN(20000)))
	case 1:
		return g.syslogLine(at, 85, host, "sudo", fmt.Sprintf("  %s : TTY=pts/0 ; PWD=/home/%s ; USER=root ; COMMAND=/usr/bin/systemctl status nginx", p.login, p.login))
	default:
		return g.syslogLine(at, 78, host, "CRON", "(root) CMD (/usr/local/bin/backup --incremental)")
	}
}
