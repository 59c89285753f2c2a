-- +goose Up

-- Records whose papers are classified otherwise than their kind's. id is the record's reference.
CREATE TABLE record_class (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL,
    record_id TEXT   NOT NULL,
    class     TEXT   NOT NULL,
    version   BIGINT NOT NULL
);
CREATE INDEX record_class_kind ON record_class (kind, class, record_id);
