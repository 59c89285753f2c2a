-- +goose Up

-- How many alerts a rule opened in the hour, by the events' clock, and how many matches joined its alert about many because it had opened too many.
ALTER TABLE alert_rule_hour ADD COLUMN opened BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert_rule_hour ADD COLUMN folded BIGINT NOT NULL DEFAULT 0;
