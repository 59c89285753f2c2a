package room

import (
	"net/http"
	"time"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

// apiRoutes are how the ledger stands, and its verification, for programs.
func (x *Room) apiRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /api/v1/ledger", Permission: MayRead, Handle: x.apiState, Doc: &openapi.Operation{Summary: "Read how the ledger stands and what the last verification found", Tag: "ledger", Answer: stateJSON{}}},
		{Pattern: "POST /api/v1/ledger/verify", Permission: MayVerify, Handle: x.apiVerify, Doc: &openapi.Operation{
			Summary: "Ask for a verification, unless one runs", Tag: "ledger", Status: http.StatusAccepted, Answer: stateJSON{}, Headers: []openapi.Parameter{openapi.IdempotencyKey()}}},
	}
}

// stateJSON is how the ledger stands.
type stateJSON struct {
	Size      int64         `json:"size"`       // leaves
	PublicKey string        `json:"public_key"` // with which its states are signed
	Signed    int64         `json:"signed"`     // how many leaves the newest signed state has
	Running   bool          `json:"running"`    // a verification
	Last      *verification `json:"last,omitempty"`
}

// verification is how the last one ended.
type verification struct {
	Ended    time.Time `json:"ended"`
	Failed   string    `json:"failed,omitempty"` // why it could not be done
	Problems int       `json:"problems"`
}

func (x *Room) apiState(w http.ResponseWriter, r *http.Request) error {
	return x.answerState(w, r, http.StatusOK)
}

func (x *Room) apiVerify(w http.ResponseWriter, r *http.Request) error {
	x.ledger.RequestVerification()
	return x.answerState(w, r, http.StatusAccepted)
}

func (x *Room) answerState(w http.ResponseWriter, r *http.Request, code int) error {
	status, err := x.ledger.Status(r.Context())
	if err != nil {
		return err
	}
	size, newest, err := x.ledger.State(r.Context())
	if err != nil {
		return err
	}
	out := stateJSON{Size: size, PublicKey: x.ledger.PublicKey(), Signed: newest.Size, Running: status.Running}
	if last := status.Last; !last.Ended.IsZero() {
		out.Last = &verification{last.Ended, last.Failed, status.Problems()}
	}
	return web.JSON(w, code, out)
}
