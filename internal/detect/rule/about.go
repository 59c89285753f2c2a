package rule

import (
	"cmp"
	"strings"

	"go.yaml.in/yaml/v3"

	"yagura/internal/detect/alert"
	"yagura/internal/platform/i18n"
)

var _ alert.Rules = (*Library)(nil)

// About tells an alert's page what the rule with that key says of itself; false where it is not loaded. Where its file is
// being edited and cannot be read, the fields are left out.
func (l *Library) About(key string, lang i18n.Lang) (alert.RuleInfo, bool) {
	r, ok := l.Set().Rule(key)
	if !ok {
		return alert.RuleInfo{}, false
	}
	info := alert.RuleInfo{Description: r.DescriptionIn(lang), FalsePositives: r.FalsePositivesIn(lang), Author: r.Author, License: r.License}
	usages, err := l.Usages(key)
	if err != nil {
		return info, true
	}
	for _, u := range usages {
		info.Fields = append(info.Fields, alert.RuleField{Name: u.Field, Names: u.Names})
	}
	return info, true
}

// Title is the title that a rule has in a language, "" for a rule that is no longer loaded.
func (l *Library) Title(key string, lang i18n.Lang) string {
	if r, ok := l.Set().Rule(key); ok {
		return r.TitleIn(lang)
	}
	return ""
}

// TitlesOf are a rule's titles in every language.
func (l *Library) TitlesOf(key string) (titles []string) {
	for _, lang := range i18n.Languages() {
		if title := l.Title(key, lang.Lang); title != "" {
			titles = append(titles, title)
		}
	}
	return titles
}

// TitleIn is the rule's title in a language, in its own where its author gave no other.
func (r *Rule) TitleIn(lang i18n.Lang) string { return cmp.Or(r.translated("title", lang), r.Title) }

// DescriptionIn is the rule's description, likewise.
func (r *Rule) DescriptionIn(lang i18n.Lang) string {
	return cmp.Or(r.translated("description", lang), r.Description)
}

// FalsePositivesIn is what the rule's author expects to set it off in good faith, likewise.
func (r *Rule) FalsePositivesIn(lang i18n.Lang) []string {
	node := r.Custom["falsepositives_"+string(lang)]
	if node == nil || node.Kind != yaml.SequenceNode {
		return r.FalsePositives
	}
	var list []string
	for _, item := range node.Content {
		if text := strings.TrimSpace(item.Value); text != "" {
			list = append(list, text)
		}
	}
	return list
}

// translated is what a rule's author wrote in a language besides the rule's own: its key "title_ja", "" where there is none.
func (r *Rule) translated(key string, lang i18n.Lang) string {
	if node := r.Custom[key+"_"+string(lang)]; node != nil {
		return strings.TrimSpace(node.Value)
	}
	return ""
}
