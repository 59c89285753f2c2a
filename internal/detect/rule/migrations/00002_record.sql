-- +goose Up

-- A rule is a record like any other: one row for each that was ever loaded. What people decide is in the columns that all records have and in the
-- ledger; what follows the rule's file, and the figures, machines keep up. mirror tells whether the row is as the file: a digest of all that
-- follows it.
CREATE TABLE rule_rule (
    id             TEXT   NOT NULL PRIMARY KEY,
    title          TEXT   NOT NULL,
    state          TEXT   NOT NULL,
    owner          TEXT   NOT NULL DEFAULT '',
    unit           TEXT   NOT NULL DEFAULT '',
    due            BIGINT NOT NULL DEFAULT 0,
    tags           TEXT   NOT NULL DEFAULT '',
    created_at     BIGINT NOT NULL,
    created_by     TEXT   NOT NULL,
    updated_at     BIGINT NOT NULL,
    updated_by     TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    deleted_at     BIGINT NOT NULL DEFAULT 0,
    deleted_by     TEXT   NOT NULL DEFAULT '',
    deleted_why    TEXT   NOT NULL DEFAULT '',
    severity       BIGINT NOT NULL,
    title_ja       TEXT   NOT NULL,
    product        TEXT   NOT NULL,
    category       TEXT   NOT NULL,
    service        TEXT   NOT NULL,
    tactics        TEXT   NOT NULL,
    techniques     TEXT   NOT NULL,
    maturity       TEXT   NOT NULL,
    health         TEXT   NOT NULL,
    origin         TEXT   NOT NULL,
    author         TEXT   NOT NULL,
    license        TEXT   NOT NULL,
    path           TEXT   NOT NULL,
    digest         TEXT   NOT NULL,
    mirror         TEXT   NOT NULL,
    matches        BIGINT NOT NULL DEFAULT 0,
    open_alerts    BIGINT NOT NULL DEFAULT 0,
    last_match     BIGINT NOT NULL DEFAULT 0,
    shadow_matches BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX rule_rule_title ON rule_rule (title, id, deleted_at);
CREATE INDEX rule_rule_state ON rule_rule (state, severity, last_match, id, deleted_at);
CREATE INDEX rule_rule_severity ON rule_rule (severity, last_match, id, deleted_at);
CREATE INDEX rule_rule_owner ON rule_rule (owner, severity, last_match, id, deleted_at);
CREATE INDEX rule_rule_due ON rule_rule (state, due, id, deleted_at);
CREATE INDEX rule_rule_dues ON rule_rule (due, id, deleted_at);
CREATE INDEX rule_rule_created ON rule_rule (created_at, id, deleted_at);
CREATE INDEX rule_rule_updated ON rule_rule (updated_at, id, deleted_at);
CREATE INDEX rule_rule_matches ON rule_rule (matches, id, deleted_at);
CREATE INDEX rule_rule_open ON rule_rule (open_alerts, id, deleted_at);
CREATE INDEX rule_rule_last ON rule_rule (last_match, id, deleted_at);
CREATE INDEX rule_rule_shadow ON rule_rule (shadow_matches, id, deleted_at);

-- What rules in shadow matched on each day (UTC): last is the time of the latest event.
CREATE TABLE rule_shadow (
    rule_id TEXT   NOT NULL,
    day     BIGINT NOT NULL,
    count   BIGINT NOT NULL,
    last    BIGINT NOT NULL,
    PRIMARY KEY (rule_id, day)
);
CREATE INDEX rule_shadow_day ON rule_shadow (day);
