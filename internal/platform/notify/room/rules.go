package room

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yagura/internal/platform/fault"
	"yagura/internal/platform/i18n"
	"yagura/internal/platform/notify"
	"yagura/internal/platform/web"
)

// phrases is how many conditions on texts the form has room for.
const phrases = 4

type ruleRow struct {
	notify.Rule
	When, Whom string
}

func (x *Room) rules(w http.ResponseWriter, r *http.Request) error {
	list, err := x.n.Rules(r.Context())
	if err != nil {
		return err
	}
	c, err := x.choices(r)
	if err != nil {
		return err
	}
	rows := make([]ruleRow, len(list))
	for i, rule := range list {
		rows[i] = ruleRow{rule, x.conditions(r, rule.When), c.whom(len(rule.Send.People), rule.Send, web.T(r))}
	}
	return x.site.Render(w, r, http.StatusOK, "notify/rules", struct {
		Tabs     []web.Tab
		Rows     []ruleRow
		MayWrite bool
	}{x.tabs(r, "rules"), rows, may(r)})
}

// conditions says in a line when a rule holds.
func (x *Room) conditions(r *http.Request, c notify.Conditions) string {
	t := web.T(r)
	var parts []string
	for _, topic := range c.Topics {
		parts = append(parts, x.n.TopicName(t, topic))
	}
	if len(parts) == 0 {
		parts = append(parts, t.T("notify.topics.all"))
	}
	all := []string{strings.Join(parts, t.T("notify.and"))}
	if c.Severity > notify.Informational {
		all = append(all, t.T("notify.from", t.T("severity."+c.Severity.String())))
	}
	for _, p := range c.Phrases {
		all = append(all, t.T("notify.phrase."+p.Op, p.Text))
	}
	if len(c.Units) > 0 {
		all = append(all, t.T("notify.units", len(c.Units)))
	}
	return strings.Join(all, " · ")
}

// ruleView is the form of a rule.
type ruleView struct {
	Rule       notify.Rule
	Topics     []box
	Kinds      []box
	Units      []box
	Severities []web.Option
	Severity   string
	Phrases    []notify.Phrase
	Fields     []web.Option
	Ops        []web.Option
	Send       destinationForm
	Error      string
	MayWrite   bool
	Tried      bool
	Trial      notify.Trial
	Matched    []shown
}

func (x *Room) ruleForm(w http.ResponseWriter, r *http.Request) error {
	rule := notify.Rule{Enabled: true}
	if id := r.PathValue("id"); id != "" {
		var err error
		if rule, err = x.n.Rule(r.Context(), id); err != nil {
			return err
		}
	}
	v, err := x.ruleView(r, rule)
	if err != nil {
		return err
	}
	return x.site.Render(w, r, http.StatusOK, "notify/rule", v)
}

func (x *Room) ruleView(r *http.Request, rule notify.Rule) (v ruleView, err error) {
	t := web.T(r)
	c, err := x.choices(r)
	if err != nil {
		return v, err
	}
	v = ruleView{Rule: rule, MayWrite: may(r), Severity: rule.When.Severity.String(), Units: boxes(c.units, rule.When.Units)}
	var topics, kinds []web.Option
	fields := make(map[string]bool)
	for _, topic := range x.n.Topics() {
		topics = append(topics, web.Option{Value: topic.Name, Label: x.n.TopicName(t, topic.Name)})
		for _, name := range topic.Args {
			fields[name] = true
		}
	}
	for _, kind := range x.n.Kinds() {
		kinds = append(kinds, web.Option{Value: kind, Label: label(t, "notify.kind.", kind)})
	}
	v.Topics, v.Kinds = boxes(topics, rule.When.Topics), boxes(kinds, rule.When.Kinds)
	for s := notify.Informational; s <= notify.Critical; s++ {
		v.Severities = append(v.Severities, web.Option{Value: s.String(), Label: t.T("severity." + s.String())})
	}
	v.Fields = []web.Option{{Value: "", Label: t.T("notify.field.any")}}
	for _, name := range sorted(fields) {
		v.Fields = append(v.Fields, web.Option{Value: name, Label: label(t, "notify.field.", name)})
	}
	for _, op := range []string{notify.Contains, notify.Is, notify.Lacks} {
		v.Ops = append(v.Ops, web.Option{Value: op, Label: t.T("notify.op." + op)})
	}
	v.Phrases = slices.Clone(rule.When.Phrases)
	for len(v.Phrases) < phrases {
		v.Phrases = append(v.Phrases, notify.Phrase{})
	}
	v.Send, err = x.destination(r.Context(), c, "", rule.Send)
	return v, err
}

// label is what people call a kind or a field; one that has no words yet is called by its name.
func label(t *i18n.Printer, prefix, name string) string {
	if t.Has(prefix + name) {
		return t.T(prefix + name)
	}
	return name
}

func sorted(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readRule reads the form.
func (x *Room) readRule(r *http.Request, values url.Values) (rule notify.Rule, typed string, err error) {
	version, _ := strconv.ParseInt(values.Get("version"), 10, 64) // what is none fits no version
	rule = notify.Rule{
		ID: values.Get("id"), Name: values.Get("name"), Enabled: values.Get("enabled") != "", Version: version,
		When: notify.Conditions{Topics: values["topic"], Kinds: values["kind"], Units: values["in"]},
	}
	rule.When.Severity, _ = notify.ParseSeverity(values.Get("severity")) // CheckRule refuses what is none
	for i, text := range values["phrase"] {
		if text = strings.TrimSpace(text); text == "" || i >= len(values["field"]) || i >= len(values["op"]) {
			continue
		}
		rule.When.Phrases = append(rule.When.Phrases, notify.Phrase{Field: values["field"][i], Op: values["op"][i], Text: text})
	}
	rule.Send, typed, err = x.readDestination(r.Context(), "", values)
	return rule, typed, err
}

// saveRule keeps a rule, or tries it on what was sent lately and keeps nothing.
func (x *Room) saveRule(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	rule, typed, problem := x.readRule(r, values)
	if problem != nil && !fault.Is(problem, fault.Invalid) {
		return problem
	}
	try := values.Get("do") == "try"
	if problem == nil && !try {
		if _, problem = x.n.SaveRule(r.Context(), rule); problem == nil {
			return x.site.Done(w, r, "/notifications/rules", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.rule.saved", rule.Name)})
		}
		if !fault.Is(problem, fault.Invalid) && !fault.Is(problem, fault.Conflict) {
			return problem
		}
	}
	v, err := x.ruleView(r, rule)
	if err != nil {
		return err
	}
	v.Send.People = typed
	status := http.StatusOK
	if problem != nil {
		v.Error, status = web.Message(r, problem), http.StatusUnprocessableEntity
	} else {
		v.Tried = true
		if v.Trial, err = x.n.Try(r.Context(), web.User(r).ID, rule.When); err != nil {
			return err
		}
		if v.Matched, err = x.show(r, v.Trial.Matched); err != nil {
			return err
		}
	}
	return x.site.Render(w, r, status, "notify/rule", v)
}

func (x *Room) deleteRule(w http.ResponseWriter, r *http.Request) error {
	values, err := form(w, r)
	if err != nil {
		return err
	}
	version, _ := strconv.ParseInt(values.Get("version"), 10, 64)
	if err := x.n.DeleteRule(r.Context(), r.PathValue("id"), version); err != nil {
		return err
	}
	return x.site.Done(w, r, "/notifications/rules", web.Flash{Kind: web.Good, Text: web.T(r).T("notify.rule.deleted")})
}
