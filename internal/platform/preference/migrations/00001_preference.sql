-- +goose Up

-- How people want their pages; '' is the program's own choice. Language and zone stand with the person (auth_person), whose
-- letters need them, too.
CREATE TABLE preference (
    person  TEXT NOT NULL PRIMARY KEY,
    theme   TEXT NOT NULL,
    density TEXT NOT NULL,
    start   TEXT NOT NULL,
    dates   TEXT NOT NULL,
    rail    TEXT NOT NULL
);
