-- +goose Up

CREATE TABLE rulesource_source (
    id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, unit TEXT NOT NULL, due BIGINT NOT NULL,
    tags TEXT NOT NULL, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, updated_at BIGINT NOT NULL, updated_by TEXT NOT NULL,
    version BIGINT NOT NULL, deleted_at BIGINT NOT NULL, deleted_by TEXT NOT NULL, deleted_why TEXT NOT NULL,
    method   TEXT NOT NULL,
    address  TEXT NOT NULL,
    branch   TEXT NOT NULL,
    folders  TEXT NOT NULL,
    trust    TEXT NOT NULL,
    starts   TEXT NOT NULL, -- the state that new rules of it begin in
    every    TEXT NOT NULL,
    licence  TEXT NOT NULL,
    notes    TEXT NOT NULL,
    outcome  TEXT NOT NULL, -- of the last look
    checked  BIGINT NOT NULL,
    renewed  BIGINT NOT NULL, -- when what is in force came into force
    rules    BIGINT NOT NULL
);
CREATE INDEX rulesource_source_title ON rulesource_source (title, id, deleted_at);
CREATE INDEX rulesource_source_state ON rulesource_source (state, due, id, deleted_at);
CREATE INDEX rulesource_source_updated ON rulesource_source (updated_at, id, deleted_at);
CREATE INDEX rulesource_source_created ON rulesource_source (created_at, id, deleted_at);
CREATE INDEX rulesource_source_due ON rulesource_source (due, id, deleted_at);
CREATE INDEX rulesource_source_checked ON rulesource_source (checked, id, deleted_at);
CREATE INDEX rulesource_source_renewed ON rulesource_source (renewed, id, deleted_at);

-- What the machine knows of a source besides: the pack in force and what came last.
CREATE TABLE rulesource_fetch (
    id       TEXT NOT NULL PRIMARY KEY, -- the source's
    pack     TEXT NOT NULL,             -- SHA-256 of the pack in force, in the store of files; '' for none yet
    revision TEXT NOT NULL,             -- what the last fetch brought: a commit, an ETag, a digest
    problem  TEXT NOT NULL,             -- why the last look failed, as JSON; '' where it did not
    failures BIGINT NOT NULL            -- in a row
);

CREATE TABLE rulesource_update (
    id         TEXT NOT NULL PRIMARY KEY,
    source_id  TEXT NOT NULL,
    found_at   BIGINT NOT NULL,
    state      TEXT NOT NULL, -- waiting, taken, declined, overtaken
    revision   TEXT NOT NULL,
    pack       TEXT NOT NULL,
    before     TEXT NOT NULL, -- the pack that was in force when it was found
    rules      BIGINT NOT NULL,
    refused    BIGINT NOT NULL, -- documents in it that cannot be used
    added      BIGINT NOT NULL,
    changed    BIGINT NOT NULL,
    removed    BIGINT NOT NULL,
    held       TEXT NOT NULL, -- why it waits although the source is trusted: shrunk; '' for no reason
    decided_at BIGINT NOT NULL,
    decided_by TEXT NOT NULL,
    why        TEXT NOT NULL
);
CREATE INDEX rulesource_update_source ON rulesource_update (source_id, found_at);
CREATE INDEX rulesource_update_pack ON rulesource_update (pack);

CREATE TABLE rulesource_token (
    id     TEXT NOT NULL PRIMARY KEY, -- the source's
    sealed TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL
);
