-- +goose Up

-- Times are UTC microseconds. entity_key is entity in lower case. severity is 1 (informational) to 5 (critical). tactics and techniques are words
-- with a space before and after each, so that LIKE '% word %' finds one.
CREATE TABLE alert_alert (
    id            TEXT   NOT NULL PRIMARY KEY,
    rule_id       TEXT   NOT NULL,
    title         TEXT   NOT NULL,
    severity      BIGINT NOT NULL,
    tactics       TEXT   NOT NULL,
    techniques    TEXT   NOT NULL,
    entity_kind   TEXT   NOT NULL,
    entity        TEXT   NOT NULL,
    entity_key    TEXT   NOT NULL,
    host_name     TEXT   NOT NULL,
    user_name     TEXT   NOT NULL,
    source_ip     TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    verdict       TEXT   NOT NULL,
    first_seen    BIGINT NOT NULL,
    last_seen     BIGINT NOT NULL,
    count         BIGINT NOT NULL,
    samples       BIGINT NOT NULL, -- ever taken, which tells the slot of the next
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL
);
CREATE INDEX alert_alert_group ON alert_alert (rule_id, entity_kind, entity_key, last_seen);
CREATE INDEX alert_alert_state ON alert_alert (state, last_seen, id);
CREATE INDEX alert_alert_seen ON alert_alert (last_seen, id);
CREATE INDEX alert_alert_created ON alert_alert (created_at);
CREATE INDEX alert_alert_tally ON alert_alert (state, severity);

-- The first events of an alert and a ring of the latest, each as one JSON object.
CREATE TABLE alert_sample (
    alert_id TEXT   NOT NULL REFERENCES alert_alert (id) ON DELETE CASCADE,
    slot     BIGINT NOT NULL,
    event_id TEXT   NOT NULL,
    time     BIGINT NOT NULL,
    event    TEXT   NOT NULL,
    PRIMARY KEY (alert_id, slot)
);

-- Matches of an alert over time; start is that of an interval.
CREATE TABLE alert_bucket (
    alert_id TEXT   NOT NULL REFERENCES alert_alert (id) ON DELETE CASCADE,
    start    BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (alert_id, start)
);

-- Matches of a rule in each hour, whatever became of their alerts.
CREATE TABLE alert_rule_hour (
    rule_id TEXT   NOT NULL,
    hour    BIGINT NOT NULL,
    count   BIGINT NOT NULL,
    PRIMARY KEY (rule_id, hour)
);
CREATE INDEX alert_rule_hour_hour ON alert_rule_hour (hour);

-- What people did to an alert.
CREATE TABLE alert_history (
    id         TEXT   NOT NULL PRIMARY KEY,
    alert_id   TEXT   NOT NULL REFERENCES alert_alert (id) ON DELETE CASCADE,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    from_state TEXT   NOT NULL,
    to_state   TEXT   NOT NULL,
    verdict    TEXT   NOT NULL,
    note       TEXT   NOT NULL
);
CREATE INDEX alert_history_alert ON alert_history (alert_id, at);

-- How far the pipeline's matches are counted: one row, written with them.
CREATE TABLE alert_cursor (
    id       BIGINT NOT NULL PRIMARY KEY,
    position TEXT   NOT NULL
);
