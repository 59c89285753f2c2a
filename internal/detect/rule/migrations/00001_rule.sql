-- +goose Up

-- What people decided about a rule. A rule without a row is enabled.
CREATE TABLE rule_state (
    rule_id    TEXT   NOT NULL PRIMARY KEY,
    enabled    BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT   NOT NULL
);
