package rule

import (
	"context"
	"net/http"
	"slices"
	"time"

	"yagura/internal/detect/intake"
	"yagura/internal/platform/fault"
	"yagura/internal/platform/openapi"
	"yagura/internal/platform/web"
)

const apiPath = "/api/v1/rules"

// addRoutes bring files of rules in, take them away and try rules, for programs.
func (x *Room) addRoutes() []web.Route {
	asked := openapi.Of(addAsked{}).Replacing("state", openapi.Enum(string(Draft), string(Shadow), string(Live)))
	doc := func(summary string, body, answer any) *openapi.Operation {
		return &openapi.Operation{Summary: summary, Tag: Name, Body: body, Answer: answer}
	}
	add := doc("Add a file of rules in Sigma's form, once it is sound", asked, reviewJSON{})
	add.Status, add.Headers = http.StatusCreated, []openapi.Parameter{openapi.IdempotencyKey()}
	add.Description = "What stands against it, `/-/review` says. `state` is where rules begin about which nobody decided yet; left out is live."
	return []web.Route{
		{Pattern: "POST " + apiPath, Permission: MayWrite, Handle: x.apiAdd, Doc: add},
		{Pattern: "POST " + apiPath + "/-/review", Permission: MayWrite, Handle: x.apiReview, Doc: doc("Look at a file of rules and run its tests, and add nothing", asked, reviewJSON{})},
		{Pattern: "DELETE " + apiPath + "/{id}", Permission: MayWrite, Handle: x.apiRemove, Doc: doc("Remove the file that added a rule, with all rules in it", nil, nil)},
		{Pattern: "POST " + apiPath + "/{id}/try", Permission: MayRead, Handle: x.apiTry, Doc: doc("Try one on an event, whether or not it runs", tryAsked{}, trialJSON{})},
	}
}

// addAsked is a file of rules.
type addAsked struct {
	Name    string `json:"name"` // of the file
	Text    string `json:"text"`
	Replace bool   `json:"replace,omitempty"` // a file of that name that was added before
	State   State  `json:"state,omitempty"`
}

// reviewJSON is what is said of a file.
type reviewJSON struct {
	Name     string        `json:"name"`
	Sound    bool          `json:"sound"` // it can be added
	Exists   bool          `json:"exists"`
	Rules    []addedJSON   `json:"rules"`
	Filters  int           `json:"filters"`
	Replaced []string      `json:"replaced"` // rules that count no more once it is added
	Problems []problemJSON `json:"problems"`
	Failed   []string      `json:"failed"` // tests
}

// addedJSON is a rule of the file, with the id that it has as a record.
type addedJSON struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

func (x *Room) reviewOf(r *Review) reviewJSON {
	out := reviewJSON{Name: r.Name, Sound: r.Sound(), Exists: r.Exists, Rules: []addedJSON{}, Filters: len(r.Filters), Replaced: []string{}, Problems: []problemJSON{}, Failed: []string{}}
	for i, one := range r.Rules {
		out.Rules = append(out.Rules, addedJSON{x.library.keyOf(r, i), one.Title})
	}
	for _, one := range r.Replaced {
		out.Replaced = append(out.Replaced, one.Key)
	}
	for _, p := range r.Problems {
		out.Problems = append(out.Problems, problemJSON{p.Kind, p.Line, p.Field, p.Reason})
	}
	for _, t := range r.Tests {
		if !t.Passed() {
			out.Failed = append(out.Failed, t.Case)
		}
	}
	return out
}

// readFile reads a file of rules; JSON writes a byte as six at most.
func readFile(w http.ResponseWriter, r *http.Request) (asked addAsked, err error) {
	if err := web.ReadJSON(w, r, &asked, 6*maxAdded); err != nil {
		return asked, err
	}
	if asked.State == "" {
		asked.State = Live
	}
	if !slices.Contains([]State{Draft, Shadow, Live}, asked.State) {
		return asked, fault.New(fault.Invalid, "", "rules do not begin as %q", asked.State)
	}
	return asked, nil
}

func (x *Room) apiReview(w http.ResponseWriter, r *http.Request) error {
	asked, err := readFile(w, r)
	if err != nil {
		return err
	}
	review, err := x.library.Review(asked.Name, []byte(asked.Text))
	if err != nil {
		return err
	}
	return web.JSON(w, http.StatusOK, x.reviewOf(review))
}

func (x *Room) apiAdd(w http.ResponseWriter, r *http.Request) error {
	asked, err := readFile(w, r)
	if err != nil {
		return err
	}
	review, err := x.library.Add(r.Context(), asked.Name, []byte(asked.Text), asked.Replace, asked.State)
	if err != nil {
		return err
	}
	if err := x.library.Mirror(context.WithoutCancel(r.Context())); err != nil { // its record is the next that is asked for
		return err
	}
	return web.JSON(w, http.StatusCreated, x.reviewOf(review))
}

func (x *Room) apiRemove(w http.ResponseWriter, r *http.Request) error {
	one, err := x.library.Rule(r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := x.library.Remove(r.Context(), one.Key); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// tryAsked is an event to try a rule on.
type tryAsked struct {
	Event   string        `json:"event"` // as its sender would write it
	Format  intake.Format `json:"format"`
	Dataset string        `json:"dataset,omitempty"`
}

// trialJSON is what came of it.
type trialJSON struct {
	Matched     bool       `json:"matched"`
	InLogsource bool       `json:"in_logsource"` // false: the rule never looks at such an event
	Problem     string     `json:"problem,omitempty"`
	Time        *time.Time `json:"time,omitempty"`
	Fields      []tried    `json:"fields"` // of the event, as rules see it
}

type tried struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (x *Room) apiTry(w http.ResponseWriter, r *http.Request) error {
	var asked tryAsked
	if err := web.ReadJSON(w, r, &asked, 6*maxTried); err != nil {
		return err
	}
	trial, err := x.library.Try(r.PathValue("id"), asked.Format, asked.Dataset, []byte(asked.Event))
	if err != nil {
		return err
	}
	out := trialJSON{Matched: trial.Matched, InLogsource: trial.InLogsource, Problem: trial.Problem, Fields: []tried{}}
	if !trial.Time.IsZero() {
		out.Time = &trial.Time
	}
	for _, f := range trial.Fields {
		out.Fields = append(out.Fields, tried{f.Name, f.Value})
	}
	return web.JSON(w, http.StatusOK, out)
}
