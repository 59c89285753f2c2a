package room

import (
	"net/http"
	"strconv"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

func (x *Room) targets(w http.ResponseWriter, r *http.Request) error {
	list, err := x.n.Targets(r.Context())
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "notify/targets", struct {
		Tabs     []web.Tab
		Rows     []notify.Target
		MayWrite bool
	}{x.tabs(r, "targets"), list, may(r)})
}

// targetView is a target, with a secret that was just made.
type targetView struct {
	Target   notify.Target
	Secret   string
	Two      bool // an older secret signs, too
	Tested   string
	Error    string
	MayWrite bool
}

func (x *Room) target(w http.ResponseWriter, r *http.Request) error {
	return x.showTarget(w, r, http.StatusOK, r.PathValue("id"), targetView{})
}

func (x *Room) showTarget(w http.ResponseWriter, r *http.Request, status int, id string, v targetView) (err error) {
	v.MayWrite = may(r)
	if v.Target, err = x.n.Target(r.Context(), id); err != nil {
		return err
	}
	if v.Two, err = x.n.TwoSecrets(r.Context(), id); err != nil {
		return err
	}
	return x.site.Render(w, r, status, "notify/target", v)
}

// targetForm is the form of a target; Target is as it was typed.
type targetForm struct {
	Target       notify.Target
	Address      string
	Kinds, Langs []web.Option
	Error        string
}

func (x *Room) targetForm(w http.ResponseWriter, r *http.Request) error {
	t := notify.Target{Enabled: true, Kind: notify.Slack, Lang: web.T(r).Lang(), Zone: web.T(r).Zone().String()}
	if id := r.PathValue("id"); id != "" {
		var err error
		if t, err = x.n.Target(r.Context(), id); err != nil {
			return err
		}
	}
	return x.showTargetForm(w, r, http.StatusOK, targetForm{Target: t})
}

func (x *Room) showTargetForm(w http.ResponseWriter, r *http.Request, status int, v targetForm) error {
	for _, kind := range notify.TargetKinds() {
		v.Kinds = append(v.Kinds, web.Option{Value: string(kind), Label: web.T(r).T("notify.target." + string(kind))})
	}
	for _, l := range i18n.Languages() {
		v.Langs = append(v.Langs, web.Option{Value: string(l.Lang), Label: l.Name})
	}
	return x.site.Render(w, r, status, "notify/target_form", v)
}

func (x *Room) saveTarget(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(values.Get("version"), 10, 64) // what is none fits no version
	typed := notify.Target{
		ID: values.Get("id"), Kind: notify.TargetKind(values.Get("kind")), Name: values.Get("name"), Lang: i18n.Lang(values.Get("lang")),
		Zone: values.Get("zone"), Enabled: values.Get("enabled") != "", Version: version,
	}
	saved, secret, err := x.n.SaveTarget(r.Context(), typed, values.Get("address"))
	switch {
	case fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict):
		return x.showTargetForm(w, r, http.StatusUnprocessableEntity, targetForm{Target: typed, Address: values.Get("address"), Error: web.Message(r, err)})
	case err != nil:
		return err
	case secret != "":
		return x.showTarget(w, r, http.StatusOK, saved.ID, targetView{Secret: secret})
	}
	return x.site.Done(w, r, "/notifications/targets/"+saved.ID, web.Flash{Kind: web.Good, Text: web.T(r).T("notify.target.saved", saved.Name)})
}

// testTarget sends a test and shows what the target answered.
func (x *Room) testTarget(w http.ResponseWriter, r *http.Request) error {
	words, err := x.n.Test(r.Context(), r.PathValue("id"))
	if fault.Is(err, fault.NotFound) {
		return err
	}
	if err != nil {
		return x.showTarget(w, r, http.StatusUnprocessableEntity, r.PathValue("id"), targetView{Error: web.Message(r, err)})
	}
	return x.showTarget(w, r, http.StatusOK, r.PathValue("id"), targetView{Tested: words})
}

// newSecret makes another secret, or drops the older one.
func (x *Room) newSecret(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(values.Get("version"), 10, 64)
	id := r.PathValue("id")
	if values.Get("do") == "drop" {
		if err := x.n.DropSecret(r.Context(), id, version); err != nil {
			return err
		}
		return x.site.Done(w, r, "/notifications/targets/"+id, web.Flash{Kind: web.Good, Text: web.T(r).T("notify.secret.dropped")})
	}
	secret, err := x.n.NewSecret(r.Context(), id, version)
	if err != nil {
		return err
	}
	return x.showTarget(w, r, http.StatusOK, id, targetView{Secret: secret})
}

func (x *Room) deleteTarget(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(values.Get("version"), 10, 64)
	if err := x.n.DeleteTarget(r.Context(), r.PathValue("id"), version); err != nil {
		return err
	}
	return x.site.Done(w, r, "/notifications/targets", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.target.deleted")})
}
