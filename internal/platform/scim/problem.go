package scim

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// problem is an error as RFC 7644, 3.12 writes it.
type problem struct {
	status int
	kind   string // scimType, "" for none
	detail string
}

func (p *problem) Error() string { return p.detail }

func refuse(status int, kind, format string, args ...any) error {
	return &problem{status, kind, fmt.Sprintf(format, args...)}
}

func badFilter(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidFilter", format, args...)
}

func badPath(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidPath", format, args...)
}

func badValue(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidValue", format, args...)
}

func badSyntax(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "invalidSyntax", format, args...)
}

// problemOf says a fault in SCIM's words; false where it is none of the client's making.
func problemOf(err error) (*problem, bool) {
	if p, ok := errors.AsType[*problem](err); ok {
		return p, true
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return nil, false
	}
	switch {
	case f.Key == "fault.person.last_admin": // not 409, which clients take for "it is there already"
		return &problem{http.StatusForbidden, "", f.Detail}, true
	case f.Key == "fault.person.outdated":
		return &problem{http.StatusPreconditionFailed, "", f.Detail}, true
	case f.Code == fault.Conflict:
		return &problem{http.StatusConflict, "uniqueness", f.Detail}, true
	case f.Code == fault.Invalid:
		return &problem{http.StatusBadRequest, "invalidValue", f.Detail}, true
	case f.Code == fault.NotFound, f.Code == fault.TooLarge, f.Code == fault.Forbidden:
		return &problem{f.Code.HTTPStatus(), "", f.Detail}, true
	}
	return nil, false
}

// answered makes a handler whose refusals are SCIM's. What broke inside is left to the site, which logs it. The guard's own
// refusals (401, 403, 429) come before and are problem+json: clients go by their status.
func answered(handle web.Handle) web.Handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := byToken(r)
		if err == nil {
			err = handle(w, r)
		}
		p, ok := problemOf(err)
		if err == nil || !ok {
			return err
		}
		body := object{"schemas": []any{errorSchema}, "status": strconv.Itoa(p.status), "detail": p.detail}
		if p.kind != "" {
			body["scimType"] = p.kind
		}
		return answer(w, p.status, body)
	}
}

// byToken refuses browsers: no page of ours speaks SCIM, so a session that does is somebody else's trick.
func byToken(r *http.Request) error {
	if user := web.User(r); user == nil || user.Session {
		return refuse(http.StatusForbidden, "", "SCIM takes an API token with the permission %s", MayWrite)
	}
	return nil
}

// answer sends a resource or a message.
func answer(w http.ResponseWriter, status int, body object) error {
	w.Header().Set("Content-Type", mediaType)
	return sendJSON(w, status, body)
}
