-- +goose Up
CREATE TABLE access_role (
    name        TEXT   NOT NULL PRIMARY KEY,
    title       TEXT   NOT NULL,
    permissions TEXT   NOT NULL, -- separated by spaces, sorted
    mfa         BIGINT NOT NULL,
    changed     BIGINT NOT NULL,
    version     BIGINT NOT NULL
);
