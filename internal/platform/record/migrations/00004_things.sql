-- +goose Up

-- What hangs on records of every kind. Ids are UUIDv7: they sort by the time of making.

-- Comments. mentions is a JSON array of {"word", "person"}: which "@word" of the text meant whom. A deleted one keeps its row without its text,
-- which the history has.
CREATE TABLE record_comment (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    record_id  TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    author     TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    mentions   TEXT   NOT NULL,
    edited_at  BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    deleted_by TEXT   NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX record_comment_record ON record_comment (kind, record_id, id);

-- Files. holder has the original in hand; offered is who is to take it over and has not yet confirmed. damaged is the SHA-256 that the last
-- check found instead of the file's.
CREATE TABLE record_attachment (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    record_id  TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    author     TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    size       BIGINT NOT NULL,
    sha256     TEXT   NOT NULL,
    media      TEXT   NOT NULL,
    note       TEXT   NOT NULL,
    place      TEXT   NOT NULL,
    holder     TEXT   NOT NULL,
    offered    TEXT   NOT NULL,
    checked_at BIGINT NOT NULL,
    damaged    TEXT   NOT NULL,
    removed_at BIGINT NOT NULL,
    removed_by TEXT   NOT NULL,
    removed_why TEXT  NOT NULL,
    erased_at  BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX record_attachment_record ON record_attachment (kind, record_id, id);
CREATE INDEX record_attachment_sha256 ON record_attachment (sha256);
CREATE INDEX record_attachment_removed ON record_attachment (removed_at, id);

-- The chain of custody: rows are added and never changed. from_text and to_text are people's ids for handing over, places for a change of
-- place, and hashes for a check.
CREATE TABLE record_custody (
    id            TEXT   NOT NULL PRIMARY KEY,
    attachment_id TEXT   NOT NULL,
    at            BIGINT NOT NULL,
    actor         TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    from_text     TEXT   NOT NULL,
    to_text       TEXT   NOT NULL,
    note          TEXT   NOT NULL
);
CREATE INDEX record_custody_attachment ON record_custody (attachment_id, id);

-- Typed links between two records, read from the first to the second. Of a type that is the same in both directions the lesser stands first.
CREATE TABLE record_link (
    id        TEXT   NOT NULL PRIMARY KEY,
    type      TEXT   NOT NULL,
    from_kind TEXT   NOT NULL,
    from_id   TEXT   NOT NULL,
    to_kind   TEXT   NOT NULL,
    to_id     TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    author    TEXT   NOT NULL
);
CREATE UNIQUE INDEX record_link_from ON record_link (from_kind, from_id, type, to_kind, to_id);
CREATE INDEX record_link_to ON record_link (to_kind, to_id, type);

-- Tasks, of a record or of none (kind and record_id empty). remind are minutes before the due time, with a space between; say_at is when the
-- machine has something to say of it next, 0 for never. rule is the recurrence in JSON, "" for once.
CREATE TABLE record_task (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    record_id  TEXT   NOT NULL,
    title      TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    due        BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    why        TEXT   NOT NULL,
    position   BIGINT NOT NULL,
    rule       TEXT   NOT NULL,
    remind     TEXT   NOT NULL,
    say_at     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    ended_at   BIGINT NOT NULL,
    ended_by   TEXT   NOT NULL,
    version    BIGINT NOT NULL
);
CREATE INDEX record_task_record ON record_task (kind, record_id, position, id);
CREATE INDEX record_task_owner ON record_task (owner, state, due, id);
CREATE INDEX record_task_author ON record_task (created_by, state, due, id);
CREATE INDEX record_task_say ON record_task (say_at, id);

-- Which task waits for which.
CREATE TABLE record_task_after (
    id      TEXT NOT NULL PRIMARY KEY,
    task_id TEXT NOT NULL,
    after_id TEXT NOT NULL
);
CREATE UNIQUE INDEX record_task_after_task ON record_task_after (task_id, after_id);
CREATE INDEX record_task_after_after ON record_task_after (after_id);

-- Approvals of a record in one version.
CREATE TABLE record_approval (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL,
    record_id TEXT   NOT NULL,
    of        BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    author    TEXT   NOT NULL,
    note      TEXT   NOT NULL,
    in_order  BIGINT NOT NULL,
    state     TEXT   NOT NULL,
    ended_at  BIGINT NOT NULL,
    version   BIGINT NOT NULL
);
CREATE INDEX record_approval_record ON record_approval (kind, record_id, id);

CREATE TABLE record_approval_step (
    id          TEXT   NOT NULL PRIMARY KEY,
    approval_id TEXT   NOT NULL,
    position    BIGINT NOT NULL,
    person      TEXT   NOT NULL,
    due         BIGINT NOT NULL,
    note        TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    decided_at  BIGINT NOT NULL,
    answer      TEXT   NOT NULL,
    version     BIGINT NOT NULL
);
CREATE INDEX record_approval_step_approval ON record_approval_step (approval_id, position);
CREATE INDEX record_approval_step_person ON record_approval_step (person, state, id);
