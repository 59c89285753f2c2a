-- +goose Up

-- Views of lists that people saved. query is that of the list's address; columns are the fields that it shows, with a space between.
CREATE TABLE record_view (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    query      TEXT   NOT NULL,
    columns    TEXT   NOT NULL,
    shared     BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX record_view_kind ON record_view (kind, shared, position);

-- How somebody reads the lists of a kind: the columns they chose, and the view they begin with.
CREATE TABLE record_reading (
    kind    TEXT NOT NULL,
    person  TEXT NOT NULL,
    columns TEXT NOT NULL,
    view    TEXT NOT NULL,
    PRIMARY KEY (kind, person)
);

-- What was done to many records at once, for as long as it can be taken back. back is a JSON array, one element a record.
CREATE TABLE record_bulk (
    id     TEXT   NOT NULL PRIMARY KEY,
    kind   TEXT   NOT NULL,
    actor  TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    action TEXT   NOT NULL,
    back   TEXT   NOT NULL
);
CREATE INDEX record_bulk_at ON record_bulk (at);

-- Lists that left the house: who took which. sent is how many records went, state whether that was all.
CREATE TABLE record_export (
    id     TEXT   NOT NULL PRIMARY KEY,
    kind   TEXT   NOT NULL,
    actor  TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    format TEXT   NOT NULL,
    query  TEXT   NOT NULL,
    fields TEXT   NOT NULL,
    sent   BIGINT NOT NULL,
    state  TEXT   NOT NULL
);
CREATE INDEX record_export_kind ON record_export (kind, at);

-- Lists that somebody sent to be imported and that wait for their word. They are kept for an hour.
-- headings and mapping are JSON arrays, one element a column.
CREATE TABLE record_upload (
    id       TEXT   NOT NULL PRIMARY KEY,
    kind     TEXT   NOT NULL,
    person   TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    name     TEXT   NOT NULL,
    headings TEXT   NOT NULL,
    mapping  TEXT   NOT NULL,
    blanks   BIGINT NOT NULL,
    state    TEXT   NOT NULL
);
CREATE INDEX record_upload_at ON record_upload (at);

-- Their lines: cells as they came, and what a dry run says would become of each (fate), with what it would write (texts, a JSON object),
-- what that changes (changes, a JSON array of fields), or why not (problems, a JSON array).
CREATE TABLE record_upload_line (
    upload_id TEXT   NOT NULL,
    line      BIGINT NOT NULL,
    cells     TEXT   NOT NULL,
    fate      TEXT   NOT NULL,
    record_id TEXT   NOT NULL,
    version   BIGINT NOT NULL,
    texts     TEXT   NOT NULL,
    changes   TEXT   NOT NULL,
    problems  TEXT   NOT NULL,
    PRIMARY KEY (upload_id, line)
);
CREATE INDEX record_upload_line_fate ON record_upload_line (upload_id, fate, line);

-- Lists that came in: who brought which, and how many records were made, changed, left as they were, or refused.
CREATE TABLE record_import (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL,
    actor     TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    name      TEXT   NOT NULL,
    made      BIGINT NOT NULL,
    changed   BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    refused   BIGINT NOT NULL
);
CREATE INDEX record_import_kind ON record_import (kind, at);
