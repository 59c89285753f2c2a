-- +goose Up

-- What people decided rules shall not alert on. rules are the ids and names that the filter has, in lower case, or "any".
CREATE TABLE noise_exception (
    id          TEXT   NOT NULL PRIMARY KEY,
    title       TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    owner       TEXT   NOT NULL,
    unit        TEXT   NOT NULL,
    due         BIGINT NOT NULL,
    tags        TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    updated_by  TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    deleted_at  BIGINT NOT NULL,
    deleted_by  TEXT   NOT NULL,
    deleted_why TEXT   NOT NULL,
    rules       TEXT   NOT NULL,
    filter      TEXT   NOT NULL,
    reason      TEXT   NOT NULL
);
CREATE INDEX noise_exception_updated ON noise_exception (updated_at, id, deleted_at);
CREATE INDEX noise_exception_created ON noise_exception (created_at, id, deleted_at);
CREATE INDEX noise_exception_state ON noise_exception (state, updated_at, id, deleted_at);
CREATE INDEX noise_exception_state_due ON noise_exception (state, due, id, deleted_at);
CREATE INDEX noise_exception_owner ON noise_exception (owner, updated_at, id, deleted_at);
CREATE INDEX noise_exception_due ON noise_exception (due, id, deleted_at);
CREATE INDEX noise_exception_title ON noise_exception (title, id, deleted_at);

-- When rules shall alert less: maintenance, a distance between alerts, a bound on how many an hour.
CREATE TABLE noise_suppression (
    id          TEXT   NOT NULL PRIMARY KEY,
    title       TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    owner       TEXT   NOT NULL,
    unit        TEXT   NOT NULL,
    due         BIGINT NOT NULL,
    tags        TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    updated_by  TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    deleted_at  BIGINT NOT NULL,
    deleted_by  TEXT   NOT NULL,
    deleted_why TEXT   NOT NULL,
    way         TEXT   NOT NULL,
    rules       TEXT   NOT NULL,
    hosts       TEXT   NOT NULL,
    users       TEXT   NOT NULL,
    starts      BIGINT NOT NULL,
    ends        BIGINT NOT NULL,
    minutes     BIGINT NOT NULL,
    most        BIGINT NOT NULL,
    reason      TEXT   NOT NULL
);
CREATE INDEX noise_suppression_updated ON noise_suppression (updated_at, id, deleted_at);
CREATE INDEX noise_suppression_created ON noise_suppression (created_at, id, deleted_at);
CREATE INDEX noise_suppression_state ON noise_suppression (state, updated_at, id, deleted_at);
CREATE INDEX noise_suppression_state_due ON noise_suppression (state, due, id, deleted_at);
CREATE INDEX noise_suppression_owner ON noise_suppression (owner, updated_at, id, deleted_at);
CREATE INDEX noise_suppression_due ON noise_suppression (due, id, deleted_at);
CREATE INDEX noise_suppression_title ON noise_suppression (title, id, deleted_at);
CREATE INDEX noise_suppression_starts ON noise_suppression (starts, id, deleted_at);
CREATE INDEX noise_suppression_ends ON noise_suppression (ends, id, deleted_at);

-- Matches that made no alert, by what held them back, by rule, and by hour of the events' clock; and the last event of each.
CREATE TABLE noise_held (
    cause    TEXT   NOT NULL,
    rule_id  TEXT   NOT NULL,
    hour     BIGINT NOT NULL,
    count    BIGINT NOT NULL,
    event_id TEXT   NOT NULL,
    PRIMARY KEY (cause, rule_id, hour)
);
CREATE INDEX noise_held_rule ON noise_held (rule_id, hour);
CREATE INDEX noise_held_hour ON noise_held (hour);
