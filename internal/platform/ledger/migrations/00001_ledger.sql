-- +goose Up
CREATE TABLE ledger_leaf (
    idx     BIGINT NOT NULL PRIMARY KEY, -- from 0, without gaps
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    tbl     TEXT   NOT NULL,
    rec     TEXT   NOT NULL, -- the record's key
    shape   TEXT   NOT NULL, -- which columns the digest covers
    digest  TEXT   NOT NULL, -- of the row and the nonce; '' where the row was deleted
    nonce   BYTEA  NOT NULL  -- no part of the leaf: without it nobody can guess the row by its digest; empty once there is a later leaf of the record
);
CREATE INDEX ledger_leaf_record ON ledger_leaf (tbl, rec, idx);
CREATE INDEX ledger_leaf_actor ON ledger_leaf (actor, idx);

CREATE TABLE ledger_shape (
    id      TEXT NOT NULL PRIMARY KEY, -- derived from the columns
    columns TEXT NOT NULL
);

CREATE TABLE ledger_tile ( -- hashes of the tree, 32 to a row
    level  BIGINT NOT NULL, -- 0: of leaves; n: of the complete tiles of level n-1
    n      BIGINT NOT NULL,
    hashes BYTEA  NOT NULL,
    PRIMARY KEY (level, n)
);

CREATE TABLE ledger_head (
    id   BIGINT NOT NULL PRIMARY KEY, -- 1: there is one
    size BIGINT NOT NULL,
    note TEXT   NOT NULL
);

-- What follows are records, too: their changes have leaves.

CREATE TABLE ledger_checkpoint (
    id   TEXT   NOT NULL PRIMARY KEY, -- the size, in digits
    size BIGINT NOT NULL,
    at   BIGINT NOT NULL,
    note TEXT   NOT NULL
);

CREATE TABLE ledger_table (
    name       TEXT NOT NULL PRIMARY KEY,
    key_column TEXT NOT NULL,
    shape      TEXT NOT NULL -- what leaves covered when its rows were last gone through
);

CREATE TABLE ledger_acceptance (
    id     TEXT   NOT NULL PRIMARY KEY,
    tbl    TEXT   NOT NULL,
    reason TEXT   NOT NULL,
    rows   BIGINT NOT NULL
);

CREATE TABLE ledger_verification (
    id       TEXT   NOT NULL PRIMARY KEY,
    started  BIGINT NOT NULL,
    ended    BIGINT NOT NULL,
    failed   TEXT   NOT NULL, -- why it could not be done; '' where it could
    report   TEXT   NOT NULL  -- JSON
);
