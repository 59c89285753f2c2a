-- +goose Up

-- What a directory said of a person beside what the person's own record holds. data is its attributes as JSON. disabled: it was the
-- directory that shut the person out. gone: the directory deleted the person, who is out of its sight until it brings them back.
CREATE TABLE scim_user (
    person     TEXT   NOT NULL PRIMARY KEY REFERENCES auth_person (id),
    data       TEXT   NOT NULL,
    disabled   BIGINT NOT NULL,
    gone       BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);

-- The directory's groups. fold_name is the name as it is compared.
CREATE TABLE scim_group (
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    fold_name   TEXT   NOT NULL UNIQUE,
    external_id TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    changed_at  BIGINT NOT NULL,
    version     BIGINT NOT NULL
);

CREATE TABLE scim_member (
    id       TEXT NOT NULL PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES scim_group (id),
    person   TEXT NOT NULL REFERENCES auth_person (id),
    UNIQUE (group_id, person)
);
CREATE INDEX scim_member_person ON scim_member (person, group_id);
