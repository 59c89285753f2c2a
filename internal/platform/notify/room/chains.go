package room

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

// stepsShown is how many steps the form has room for.
const stepsShown = 3

type chainRow struct {
	Topic, Title string
	Steps        []string
}

func (x *Room) chains(w http.ResponseWriter, r *http.Request) error {
	c, err := x.choices(r)
	if err != nil {
		return err
	}
	t := web.T(r)
	var rows []chainRow
	for _, topic := range x.n.Topics() {
		steps, _, err := x.n.Chain(r.Context(), topic.Name)
		if err != nil {
			return err
		}
		row := chainRow{Topic: topic.Name, Title: x.n.TopicName(t, topic.Name)}
		for _, step := range steps {
			row.Steps = append(row.Steps, t.T("notify.step", step.After, c.whom(len(step.To.People), step.To, t)))
		}
		rows = append(rows, row)
	}
	return x.site.Render(w, r, http.StatusOK, "notify/chains", struct {
		Tabs []web.Tab
		Rows []chainRow
	}{x.tabs(r, "escalation"), rows})
}

// stepForm is the fields of a step.
type stepForm struct {
	Number int
	After  string
	To     destinationForm
}

type chainView struct {
	Topic, Title string
	Version      int64
	Steps        []stepForm
	Error        string
	MayWrite     bool
}

func (x *Room) chain(w http.ResponseWriter, r *http.Request) error {
	steps, version, err := x.n.Chain(r.Context(), r.PathValue("topic"))
	if err != nil {
		return err
	}
	return x.showChain(w, r, http.StatusOK, version, steps, nil, "")
}

func (x *Room) showChain(w http.ResponseWriter, r *http.Request, status int, version int64, steps []notify.Step, typed []string, problem string) error {
	c, err := x.choices(r)
	if err != nil {
		return err
	}
	topic := r.PathValue("topic")
	v := chainView{Topic: topic, Title: x.n.TopicName(web.T(r), topic), Version: version, Error: problem, MayWrite: may(r)}
	for i := range max(stepsShown, len(steps)) {
		var step notify.Step
		if i < len(steps) {
			step = steps[i]
		}
		f := stepForm{Number: i + 1}
		if step.After != 0 {
			f.After = strconv.Itoa(step.After)
		}
		if f.To, err = x.destination(r.Context(), c, fmt.Sprint("s", i, "-"), step.To); err != nil {
			return err
		}
		if i < len(typed) {
			f.To.People = typed[i]
		}
		v.Steps = append(v.Steps, f)
	}
	return x.site.Render(w, r, status, "notify/chain", v)
}

func (x *Room) saveChain(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(values.Get("version"), 10, 64)
	var steps []notify.Step
	var typed []string
	var problem error
	for i, after := range values["after"] {
		if strings.TrimSpace(after) == "" {
			continue // an empty step is none
		}
		to, people, err := x.readDestination(r.Context(), fmt.Sprint("s", i, "-"), values)
		if err != nil {
			problem = err
		}
		steps, typed = append(steps, notify.Step{After: number(after), To: to}), append(typed, people)
	}
	if problem == nil {
		problem = x.n.SetChain(r.Context(), r.PathValue("topic"), version, steps)
	}
	switch {
	case fault.Is(problem, fault.Invalid) || fault.Is(problem, fault.Conflict):
		return x.showChain(w, r, http.StatusUnprocessableEntity, version, steps, typed, web.Message(r, problem))
	case problem != nil:
		return problem
	}
	return x.site.Done(w, r, "/notifications/escalation", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.chain.saved")})
}
