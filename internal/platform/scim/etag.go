package scim

import (
	"net/http"
	"strings"
)

// unchanged fails with 412 where the request is for a version (If-Match) that is not the newest (RFC 7644, 3.14). Versions are weak:
// they tell that something about the resource was changed, so they are compared as such, although If-Match alone would not.
func unchanged(r *http.Request, version string) error {
	wanted := r.Header.Get("If-Match")
	if wanted == "" || listed(wanted, version) {
		return nil
	}
	return refuse(http.StatusPreconditionFailed, "", "the resource was changed meanwhile; its version is %s", version)
}

// listed reports whether a header of versions names one, or any.
func listed(header, version string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || one != "" && strings.TrimPrefix(one, "W/") == strings.TrimPrefix(version, "W/") {
			return true
		}
	}
	return false
}

// answerOne sends a resource with its version and address.
func answerOne(w http.ResponseWriter, r *http.Request, k *kind, status int, resource object, show projection) error {
	meta, _ := resource["meta"].(object)
	version := text(meta, "version")
	w.Header().Set("ETag", version)
	if known := r.Header.Get("If-None-Match"); r.Method == http.MethodGet && known != "" && listed(known, version) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", text(meta, "location"))
	}
	return answer(w, status, show.apply(k, resource))
}

// shown reads which attributes the answer to a request has.
func shown(r *http.Request) (projection, error) {
	values := r.URL.Query()
	return readProjection(values.Get("attributes"), values.Get("excludedAttributes"))
}
