-- +goose Up

-- Times are UTC microseconds, 0 for never. Texts are '' where there is nothing.

-- What happened. args, audience: JSON. step is how many steps of the chain have been told; -1 when somebody has read it.
CREATE TABLE notify_notice (
    id       TEXT   NOT NULL PRIMARY KEY,
    topic    TEXT   NOT NULL,
    ref_kind TEXT   NOT NULL,
    ref_id   TEXT   NOT NULL,
    path     TEXT   NOT NULL,
    args     TEXT   NOT NULL,
    severity BIGINT NOT NULL,
    unit     TEXT   NOT NULL,
    audience TEXT   NOT NULL,
    count    BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    step     BIGINT NOT NULL
);
CREATE INDEX notify_notice_same ON notify_notice (topic, ref_kind, ref_id, path, at);
CREATE INDEX notify_notice_at ON notify_notice (at, id);

-- Keys of notices that were sent: none is sent twice.
CREATE TABLE notify_key (
    key TEXT   NOT NULL PRIMARY KEY,
    at  BIGINT NOT NULL
);
CREATE INDEX notify_key_at ON notify_key (at);

-- A notice in a person's list. told is the count they were last told of; shown is 0 where they want none in the program,
-- hidden 1 where they may no longer know; unread is 1 for shown, not hidden and not read.
CREATE TABLE notify_item (
    id      TEXT   NOT NULL PRIMARY KEY,
    notice  TEXT   NOT NULL REFERENCES notify_notice (id),
    person  TEXT   NOT NULL,
    why     TEXT   NOT NULL, -- audience, rule, chain
    at      BIGINT NOT NULL,
    told    BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    shown   BIGINT NOT NULL,
    hidden  BIGINT NOT NULL,
    unread  BIGINT NOT NULL,
    UNIQUE (notice, person)
);
CREATE INDEX notify_item_list ON notify_item (person, at, id);
CREATE INDEX notify_item_unread ON notify_item (person, unread);
CREATE INDEX notify_item_read ON notify_item (read_at);

-- What goes out: a mail to a person, a message to a target. state: waiting, sent, failed, dropped. held says why it waits for a
-- digest: '', digest, quiet, cap. batch is the mail or message it went out with.
CREATE TABLE notify_delivery (
    id       TEXT   NOT NULL PRIMARY KEY,
    notice   TEXT   NOT NULL REFERENCES notify_notice (id),
    channel  TEXT   NOT NULL, -- mail, target
    target   TEXT   NOT NULL, -- a person, a target
    state    TEXT   NOT NULL,
    held     TEXT   NOT NULL,
    due_at   BIGINT NOT NULL,
    told     BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    batch    TEXT   NOT NULL,
    answer   TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    done_at  BIGINT NOT NULL,
    UNIQUE (notice, channel, target)
);
CREATE INDEX notify_delivery_due ON notify_delivery (channel, target, state, due_at);
CREATE INDEX notify_delivery_state ON notify_delivery (state, done_at, id);
CREATE INDEX notify_delivery_done ON notify_delivery (channel, target, done_at);

CREATE TABLE notify_preference (
    person  TEXT NOT NULL,
    topic   TEXT NOT NULL,
    channel TEXT NOT NULL,
    mode    TEXT NOT NULL,
    PRIMARY KEY (person, topic, channel)
);

-- Minutes since midnight on the person's wall; weekday -1 is every day.
CREATE TABLE notify_person (
    person     TEXT   NOT NULL PRIMARY KEY,
    hour       BIGINT NOT NULL,
    weekday    BIGINT NOT NULL,
    quiet      BIGINT NOT NULL,
    quiet_from BIGINT NOT NULL,
    quiet_to   BIGINT NOT NULL
);

-- sealed: address and secrets, JSON.
CREATE TABLE notify_target (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL, -- slack, teams, webhook
    name         TEXT   NOT NULL,
    host         TEXT   NOT NULL, -- of the address, to tell targets apart
    lang         TEXT   NOT NULL,
    zone         TEXT   NOT NULL,
    enabled      BIGINT NOT NULL,
    sealed       TEXT   NOT NULL,
    changed_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    lease        BIGINT NOT NULL,
    paused_until BIGINT NOT NULL,
    failures     BIGINT NOT NULL,
    last_ok      BIGINT NOT NULL,
    last_failed  BIGINT NOT NULL,
    answer       TEXT   NOT NULL
);

CREATE TABLE notify_rule (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    enabled    BIGINT NOT NULL,
    conditions TEXT   NOT NULL, -- JSON
    send_to    TEXT   NOT NULL, -- JSON
    changed_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);

CREATE TABLE notify_chain (
    topic      TEXT   NOT NULL PRIMARY KEY,
    steps      TEXT   NOT NULL, -- JSON
    changed_at BIGINT NOT NULL,
    version    BIGINT NOT NULL
);
