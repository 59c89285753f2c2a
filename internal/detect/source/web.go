package source

import (
	"fmt"
	"net/http"
	"os"

	"yagura/internal/detect/source/follow"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/web"
)

// list shows every source.
func (x *Room) list(w http.ResponseWriter, r *http.Request) error {
	rows, err := x.rows(r.Context())
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "source/list", map[string]any{
		"Rows": rows, "MayWrite": web.User(r).May(string(MayWrite)),
	})
}

// detail shows one source.
func (x *Room) detail(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if name == unknown {
		name = ""
	}
	rows, err := x.rows(r.Context())
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Name != name {
			continue
		}
		var files []follow.Progress
		if name == follow.Source && x.opt.Files != nil {
			files = x.opt.Files()
		}
		return x.site.Render(w, r, http.StatusOK, "source/detail", map[string]any{
			"Source": row, "Files": files, "Certificate": x.opt.Certificate != "",
			"MayWrite": web.User(r).May(string(MayWrite)),
		})
	}
	return fault.New(fault.NotFound, "fault.source.not_found", "no source is called %q", name)
}

// connect shows how to make a source and what to put into its configuration.
func (x *Room) connect(w http.ResponseWriter, r *http.Request) error {
	return x.renderConnect(w, r, http.StatusOK, connectView{Kind: r.URL.Query().Get("kind"), Name: r.URL.Query().Get("name")})
}

// connectView is the connect page: before a token is made, with a form that is wrong, and with the new token.
type connectView struct {
	Kind, Name string
	Error      string // what is wrong with the name
	Secret     string // of the token that was just made; it is shown this once
	Options    []web.Option
	Snippets   []snippet
}

func (x *Room) renderConnect(w http.ResponseWriter, r *http.Request, status int, view connectView) error {
	if !isKind(view.Kind) {
		view.Kind = kinds[0].Kind
	}
	for _, k := range kinds {
		view.Options = append(view.Options, web.Option{Value: k.Kind, Label: k.Title})
	}
	var err error
	if view.Snippets, err = snippets(x.place(r, view), view.Kind); err != nil {
		return err
	}
	if view.Secret != "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	return x.site.Render(w, r, status, "source/connect", view)
}

// create makes a token and shows it.
func (x *Room) create(w http.ResponseWriter, r *http.Request) error {
	view := connectView{Kind: r.PostFormValue("kind"), Name: r.PostFormValue("name")}
	secret, _, err := x.opt.Tokens.Create(r.Context(), view.Name, web.User(r).ID)
	if fault.Is(err, fault.Invalid) {
		view.Error = web.Message(r, err)
		return x.renderConnect(w, r, http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	view.Secret = secret
	return x.renderConnect(w, r, http.StatusOK, view)
}

// revoke makes a token invalid.
func (x *Room) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := x.opt.Tokens.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	back := "/sources"
	if name := r.PostFormValue("name"); sourceName.MatchString(name) {
		back = row{Name: name}.Path()
	}
	if rows, err := x.rows(r.Context()); err == nil && !contains(rows, back) {
		back = "/sources" // nothing is known of it but the token that is gone
	}
	return x.site.Done(w, r, back, web.Flash{Kind: web.Good, Text: web.T(r).T("source.token.revoked")})
}

func contains(rows []row, path string) bool {
	for _, row := range rows {
		if row.Path() == path {
			return true
		}
	}
	return false
}

// certificate hands out what senders of syslog over TLS need to trust. It is public by nature: every sender is shown it.
func (x *Room) certificate(w http.ResponseWriter, r *http.Request) error {
	if x.opt.Certificate == "" {
		return fault.New(fault.NotFound, "fault.source.no_certificate", "syslog over TLS is off")
	}
	data, err := os.ReadFile(x.opt.Certificate)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="yagura-syslog.pem"`)
	_, err = w.Write(data)
	return err
}
