package elastic

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/valyala/fastjson"
	"golang.org/x/sync/errgroup"

	"yagura/internal/detect/intake"
	"yagura/internal/detect/source/gate"
	"yagura/internal/platform/fault"
)

// lineBytes is what a line takes in memory besides its text: half an operation and its item.
const lineBytes = 100

// maxIndexName is Elasticsearch's own limit, in bytes.
const maxIndexName = 255

// parallelGroups is how many indexes of one request are handed over at once; they share the sink's group commit.
const parallelGroups = 8

// operation is one action of a bulk request with its outcome.
type operation struct {
	verb  string // index, create, update, delete
	index string
	id    []byte // as given, nil otherwise
	line  int    // of the action, from 1

	group  int    // where its document went, if status is 0
	status int    // of its refusal; 0: what became of its group
	kind   string // of its refusal, as Elasticsearch names errors
	reason string
}

// group is the documents of one index.
type group struct {
	index string
	items []intake.Item
	err   error // why they were not accepted
}

// request is a bulk request as it was read. Its byte slices point into the body.
type request struct {
	ops    []operation
	groups []group

	byIndex map[string]int
	parser  fastjson.Parser
	action  []byte // the last action line that was parsed,
	parsed  action // and what it said: shippers repeat it for each document
}

// action is what an action line says.
type action struct {
	verb  string
	index string
	id    []byte
}

// read splits a bulk body into operations. It never fails as a whole: a line that is no action is refused
// together with the line behind it, unless that is an action.
func (q *request) read(body []byte, defaultIndex string, maxItem int) {
	q.byIndex = make(map[string]int)
	needsDocument, afterBad := false, false
	for number := 1; len(body) > 0; number++ {
		line := body
		if end := bytes.IndexByte(body, '\n'); end >= 0 {
			line, body = body[:end], body[end+1:]
		} else {
			body = nil
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if needsDocument {
			q.document(line, number, maxItem)
			needsDocument = false
			continue
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		act, err := q.readAction(line, defaultIndex)
		if err != nil && afterBad {
			afterBad = false // the document of the action that could not be read
			continue
		}
		op := operation{verb: act.verb, index: act.index, id: act.id, line: number}
		afterBad = err != nil
		switch {
		case err != nil:
			op.verb, op.index = "index", defaultIndex
			op.refuse(http.StatusBadRequest, "illegal_argument_exception", "Malformed action/metadata line [%d]: %s", number, err)
		case act.verb == "delete" || act.verb == "update":
			needsDocument = act.verb == "update"
			op.refuse(http.StatusBadRequest, "illegal_argument_exception", "line %d: events are immutable: only create and index are possible", number)
		default:
			needsDocument = true
		}
		q.ops = append(q.ops, op)
	}
	if needsDocument {
		if op := &q.ops[len(q.ops)-1]; op.status == 0 {
			op.refuse(http.StatusBadRequest, "illegal_argument_exception", "line %d: the document is missing", op.line)
		}
	}
}

func (op *operation) refuse(status int, kind, format string, args ...any) {
	op.status, op.kind, op.reason = status, kind, fmt.Sprintf(format, args...)
}

// document takes a document line for the last operation.
func (q *request) document(line []byte, number, maxItem int) {
	op := &q.ops[len(q.ops)-1]
	if op.status != 0 { // an update's
		return
	}
	if len(line) > maxItem {
		op.refuse(http.StatusRequestEntityTooLarge, "circuit_breaking_exception", "line %d: the document is larger than %d bytes", number, maxItem)
		return
	}
	if err := gate.ValidObject(line); err != nil {
		op.refuse(http.StatusBadRequest, "document_parsing_exception", "line %d: failed to parse: %s", number, err)
		return
	}
	at, ok := q.byIndex[op.index]
	if !ok {
		at = len(q.groups)
		q.byIndex[op.index] = at
		q.groups = append(q.groups, group{index: op.index})
	}
	g := &q.groups[at]
	op.group = at
	g.items = append(g.items, intake.Item{Data: line})
}

// readAction reads an action line: an object with one of the verbs and its metadata.
func (q *request) readAction(line []byte, defaultIndex string) (action, error) {
	if q.action != nil && bytes.Equal(line, q.action) {
		return q.parsed, nil
	}
	v, err := q.parser.ParseBytes(line)
	if err != nil {
		return action{}, err
	}
	obj, err := v.Object()
	if err != nil || obj.Len() != 1 {
		return action{}, fmt.Errorf("expected an object with one of index, create, update and delete")
	}
	var act action
	obj.Visit(func(key []byte, v *fastjson.Value) {
		if act.verb = verb(key); act.verb == "" {
			err = fmt.Errorf("expected index, create, update or delete, not %.20q", key)
			return
		}
		if v.Type() != fastjson.TypeObject {
			err = fmt.Errorf("expected an object as the value of %s", act.verb)
			return
		}
		act.index, err = q.indexName(v, defaultIndex)
		if id := v.GetStringBytes("_id"); len(id) > 0 {
			act.id = bytes.Clone(id) // the parser's memory is used again for the next line
		}
	})
	if err != nil {
		return action{}, err
	}
	q.action, q.parsed = line, act
	return act, nil
}

func verb(key []byte) string {
	switch string(key) {
	case "index":
		return "index"
	case "create":
		return "create"
	case "update":
		return "update"
	case "delete":
		return "delete"
	}
	return ""
}

// indexName is the index that an action names, or the path's. Elasticsearch refuses an action without either; here an
// index is only a hint, so it may be missing.
func (q *request) indexName(meta *fastjson.Value, defaultIndex string) (string, error) {
	name := meta.GetStringBytes("_index")
	switch {
	case len(name) == 0:
		return defaultIndex, nil
	case len(name) > maxIndexName:
		return "", fmt.Errorf("index name is longer than %d bytes", maxIndexName)
	}
	if at, ok := q.byIndex[string(name)]; ok {
		return q.groups[at].index, nil // no new string for a name that is known
	}
	return string(name), nil
}

// bulk answers POST /_bulk.
func (h *Handler) bulk(w http.ResponseWriter, r *http.Request, caller gate.Caller, index string) {
	began := time.Now()
	if len(index) > maxIndexName {
		h.refuseBody(w, caller, fault.New(fault.Invalid, "", "index name is longer than %d bytes", maxIndexName))
		return
	}
	body, err := h.gate.Read(w, r)
	if err != nil {
		abortIfDropped(r, err)
		h.refuseBody(w, caller, err)
		return
	}
	defer body.Release()
	if err := body.Charge(bytes.Count(body.Data, []byte{'\n'}) * lineBytes); err != nil {
		h.refuseBody(w, caller, err)
		return
	}
	var q request
	q.read(body.Data, index, h.gate.MaxItem())
	if len(q.ops) == 0 {
		h.refuseBody(w, caller, fault.New(fault.Invalid, "", "request body is required"))
		return
	}
	if err := h.accept(r, caller, q.groups); err != nil {
		abortIfDropped(r, err)
		writeError(w, gate.Status(w, err), errorType(err), err.Error())
		return
	}
	h.count(caller, q.ops)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(q.appendReply(nil, newFilter(r.URL.Query().Get("filter_path")), time.Since(began)))
}

// abortIfDropped breaks the connection, without an answer, where err will pass and the sender would not try again:
// rsyslog's omelasticsearch, the one without a User-Agent, gives up the events of a request that is answered with an
// error, whatever its status, and loses some even where items fail one by one. After a connection that breaks it waits
// and sends all of it again.
func abortIfDropped(r *http.Request, err error) {
	if r.UserAgent() == "" && gate.Temporary(err) {
		panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
	}
}

// shownReasons is how many refusals of one request are counted each with its own reason.
const shownReasons = 10

// count counts what was refused.
func (h *Handler) count(caller gate.Caller, ops []operation) {
	refused := 0
	for i := range ops {
		if ops[i].status == 0 {
			continue
		}
		if refused++; refused <= shownReasons {
			h.gate.Refused(caller, Input, 1, ops[i].reason)
		}
	}
	if rest := refused - shownReasons; rest > 0 {
		h.gate.Refused(caller, Input, rest, "more of the same request")
	}
}

// accept hands every group to the sink. It fails as a whole only where nothing at all went in, so that the client
// sends the whole request again; otherwise each item tells.
func (h *Handler) accept(r *http.Request, caller gate.Caller, groups []group) error {
	var wait errgroup.Group
	wait.SetLimit(parallelGroups)
	for i := range groups {
		g := &groups[i]
		wait.Go(func() error {
			batch := h.gate.Batch(caller, Input, intake.JSON)
			batch.Dataset, batch.Items = g.index, g.items
			g.err = h.gate.Accept(r.Context(), batch)
			return nil
		})
	}
	_ = wait.Wait() // each group keeps its own error
	var failed error
	for i := range groups {
		if groups[i].err == nil {
			return nil
		}
		failed = groups[i].err
	}
	return failed
}
