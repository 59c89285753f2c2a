-- +goose Up

-- Requests that were carried out, for a day. id is made of the person and their key; answer is sealed, '' while it is not known.
CREATE TABLE api_once (
    id      TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    request TEXT   NOT NULL,
    answer  TEXT   NOT NULL
);
CREATE INDEX api_once_at ON api_once (at);
