package elastic

import (
	"fmt"
	"net/http"
	"strings"
)

// object is a JSON object of an answer.
type object = map[string]any

// start answers what shippers ask before they send, and refuses the rest as Elasticsearch does.
func (h *Handler) start(w http.ResponseWriter, r *http.Request, seg []string) {
	drain(r)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if len(seg) >= 2 && seg[0] == "_cat" && seg[1] == "health" { // rsyslog's omelasticsearch, as text
			w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
			_, _ = fmt.Fprintln(w, "yagura green 1 1 0 0 0 0 0 0 - 100.0%")
			return
		}
		if answer := look(r, seg); answer != nil {
			writeJSON(w, http.StatusOK, answer)
			return
		}
	case http.MethodPut, http.MethodPost:
		if answer := install(seg); answer != nil {
			writeJSON(w, http.StatusOK, answer)
			return
		}
	}
	reason := fmt.Sprintf("no handler found for uri [%.200s] and method [%.20s]", r.URL.Path, r.Method)
	writeJSON(w, http.StatusBadRequest, object{"error": reason, "status": http.StatusBadRequest})
}

// look answers a GET or HEAD; nil where there is no such thing. All that a shipper may look for by name exists.
func look(r *http.Request, seg []string) any {
	if len(seg) == 0 {
		return banner()
	}
	name := ""
	if len(seg) > 1 {
		name = seg[len(seg)-1]
	}
	switch seg[0] {
	case "_license":
		return object{"license": license()}
	case "_xpack":
		on := object{"available": true, "enabled": true}
		return object{
			"license":  license(),
			"features": object{"ilm": on, "data_streams": on, "security": on, "monitoring": object{"available": false, "enabled": false}},
		}
	case "_cluster":
		return clusterHealth(name)
	case "_nodes":
		return nodes(r.Host)
	case "_index_template":
		return object{"index_templates": []any{object{"name": name, "index_template": object{"index_patterns": []string{name + "*"}}}}}
	case "_component_template":
		return object{"component_templates": []any{object{"name": name, "component_template": object{"template": object{}}}}}
	case "_template":
		return object{name: object{"order": 1, "index_patterns": []string{name + "*"}}}
	case "_ilm":
		return object{name: object{"version": 1, "policy": object{"phases": object{}}}}
	case "_data_stream":
		return object{"data_streams": []any{object{"name": name, "status": "GREEN"}}}
	case "_ingest":
		return object{name: object{"description": "Yagura normalises events itself", "processors": []any{}}}
	case "_alias", "_aliases":
		return object{name: object{"aliases": object{name: object{}}}}
	}
	if seg[0][0] != '_' && (len(seg) == 1 || seg[1] == "_alias" || seg[1] == "_mapping" || seg[1] == "_settings") {
		return object{seg[0]: object{"aliases": object{}, "mappings": object{}, "settings": object{}}}
	}
	return nil
}

// install acknowledges what shippers set up: templates, policies, pipelines, data streams and indexes. Nothing of it
// is needed here.
func install(seg []string) any {
	if len(seg) == 0 {
		return nil
	}
	switch seg[0] {
	case "_index_template", "_component_template", "_template", "_ilm", "_data_stream", "_ingest", "_alias", "_aliases":
		return object{"acknowledged": true}
	}
	if seg[0][0] != '_' && len(seg) == 1 {
		return object{"acknowledged": true, "shards_acknowledged": true, "index": seg[0]}
	}
	if len(seg) > 1 && (seg[1] == "_mapping" || seg[1] == "_settings" || seg[1] == "_alias") {
		return object{"acknowledged": true}
	}
	return nil
}

func banner() any {
	return object{
		"name": "yagura", "cluster_name": "yagura", "cluster_uuid": "yagura",
		"version": object{
			"number": Version, "build_flavor": "default", "build_type": "tar", "build_snapshot": false,
			"lucene_version": "9.12.0", "minimum_wire_compatibility_version": "7.17.0",
			"minimum_index_compatibility_version": "7.0.0",
		},
		"tagline": "You Know, for Search",
	}
}

// license is what Beats ask for in their default distribution: they start with an active one of any type.
func license() any {
	return object{"status": "active", "uid": "00000000-0000-0000-0000-000000000000", "type": "basic", "mode": "basic"}
}

func clusterHealth(what string) any {
	if what != "health" && what != "" {
		return object{"persistent": object{}, "transient": object{}} // _cluster/settings
	}
	return object{
		"cluster_name": "yagura", "status": "green", "timed_out": false, "number_of_nodes": 1,
		"number_of_data_nodes": 1, "active_primary_shards": 0, "active_shards": 0, "unassigned_shards": 0,
	}
}

// processors are those that Filebeat's modules check for before they start.
const processors = "append convert date dissect drop fail foreach geoip grok gsub join json kv lowercase " +
	"pipeline remove rename script set split trim uppercase urldecode uri_parts user_agent community_id network_direction registered_domain"

// nodes names the one node there is, by the address that the client used, for clients that sniff.
func nodes(address string) any {
	var list []any
	for name := range strings.FieldsSeq(processors) {
		list = append(list, object{"type": name})
	}
	return object{
		"_nodes":       object{"total": 1, "successful": 1, "failed": 0},
		"cluster_name": "yagura",
		"nodes": object{"yagura": object{
			"name": "yagura", "version": Version, "roles": []string{"data", "ingest", "master"},
			"http":   object{"publish_address": address},
			"ingest": object{"processors": list},
		}},
	}
}
