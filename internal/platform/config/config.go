// Package config holds every setting of the program with its default, and says of each where its value
// came from. A setting comes from, strongest first: a flag, the environment (YAGURA_ and the name in
// capitals, "http.listen" is YAGURA_HTTP_LISTEN), the configuration file, the default.
//
// The file is strict YAML: an unknown name, a wrong type or a name given twice is refused with file and line.
package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// Config is the effective configuration. The tags are the names users see.
type Config struct {
	Data   string `name:"data" help:"folder of everything the program keeps"`
	HTTP   HTTP   `name:"http"`
	Syslog Syslog `name:"syslog"`
	Files  Files  `name:"files"`
	Rules  Rules  `name:"rules"`
	Spool  Spool  `name:"spool"`
	Store  Store  `name:"store"`
	Alerts Alerts `name:"alerts"`

	Organisation Organisation `name:"organisation"`

	Database  Database  `name:"database"`
	Secrets   Secrets   `name:"secrets"`
	Auth      Auth      `name:"auth"`
	OIDC      OIDC      `name:"oidc"`
	Approvals Approvals `name:"approvals"`
	Mail      Mail      `name:"mail"`
	Outgoing  Outgoing  `name:"outgoing"`
	Blob      Blob      `name:"blob"`
	Documents Documents `name:"documents"`

	Attachments Attachments `name:"attachments"`

	Log Log `name:"log"`
}

// HTTP is the web UI and every input over HTTP, on one port.
type HTTP struct {
	Listen  string `name:"listen" default:"127.0.0.1:8686" help:"address of the web UI and the HTTP inputs"`
	TLSCert string `name:"tls_cert" help:"certificate chain (PEM); with tls_key turns HTTPS on"`
	TLSKey  string `name:"tls_key" help:"private key (PEM)"`
	MaxBody Size   `name:"max_body" default:"64MiB" least:"64KiB" help:"largest request body of an input, after decompression"`

	PublicURL string   `name:"public_url" help:"address that people use, such as https://yagura.example.co.jp; needed for mailed links, passkeys and single sign-on behind a proxy"`
	Proxies   []string `name:"proxies" help:"addresses or networks of reverse proxies whose X-Forwarded headers count"`
	AccessLog bool     `name:"access_log" default:"false" help:"write a line for each request"`

	ACMEDomains   []string `name:"acme_domains" help:"names to get certificates for by ACME (RFC 8555); turns HTTPS on"`
	ACMEDirectory string   `name:"acme_directory" default:"https://acme-v02.api.letsencrypt.org/directory" help:"the certificate authority's ACME directory"`
	ACMEEmail     string   `name:"acme_email" help:"contact for the certificate authority"`
	Redirect      string   `name:"redirect" help:"address, such as :80, that sends browsers on to HTTPS and answers ACME's HTTP challenge"`
}

// Organisation is how the organisation counts its days.
type Organisation struct {
	FiscalYearStart string   `name:"fiscal_year_start" default:"4" oneof:"1 2 3 4 5 6 7 8 9 10 11 12" help:"month in which the fiscal year begins"`
	TimeZone        string   `name:"time_zone" default:"Asia/Tokyo" help:"zone of deadlines and schedules"`
	Holidays        string   `name:"holidays" help:"YAML file of public holidays; without it Japan's"`
	ClosingDays     []string `name:"closing_days" help:"closing days besides, such as 2026-08-13..2026-08-14, or 12-29..01-03 for every year"`
}

// Database is where records are kept.
type Database struct {
	URL Secret `name:"url" help:"postgres://… ; without it SQLite in the data folder"`
}

// Secrets is where the key comes from that seals secrets at rest. Without any, a key file is made in the data folder.
type Secrets struct {
	Key     Secret   `name:"key" help:"the key itself, base64 (best given in the environment)"`
	KeyFile string   `name:"key_file" help:"file of the key, readable by its owner only"`
	Command []string `name:"key_command" help:"program and arguments that print the key, such as a KMS client"`
	Wrapped string   `name:"wrapped" help:"file that is given to key_command on its standard input, such as a wrapped key"`
}

// Auth is how people sign in.
type Auth struct {
	Idle      Duration `name:"idle" default:"12h" help:"unused time after which a session ends"`
	Absolute  Duration `name:"absolute" default:"7d" help:"age at which a session ends in any case"`
	StepUp    Duration `name:"step_up" default:"10m" help:"how long after proving who they are somebody may do dangerous things"`
	Breached  string   `name:"breached_passwords" help:"file of breached passwords: sorted SHA-1 hashes as Have I Been Pwned gives them, or one password a line"`
	Passwords bool     `name:"passwords" default:"true" help:"people may sign in with a password; false leaves passkeys and single sign-on"`
}

// OIDC is single sign-on with the company's OpenID provider; without an issuer it is off.
type OIDC struct {
	Issuer       string   `name:"issuer" help:"the provider's issuer, such as https://login.example.com/"`
	Name         string   `name:"name" help:"what the button says; the issuer's host without it"`
	ClientID     string   `name:"client_id" help:"this program's id at the provider"`
	ClientSecret Secret   `name:"client_secret" help:"this program's secret at the provider"`
	Scopes       []string `name:"scopes" default:"openid,profile,email" help:"what to ask the provider for"`
	Groups       string   `name:"groups_claim" default:"groups" help:"the claim that lists a person's groups"`
	Roles        []string `name:"roles" help:"role for each group, such as CSIRT=responder; who is in none is an employee"`
	MFA          []string `name:"mfa_amr" help:"values of the amr claim that prove a second factor; without any, the provider is trusted to ask for one"`
	Provision    bool     `name:"provision" default:"true" help:"make an account at the first sign-in of somebody who has none"`
}

// Approvals is which actions take a second person.
type Approvals struct {
	Required []string `name:"required" help:"actions that need a second person's approval, such as people.roles"`
}

// Mail is the server that takes outgoing mail; without one nothing is mailed.
type Mail struct {
	Server   string `name:"server" help:"host:port of the SMTP server"`
	Security string `name:"security" default:"starttls" oneof:"starttls tls none" help:"starttls, tls, or none (this machine only)"`
	User     string `name:"user" help:"name to sign in to the SMTP server with"`
	Password Secret `name:"password" help:"password for that name"`
	From     string `name:"from" help:"sender of the mails"`
}

// Blob is where attachments and made documents are kept: the data folder, or a bucket that several nodes share.
type Blob struct {
	S3 S3 `name:"s3"`
}

// Attachments are the files that people attach to records.
type Attachments struct {
	MaxSize     Size     `name:"max_size" default:"1GiB" least:"1MiB" help:"largest file that can be attached"`
	KeepRemoved Duration `name:"keep_removed" default:"10y" help:"how long the file of an attachment that was removed is kept; 0 is for ever"`
}

// S3 is a bucket of Amazon S3 or of a server that speaks like it; without an endpoint it is off.
type S3 struct {
	Endpoint  string `name:"endpoint" help:"address of the S3 server that keeps files in place of the data folder, such as https://s3.ap-northeast-1.amazonaws.com"`
	Bucket    string `name:"bucket" help:"bucket that takes the files"`
	Region    string `name:"region" help:"region of the bucket"`
	Prefix    string `name:"prefix" help:"put before the names of files in the bucket, such as yagura/"`
	AccessKey string `name:"access_key" help:"access key for the bucket"`
	SecretKey Secret `name:"secret_key" help:"secret key for the bucket"`
}

// Outgoing is how the program asks other servers over HTTP. It reaches public addresses only.
type Outgoing struct {
	Proxy string   `name:"proxy" help:"proxy for requests to the outside, such as http://proxy.example.co.jp:3128"`
	Allow []string `name:"allow" help:"addresses or networks of the house that requests may reach, such as 10.1.2.0/24"`
}

// Documents is what papers (PDF) are made with.
type Documents struct {
	Classification string `name:"classification" default:"internal" oneof:"public internal limited secret" help:"what papers are marked as where their kind says nothing else"`

	Chromium string `name:"chromium" help:"the Chromium that prints papers; without it one is looked for, none goes without"`
	Font     string `name:"font" help:"Japanese TrueType font (.ttf) for papers where there is no Chromium; without it one is looked for"`
}

// Syslog is the listeners for RFC 3164 and RFC 5424; an empty address is off.
type Syslog struct {
	UDP     string `name:"udp" help:"address for syslog over UDP, such as :514"`
	TCP     string `name:"tcp" help:"address for syslog over TCP"`
	TLS     string `name:"tls" help:"address for syslog over TLS (RFC 5425), such as :6514"`
	TLSCert string `name:"tls_cert" help:"certificate chain (PEM); without one a self-signed is made in the data folder"`
	TLSKey  string `name:"tls_key" help:"private key (PEM)"`
	TLSCA   string `name:"tls_ca" help:"when set, senders need a certificate signed by one of these (PEM)"`
}

// Files is the log files that are followed as they grow.
type Files struct {
	Follow []string `name:"follow" help:"files, folders or patterns to follow"`
}

// Rules is where Sigma rules come from.
type Rules struct {
	Dirs         []string `name:"dirs" help:"folders of Sigma rules, read with their subfolders"`
	Builtin      bool     `name:"builtin" default:"true" help:"use the rules that come with the program"`
	Sources      []string `name:"source_folders" help:"folders below which a source of rules that is looked after in the program may lie"`
	Placeholders string   `name:"placeholders" help:"YAML file of values for the %placeholders% of rules"`
}

// Spool is the buffer on disk between the inputs and the store.
type Spool struct {
	Max Size `name:"max" default:"4GiB" least:"1MiB" help:"size at which inputs are told to wait"`
}

// Store is the log store.
type Store struct {
	Retention Duration `name:"retention" default:"10y" least:"1d" help:"age, by event time, past which events are deleted"`
	MaxDisk   Size     `name:"max_disk" default:"0" help:"disk space past which the oldest days are deleted; 0 is no limit"`
	MinFree   Size     `name:"min_free" default:"1GiB" least:"64MiB" help:"free disk space below which nothing more is stored until there is room"`
}

// Alerts is how matches become alerts.
type Alerts struct {
	Window Duration `name:"window" default:"24h" least:"1m" help:"how long matches of one rule on one entity join the same alert"`
	Flood  int      `name:"flood" default:"100" help:"alerts that one rule may open in an hour; what would open more joins its alert about many; 0 is any number"`

	RiskThreshold int      `name:"risk_threshold" default:"100" help:"points at which the alerts about one user or host are told as one; 0 is never"`
	RiskHalfLife  Duration `name:"risk_half_life" default:"72h" least:"1h" help:"time in which the points of an alert decay by half"`

	ExceptionMax Duration `name:"exception_max" default:"365d" least:"1d" help:"how long an exception may hold at most"`
	FourEyes     bool     `name:"four_eyes" default:"false" help:"exceptions and suppressions take a second person's approval"`
}

// Log is the program's own log.
type Log struct {
	Level string `name:"level" default:"info" oneof:"debug info warn error" help:"debug, info, warn or error"`
}

// DefaultData is the data folder where none is named: /var/lib/yagura for root, else below the user's data folder.
func DefaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/yagura"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "yagura")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "yagura-data"
	}
	return filepath.Join(home, ".local", "share", "yagura")
}

// Origin says where a value came from.
type Origin struct {
	Kind string // flag, environment, file or default
	Name string // the flag, the variable, or file:line
}

func (o Origin) String() string {
	if o.Name == "" {
		return o.Kind
	}
	return o.Kind + " " + o.Name
}

// Setting is one setting as it came out.
type Setting struct {
	Name   string
	Value  string
	Help   string
	Origin Origin
}

// setting is a place in a Config with what its tags say.
type setting struct {
	name  string
	tag   reflect.StructTag
	value reflect.Value
}

// settings lists the places of a Config in the order of its fields.
func settings(c *Config) []setting {
	var list []setting
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := prefix + f.Tag.Get("name")
			if f.Type.Kind() == reflect.Struct {
				walk(name+".", v.Field(i))
				continue
			}
			list = append(list, setting{name, f.Tag, v.Field(i)})
		}
	}
	walk("", reflect.ValueOf(c).Elem())
	return list
}

// variable is the name of a setting in the environment.
func variable(name string) string {
	return "YAGURA_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
}

// Duration is a time span that also knows days (d), weeks (w) and years (y, 365 days).
type Duration time.Duration

// Size is a number of bytes, written "512MiB", "4GiB", "10MB" or plain.
type Size int64

// Secret is a setting that is never shown.
type Secret string

// String tells only whether there is one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[hidden]"
}

// GoString keeps %#v from telling more than String.
func (s Secret) GoString() string { return s.String() }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }
