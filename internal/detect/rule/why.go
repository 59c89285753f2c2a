package rule

import (
	"html/template"
	"net/http"

	"yagura/internal/event"
	"yagura/internal/platform/web"
)

// Why shows what in an event, as JSON, the rule with that key was after: each question with its answer. "" for a rule that is no longer loaded,
// does not run or is no single rule, and for events that cannot be read.
func (x *Room) Why(r *http.Request, key string, data []byte) (template.HTML, error) {
	set := x.library.Set()
	rule, ok := set.Rule(key)
	if !ok || rule.Rule == nil || !web.User(r).May(string(MayRead)) {
		return "", nil
	}
	ev, err := event.ReadJSON(data)
	if err != nil {
		return "", nil // a sample that was cut to nothing: there is nothing to say of it
	}
	why, err := set.Explain(rule.Rule, ev)
	if err != nil {
		return "", nil // it ran when it matched, and does not any more
	}
	return x.site.Part(r, "rule/why", "content", why)
}
