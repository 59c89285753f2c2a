package source

import (
	"net/http"
	"time"

	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

const tokensPath = "/api/v1/sources/-/tokens"

// apiRoutes are the tokens of senders, for programs that set senders up.
func (x *Room) apiRoutes() []web.Route {
	made := openapi.Of(newTokenJSON{})
	create := &openapi.Operation{Summary: "Make a token for a source; the secret is answered this once", Tag: "sources", Body: tokenAsked{}, Answer: made, Status: http.StatusCreated,
		Headers: []openapi.Parameter{openapi.IdempotencyKey()}}
	create.Description = "Two tokens of the same name are one source: make the second, move the senders over, revoke the first."
	return []web.Route{
		{Pattern: "GET " + tokensPath, Permission: MayRead, Handle: x.apiTokens, Doc: &openapi.Operation{
			Summary: "List the tokens, the newest first, those that were revoked among them; all at once", Tag: "sources", Answer: openapi.Page(openapi.Of(tokenJSON{}))}},
		{Pattern: "POST " + tokensPath, Permission: MayWrite, Handle: x.apiCreate, Doc: create},
		{Pattern: "DELETE " + tokensPath + "/{id}", Permission: MayWrite, Handle: x.apiRevoke, Doc: &openapi.Operation{Summary: "Revoke a token at once", Tag: "sources"}},
	}
}

// tokenJSON is a token as programs see it.
type tokenJSON struct {
	ID       string     `json:"id"`
	Source   string     `json:"source"`
	Hint     string     `json:"hint"` // the secret's last four characters
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	LastUsed *time.Time `json:"last_used,omitempty"`
	Revoked  *time.Time `json:"revoked,omitempty"`
}

// newTokenJSON is a token that was just made.
type newTokenJSON struct {
	tokenJSON
	Secret string `json:"secret"`
}

type tokenAsked struct {
	Source string `json:"source"` // what its holder sends as
}

func tokenOf(t Token) tokenJSON {
	out := tokenJSON{ID: t.ID, Source: t.Name, Hint: t.Hint, By: t.CreatedBy, At: t.Created}
	if !t.LastUsed.IsZero() {
		out.LastUsed = &t.LastUsed
	}
	if !t.Revoked.IsZero() {
		out.Revoked = &t.Revoked
	}
	return out
}

func (x *Room) apiTokens(w http.ResponseWriter, r *http.Request) error {
	list, err := x.opt.Tokens.List(r.Context())
	if err != nil {
		return err
	}
	items := make([]tokenJSON, 0, len(list))
	for _, t := range list {
		items = append(items, tokenOf(t))
	}
	return web.JSON(w, http.StatusOK, map[string]any{"items": items})
}

func (x *Room) apiCreate(w http.ResponseWriter, r *http.Request) error {
	var asked tokenAsked
	if err := web.ReadJSON(w, r, &asked, 16<<10); err != nil {
		return err
	}
	secret, token, err := x.opt.Tokens.Create(r.Context(), asked.Source, web.User(r).ID)
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusCreated, newTokenJSON{tokenOf(token), secret})
}

func (x *Room) apiRevoke(w http.ResponseWriter, r *http.Request) error {
	if err := x.opt.Tokens.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
