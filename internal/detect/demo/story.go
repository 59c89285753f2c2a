package demo

import (
	"fmt"
	"time"
)

// step is one thing that happens in the story, so long after its beginning.
type step struct {
	after   time.Duration
	what    string
	happens func(g *Generator, at time.Time) []record
}

func (s step) play(g *Generator, began time.Time) []record { return s.happens(g, began.Add(s.after)) }

// story is how one employee's session is stolen and the customers' data leaves. Two correlations tell it: pushes are refused until one
// is accepted, and a mass download is followed by a USB stick.
func story(victim person) []step {
	one := func(r record) []record { return []record{r} }
	return []step{
		{0, "a mail that claims to come from the company's own sign-in arrives", func(g *Generator, at time.Time) []record {
			return one(g.syslogLine(at, 22, "mx-01", "postfix/smtp", fmt.Sprintf("4Zq1: to=<%s>, relay=mail.%s, status=sent, from=<no-reply@%s>, subject=【重要】パスワードの有効期限", victim.mail(), domain, phishing)))
		}},
		{1 * time.Second, "the link is opened", func(g *Generator, at time.Time) []record {
			return one(g.proxyEvent(at, victim, "GET", phishing, "/login", 700, 48211, 200))
		}},
		{2 * time.Second, "the password goes to the phishing site", func(g *Generator, at time.Time) []record {
			return one(g.proxyEvent(at, victim, "POST", phishing, "/login/verify", 512, 1204, 302))
		}},
		{4 * time.Second, "three pushes are refused", func(g *Generator, at time.Time) []record {
			var pushes []record
			for i := range 3 {
				pushes = append(pushes, g.oktaEvent(at.Add(time.Duration(i)*700*time.Millisecond), victim, intruder,
					"user.mfa.okta_verify.deny_push", "User rejected Okta push verify", "INFO", "SUCCESS"))
			}
			return pushes
		}},
		{6 * time.Second, "somebody guesses at the VPN meanwhile", func(g *Generator, at time.Time) []record {
			var tries []record
			for i := range 25 {
				p := g.people[i%2] // two names that anybody can find on the company's pages
				tries = append(tries, g.vpnLine(at.Add(time.Duration(i)*80*time.Millisecond), "alert", "0101039426", "SSL VPN login fail", "ssl-login-fail",
					guesser, p.login, `reason="sslvpn_login_permission_denied" msg="SSL user failed to logged in"`))
			}
			return tries
		}},
		{7 * time.Second, "the fourth is not", func(g *Generator, at time.Time) []record {
			return one(g.oktaEvent(at, victim, intruder, "user.authentication.auth_via_mfa", "Authentication of user via MFA", "INFO", "SUCCESS"))
		}},
		{8 * time.Second, "the stolen session is used from elsewhere", func(g *Generator, at time.Time) []record {
			return one(g.oktaEvent(at, victim, intruder, "user.session.context.change", "Session context changed", "WARN", "SUCCESS"))
		}},
		{14 * time.Second, "a mailbox rule hides the warnings", func(g *Generator, at time.Time) []record {
			return one(g.m365Event(at, victim, intruder, "Exchange", "New-InboxRule", object{"Parameters": []object{
				{"Name": "Name", "Value": "."}, {"Name": "SubjectOrBodyContainsWords", "Value": "セキュリティ;不正;警告"},
				{"Name": "MoveToFolder", "Value": "RSS フィード"}, {"Name": "MarkAsRead", "Value": "True"},
			}}))
		}},
		{25 * time.Second, "the back office is opened from a public address", func(g *Generator, at time.Time) []record {
			return []record{
				g.webLine(at, intruder, victim.login, "GET", "/admin/", 200, 18233, browser),
				g.webLine(at.Add(time.Second), intruder, victim.login, "GET", "/admin/customers?page=1", 200, 40211, browser),
			}
		}},
		{35 * time.Second, "all customers are exported", func(g *Generator, at time.Time) []record {
			return one(g.webLine(at, intruder, victim.login, "GET", "/admin/customers/export.csv", 200, 188743680, "python-requests/2.32"))
		}},
		{45 * time.Second, "the shared folder is emptied as well", func(g *Generator, at time.Time) []record {
			return one(g.boxEvent(at, victim, intruder, "SHIELD_ALERT", object{"shield_alert": object{"rule_category": "Anomalous Download", "risk_score": 92}}))
		}},
		{55 * time.Second, "on another floor, a colleague downloads archives of the shop", func(g *Generator, at time.Time) []record {
			var downloads []record
			p := g.accomplice(victim)
			for i := range 4 {
				downloads = append(downloads, g.webLine(at.Add(time.Duration(i)*time.Second), p.ip, p.login, "GET",
					fmt.Sprintf("/admin/archive/2026-%02d.zip", i+7), 200, 41943040, browser))
			}
			return downloads
		}},
		{60 * time.Second, "plugs in a USB stick", func(g *Generator, at time.Time) []record {
			return one(g.security(at, g.accomplice(victim), 6416, object{
				"SubjectUserName": g.accomplice(victim).login, "ClassName": "DiskDrive", "DeviceDescription": "Disk drive",
				"DeviceId": `USBSTOR\Disk&Ven_BUFFALO&Prod_USB_Flash_Disk&Rev_4000\A900000000000413&0`,
			}))
		}},
		{70 * time.Second, "and copies the customer list to it", func(g *Generator, at time.Time) []record {
			return one(g.sysmon(at, g.accomplice(victim), 11, object{
				"Image": `C:\Windows\explorer.exe`, "TargetFilename": `E:\顧客一覧_2026.csv`, "ProcessId": "4120",
				"CreationUtcTime": at.UTC().Format("2006-01-02 15:04:05.000"),
			}))
		}},
		{storyLength, "and clears the log", func(g *Generator, at time.Time) []record {
			return one(g.windowsEvent(at, g.accomplice(victim), "Security", "Microsoft-Windows-Eventlog", 1102, object{"SubjectUserName": g.accomplice(victim).login}))
		}},
	}
}

// accomplice is the colleague two desks from the victim.
func (g *Generator) accomplice(victim person) person {
	for i, p := range g.people {
		if p.login == victim.login {
			return g.people[(i+2)%len(g.people)]
		}
	}
	return g.people[0]
}
