-- +goose Up
CREATE TABLE source_token (
	id         TEXT PRIMARY KEY,
	name       TEXT   NOT NULL,
	hash       TEXT   NOT NULL UNIQUE, -- SHA-256 of the token, in hexadecimal
	hint       TEXT   NOT NULL,        -- its last four characters, for people to tell tokens apart
	created_by TEXT   NOT NULL,
	created    BIGINT NOT NULL,
	last_used  BIGINT NOT NULL,        -- 0: never
	revoked    BIGINT NOT NULL         -- 0: valid
);

CREATE TABLE source_stat (
	source  TEXT   NOT NULL,
	input   TEXT   NOT NULL,
	updated BIGINT NOT NULL,
	state   TEXT   NOT NULL, -- JSON: the counters as stats.go keeps them
	PRIMARY KEY (source, input)
);
