-- +goose Up

-- Work that waits, runs or has ended. Times are UTC microseconds, 0 for never. payload is JSON; it is emptied once the job is done.
-- due_at is when something is to be done about the job next: while it waits, run it; while it runs, take it from a node whose lease has
-- ended; once it has ended, delete it. claim is the token of the run that is under way.
CREATE TABLE job (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    payload    TEXT   NOT NULL,
    state      TEXT   NOT NULL, -- waiting, running, done, failed, cancelled
    priority   BIGINT NOT NULL, -- the lower the sooner
    unique_key TEXT   NOT NULL, -- '' for none
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL, -- runs that were begun
    claim      TEXT   NOT NULL,
    node       TEXT   NOT NULL, -- of the last run
    started_at BIGINT NOT NULL, -- of the last run
    ended_at   BIGINT NOT NULL,
    error      TEXT   NOT NULL  -- of the last run that failed
);
-- What a node takes next: of one name and priority, the longest due first.
CREATE INDEX job_next ON job (name, priority, due_at, id) WHERE state = 'waiting';
CREATE UNIQUE INDEX job_once ON job (name, unique_key) WHERE state = 'waiting' AND unique_key <> '';
-- Lists, and what is to be swept.
CREATE INDEX job_state ON job (state, due_at, id);
CREATE INDEX job_state_name ON job (state, name, due_at, id);

-- When each schedule runs next. rule is what next_at was worked out from: where a new version has another rule, it is worked out anew.
CREATE TABLE job_schedule (
    name     TEXT   NOT NULL PRIMARY KEY,
    rule     TEXT   NOT NULL,
    next_at  BIGINT NOT NULL,
    last_at  BIGINT NOT NULL, -- when a job was last made by it
    last_job TEXT   NOT NULL
);

-- What administrators decided about jobs. Rows are only added.
CREATE TABLE job_decision (
    id       TEXT   NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    decision TEXT   NOT NULL, -- retry, cancel, run
    job      TEXT   NOT NULL, -- its id
    name     TEXT   NOT NULL  -- the job's, or the schedule's
);
