package normalise

import (
	"strings"

	"yagura/internal/event"
)

// hint is what the sender calls its data, as a dataset: the middle of a data stream's name ("logs-okta.system-default"), a
// sourcetype ("aws:cloudtrail"), an index. "" where it says only which shipper or index pattern sent it.
func (s *state) hint() string {
	if s.dataset != s.hintOf {
		s.hintOf = strings.Clone(s.dataset)
		s.hintIs = datasetOf(s.hintOf)
	}
	return s.hintIs
}

func datasetOf(sent string) string {
	h := strings.ToLower(sent)
	for _, prefix := range [...]string{"logs-", "metrics-", "synthetics-"} {
		if rest, ok := strings.CutPrefix(h, prefix); ok {
			h, _, _ = strings.Cut(rest, "-")
			break
		}
	}
	for _, shipper := range [...]string{
		"filebeat", "winlogbeat", "auditbeat", "packetbeat", "heartbeat", "metricbeat", "logstash", "fluent", "vector", "rsyslog", "syslog",
		"linux_secure", "linux_messages_syslog", "linux_audit", "osx_secure", "cisco_syslog", "access_combined", "access_combined_wcookie",
		"access_common", "apache_error", "log4j", "csv", "xmlwineventlog", "wineventlog", "generic", "_json", "json", "httpevent", "main", "default", "logs", "index", "events", "test", "yagura", "otel", "line", "text",
	} {
		if rest, ok := strings.CutPrefix(h, shipper); ok && (rest == "" || rest[0] == '-' || rest[0] == '_' || rest[0] == '.') {
			return ""
		}
	}
	return h
}

// moduleOf is the part of a dataset before its first separator: "okta" of "okta.system", "aws" of "aws:cloudtrail".
func moduleOf(dataset string) string {
	if i := strings.IndexAny(dataset, ".:/"); i > 0 {
		return dataset[:i]
	}
	return dataset
}

// labelByHint names an event that nothing has named: by the document's own data stream, or by the sender's hint.
func (n *Normaliser) labelByHint(ev *event.Event) {
	if !ev.Has(event.EventDataset) {
		if d := ev.Get("data_stream.dataset"); d != "" && d != "generic" {
			ev.Add(event.EventDataset, d)
		} else if h := n.hint(); h != "" {
			if s := n.shapes.byHint[h]; s != nil {
				h = s.Dataset
			}
			ev.Add(event.EventDataset, h)
		}
	}
	if d := ev.Get(event.EventDataset); d != "" {
		ev.SetDefault(event.EventModule, moduleOf(d))
	}
}
