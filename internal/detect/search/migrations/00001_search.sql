-- +goose Up
CREATE TABLE search_saved (
	id         TEXT PRIMARY KEY,
	name       TEXT   NOT NULL UNIQUE,
	query      TEXT   NOT NULL, -- LogsQL
	span       TEXT   NOT NULL, -- the time range as an address has it: since=24h, or start and end
	created_by TEXT   NOT NULL,
	created    BIGINT NOT NULL
);
