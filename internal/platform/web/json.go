package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"yagura/internal/platform/fault"
)

// JSON answers an API's request.
func JSON(w http.ResponseWriter, status int, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone
	return nil
}

// ReadJSON reads a request's body of one JSON value; an empty body is an empty one. Members that nobody knows are errors: a misspelt change must not
// pass for one that was made. Errors: fault.Invalid, fault.TooLarge for more than limit bytes.
func ReadJSON(w http.ResponseWriter, r *http.Request, into any, limit int64) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return fault.New(fault.TooLarge, "", "the body has more than %d bytes", limit)
	}
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return err
	}
	body := json.NewDecoder(bytes.NewReader(data))
	body.DisallowUnknownFields()
	body.UseNumber()
	if err := body.Decode(into); err != nil {
		return fault.New(fault.Invalid, "", "the body is no JSON object as this takes it: %v", err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "", "the body holds more than one JSON value")
	}
	return nil
}
