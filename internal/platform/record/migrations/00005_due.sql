-- +goose Up

-- What was said of records that will be due or are overdue: to whom, about which due time. Rows go when the due time is long past.
CREATE TABLE record_said (
    kind      TEXT   NOT NULL,
    record_id TEXT   NOT NULL,
    due       BIGINT NOT NULL,
    what      TEXT   NOT NULL,
    person    TEXT   NOT NULL,
    PRIMARY KEY (kind, record_id, due, what, person)
);
CREATE INDEX record_said_due ON record_said (due);
