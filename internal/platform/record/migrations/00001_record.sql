-- +goose Up

-- What was done to records of every kind, and why. changes is a JSON array of {"field", "from", "to"}, texts as a field's type writes them.
-- version is that which the record had afterwards.
CREATE TABLE record_history (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL,
    record_id TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    note      TEXT   NOT NULL,
    changes   TEXT   NOT NULL,
    version   BIGINT NOT NULL
);
CREATE INDEX record_history_record ON record_history (kind, record_id, at, id);

-- The tags of records, for finding: what a record's own column says.
CREATE TABLE record_tag (
    kind      TEXT NOT NULL,
    tag       TEXT NOT NULL,
    record_id TEXT NOT NULL,
    PRIMARY KEY (kind, tag, record_id)
);
CREATE INDEX record_tag_record ON record_tag (kind, record_id);
