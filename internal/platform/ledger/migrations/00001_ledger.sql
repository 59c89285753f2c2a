-- +goose Up
CREATE TABLE ledger_leaf (
    idx     BIGINT NOT NULL PRIMARY KEY, -- from 0, without gaps
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    tbl     TEXT   NOT NULL,
    rec     TEXT   NOT NULL, -- the record's key
    shape   TEXT   NOT NULL, -- which columns the hash covers
    digest  TEXT   NOT NULL, -- of the row and the nonce; '' where the row was deleted
    nonce   BYTEA  NOT NULL  -- no part of the leaf: without it nobody can guess the row by its digest
);
CREATE INDEX ledger_leaf_record ON ledger_leaf (tbl, rec, idx);
CREATE INDEX ledger_leaf_actor ON ledger_leaf (actor, idx);

CREATE TABLE ledger_shape (
    id      TEXT NOT NULL PRIMARY KEY, -- derived from the columns
    columns TEXT NOT NULL
);

CREATE TABLE ledger_hash (
    id   BIGINT NOT NULL PRIMARY KEY, -- as tlog numbers the hashes of a tree that grows
    hash BYTEA  NOT NULL
);

CREATE TABLE ledger_head (
    id   BIGINT NOT NULL PRIMARY KEY, -- 1: there is one
    size BIGINT NOT NULL,
    note TEXT   NOT NULL
);

CREATE TABLE ledger_checkpoint (
    size BIGINT NOT NULL PRIMARY KEY,
    at   BIGINT NOT NULL,
    note TEXT   NOT NULL
);
