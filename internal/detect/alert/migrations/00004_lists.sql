-- +goose Up

-- With deleted_at at its end, an index answers by itself how many alerts a list has.
DROP INDEX alert_alert_state;
DROP INDEX alert_alert_severity;
DROP INDEX alert_alert_triage;
DROP INDEX alert_alert_owner;
DROP INDEX alert_alert_entity;
DROP INDEX alert_alert_host;
DROP INDEX alert_alert_user;
DROP INDEX alert_alert_ip;
DROP INDEX alert_alert_created;
CREATE INDEX alert_alert_state ON alert_alert (state, last_seen, id, deleted_at);
CREATE INDEX alert_alert_severity ON alert_alert (severity, last_seen, id, deleted_at);
CREATE INDEX alert_alert_triage ON alert_alert (state, severity, last_seen, id, deleted_at);
CREATE INDEX alert_alert_owner ON alert_alert (owner, state, last_seen, id, deleted_at);
CREATE INDEX alert_alert_entity ON alert_alert (entity_key, last_seen, id, deleted_at);
CREATE INDEX alert_alert_host ON alert_alert (host_name, last_seen, id, deleted_at);
CREATE INDEX alert_alert_user ON alert_alert (user_name, last_seen, id, deleted_at);
CREATE INDEX alert_alert_ip ON alert_alert (source_ip, last_seen, id, deleted_at);
CREATE INDEX alert_alert_created ON alert_alert (created_at, id, deleted_at);
CREATE INDEX alert_alert_rule ON alert_alert (rule_id, last_seen, id, deleted_at);
