package source

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"net/http"
	"path"
	"text/template"

	"yagura/internal/detect/source/syslogd"
	"yagura/internal/platform/httpd"
)

//go:embed snippets/*
var snippetFiles embed.FS

// kind is a program that sends logs.
type kind struct {
	Kind  string // in addresses
	Title string // the program's own name, the same in every language
	File  string // its snippet in snippets/
}

// kinds are the programs that there is configuration for, in the order of the page.
var kinds = []kind{
	{"winlogbeat", "Winlogbeat", "winlogbeat.yml"},
	{"filebeat", "Filebeat", "filebeat.yml"},
	{"fluent-bit", "Fluent Bit", "fluent-bit.yaml"},
	{"vector", "Vector", "vector.yaml"},
	{"logstash", "Logstash", "logstash.conf"},
	{"otel", "OpenTelemetry Collector", "otel.yaml"},
	{"rsyslog", "rsyslog (HTTP)", "rsyslog-http.conf"},
	{"syslog-tls", "rsyslog (syslog, TLS)", "rsyslog-tls.conf"},
	{"hec", "Splunk HEC", "hec.txt"},
	{"curl", "curl", "curl.sh"},
}

func isKind(name string) bool {
	for _, k := range kinds {
		if k.Kind == name {
			return true
		}
	}
	return false
}

// snippet is configuration to copy.
type snippet struct {
	kind
	Text string
	Open bool
}

// place is what a snippet is filled with.
type place struct {
	URL, Scheme, Host, Port string // of this server, as the reader's browser knows it
	TLSPort                 string // of syslog over TLS
	Name, Token             string
}

// place fills in what is known: the page's own address is the one that senders most likely can reach, too.
func (x *Room) place(r *http.Request, view connectView) place {
	p := place{Scheme: "http", Port: "80", Name: view.Name, Token: view.Secret, TLSPort: "6514"}
	if httpd.Secure(r) {
		p.Scheme, p.Port = "https", "443"
	}
	p.URL, p.Host = p.Scheme+"://"+r.Host, r.Host
	if host, port, err := net.SplitHostPort(r.Host); err == nil {
		p.Host, p.Port = host, port
	} else {
		p.URL += ":" + p.Port // Beats take 9200 for granted where no port is said
	}
	for _, l := range x.opt.Listeners {
		if _, port, err := net.SplitHostPort(l.Address); err == nil && l.Source == syslogd.SourceTLS {
			p.TLSPort = port
		}
	}
	if p.Name == "" || view.Error != "" {
		p.Name = "my-source"
	}
	if p.Token == "" {
		p.Token = "TOKEN"
	}
	return p
}

// snippets fills in the configuration of every program; that of one is open.
func snippets(p place, open string) ([]snippet, error) {
	var list []snippet
	for _, k := range kinds {
		text, err := fill(k.File, p)
		if err != nil {
			return nil, err
		}
		list = append(list, snippet{kind: k, Text: text, Open: k.Kind == open})
	}
	return list, nil
}

func fill(file string, p place) (string, error) {
	t, err := template.ParseFS(snippetFiles, "snippets/"+file)
	if err != nil {
		return "", fmt.Errorf("snippet %s: %w", file, err)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, path.Base(file), p); err != nil {
		return "", fmt.Errorf("snippet %s: %w", file, err)
	}
	return out.String(), nil
}
