package rule

import "yagura/internal/detect/alert"

var _ alert.Rules = (*Library)(nil)

// About tells an alert's page what the rule with that key says of itself; false where it is not loaded. Where its file is
// being edited and cannot be read, the fields are left out.
func (l *Library) About(key string) (alert.RuleInfo, bool) {
	r, ok := l.Set().Rule(key)
	if !ok {
		return alert.RuleInfo{}, false
	}
	info := alert.RuleInfo{Description: r.Description, FalsePositives: r.FalsePositives, Author: r.Author, License: r.License}
	usages, err := l.Usages(key)
	if err != nil {
		return info, true
	}
	for _, u := range usages {
		info.Fields = append(info.Fields, alert.RuleField{Name: u.Field, Names: u.Names})
	}
	return info, true
}
