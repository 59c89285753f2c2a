-- +goose Up

-- An alert is a record like any other: somebody owns it, it may be due, it can be tagged.
ALTER TABLE alert_alert ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_alert ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert_alert ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_alert ADD COLUMN created_by TEXT NOT NULL DEFAULT 'system';
ALTER TABLE alert_alert ADD COLUMN updated_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_alert ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert_alert ADD COLUMN deleted_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alert_alert ADD COLUMN deleted_why TEXT NOT NULL DEFAULT '';
DROP INDEX alert_alert_created;
DROP INDEX alert_alert_tally;
CREATE INDEX alert_alert_created ON alert_alert (created_at, id);
CREATE INDEX alert_alert_updated ON alert_alert (updated_at, id);
CREATE INDEX alert_alert_first ON alert_alert (first_seen, id);
CREATE INDEX alert_alert_count ON alert_alert (count, id);
CREATE INDEX alert_alert_due ON alert_alert (due, id);
CREATE INDEX alert_alert_severity ON alert_alert (severity, last_seen, id);
CREATE INDEX alert_alert_triage ON alert_alert (state, severity, last_seen, id);
CREATE INDEX alert_alert_owner ON alert_alert (owner, state, last_seen, id);
CREATE INDEX alert_alert_entity ON alert_alert (entity_key, last_seen, id);
CREATE INDEX alert_alert_host ON alert_alert (host_name, last_seen, id);
CREATE INDEX alert_alert_user ON alert_alert (user_name, last_seen, id);
CREATE INDEX alert_alert_ip ON alert_alert (source_ip, last_seen, id);

-- What was decided until now stays where it is, for the ledger, and is shown in the history that all records have. It named no versions.
INSERT INTO record_history (id, kind, record_id, at, actor, action, note, changes, version)
SELECT id, 'alert', alert_id, at, actor,
    CASE WHEN from_state = to_state THEN 'edit' WHEN to_state = 'closed' THEN 'move.close' WHEN to_state = 'new' THEN 'move.put_back'
         WHEN from_state = 'closed' THEN 'move.reopen' ELSE 'move.take' END,
    note,
    CASE WHEN from_state = to_state THEN '[]'
         WHEN verdict = '' THEN '[{"field":"state","from":"' || from_state || '","to":"' || to_state || '"}]'
         ELSE '[{"field":"state","from":"' || from_state || '","to":"' || to_state || '"},{"field":"verdict","from":"","to":"' || verdict || '"}]' END,
    0
FROM alert_history;
