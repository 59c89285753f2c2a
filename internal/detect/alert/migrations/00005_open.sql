-- +goose Up

-- The open alerts of each rule are counted at every look at the rules, and before a rule opens one more. Only opening and closing touch this
-- index: matches that join an alert do not.
CREATE INDEX alert_alert_open ON alert_alert (rule_id) WHERE state <> 'closed';
