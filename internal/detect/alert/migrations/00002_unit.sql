-- +goose Up

-- The organisation unit that the person belonged to whom the first events named, when the alert was opened; '' for none.
ALTER TABLE alert_alert ADD COLUMN unit TEXT NOT NULL DEFAULT '';
CREATE INDEX alert_alert_unit ON alert_alert (unit, last_seen, id);
