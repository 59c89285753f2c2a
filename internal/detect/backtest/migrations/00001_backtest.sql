-- +goose Up

CREATE TABLE backtest_backtest (
    id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, unit TEXT NOT NULL, due BIGINT NOT NULL,
    tags TEXT NOT NULL, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, updated_at BIGINT NOT NULL, updated_by TEXT NOT NULL,
    version BIGINT NOT NULL, deleted_at BIGINT NOT NULL, deleted_by TEXT NOT NULL, deleted_why TEXT NOT NULL,
    scope    TEXT   NOT NULL,
    rule     TEXT   NOT NULL,
    text     TEXT   NOT NULL, -- rules in YAML
    since    BIGINT NOT NULL,
    until    BIGINT NOT NULL,
    outcome  TEXT   NOT NULL,
    progress BIGINT NOT NULL,
    events   BIGINT NOT NULL,
    matches  BIGINT NOT NULL
);
CREATE INDEX backtest_backtest_title ON backtest_backtest (title, id, deleted_at);
CREATE INDEX backtest_backtest_state ON backtest_backtest (state, due, id, deleted_at);
CREATE INDEX backtest_backtest_updated ON backtest_backtest (updated_at, id, deleted_at);
CREATE INDEX backtest_backtest_created ON backtest_backtest (created_at, id, deleted_at);
CREATE INDEX backtest_backtest_due ON backtest_backtest (due, id, deleted_at);
CREATE INDEX backtest_backtest_matches ON backtest_backtest (matches, id, deleted_at);

-- What a run came to, or has come to so far.
CREATE TABLE backtest_result (
    id      TEXT NOT NULL PRIMARY KEY, -- the backtest's
    problem TEXT NOT NULL,             -- why the last run failed; '' where it did not
    result  TEXT NOT NULL              -- JSON; '' for nothing yet
);
