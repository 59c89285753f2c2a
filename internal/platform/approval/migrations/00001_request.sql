-- +goose Up
CREATE TABLE approval_request (
    id       TEXT   NOT NULL PRIMARY KEY,
    action   TEXT   NOT NULL,
    subject  TEXT   NOT NULL, -- whom or what it concerns, as people call it
    link     TEXT   NOT NULL, -- the page of the subject
    payload  TEXT   NOT NULL, -- JSON, what the action needs; nothing secret
    reason   TEXT   NOT NULL,
    state    TEXT   NOT NULL, -- waiting, approved, refused, withdrawn
    asked_by TEXT   NOT NULL,
    asked    BIGINT NOT NULL,
    expires  BIGINT NOT NULL,
    decided_by TEXT NOT NULL,
    decided  BIGINT NOT NULL,
    note     TEXT   NOT NULL,
    version  BIGINT NOT NULL
);
CREATE INDEX approval_request_state ON approval_request (state, id);
