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
	Log    Log    `name:"log"`
}

// HTTP is the web UI and every input over HTTP, on one port.
type HTTP struct {
	Listen  string `name:"listen" default:"127.0.0.1:8686" help:"address of the web UI and the HTTP inputs"`
	TLSCert string `name:"tls_cert" help:"certificate chain (PEM); with tls_key turns HTTPS on"`
	TLSKey  string `name:"tls_key" help:"private key (PEM)"`
	MaxBody Size   `name:"max_body" default:"64MiB" help:"largest request body of an input, after decompression"`
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
	Placeholders string   `name:"placeholders" help:"YAML file of values for the %placeholders% of rules"`
}

// Spool is the buffer on disk between the inputs and the store.
type Spool struct {
	Max Size `name:"max" default:"4GiB" help:"size at which inputs are told to wait"`
}

// Store is the log store.
type Store struct {
	Retention Duration `name:"retention" default:"10y" help:"age, by event time, past which events are deleted"`
	MaxDisk   Size     `name:"max_disk" default:"0" help:"disk space past which the oldest days are deleted; 0 is no limit"`
	MinFree   Size     `name:"min_free" default:"1GiB" help:"free disk space below which nothing more is stored until there is room"`
}

// Alerts is how matches become alerts.
type Alerts struct {
	Window Duration `name:"window" default:"24h" help:"how long matches of one rule on one entity join the same alert"`
}

// Log is the program's own log.
type Log struct {
	Level string `name:"level" default:"info" help:"debug, info, warn or error"`
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
	name, fallback, help string
	value                reflect.Value
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
			list = append(list, setting{
				name: name, fallback: f.Tag.Get("default"), help: f.Tag.Get("help"), value: v.Field(i),
			})
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
