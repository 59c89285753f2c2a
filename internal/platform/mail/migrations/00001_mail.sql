-- +goose Up

-- Mails that wait to be sent, and those that could not be. Times are UTC microseconds. sealed is the message, sealed for
-- 'mail_outbox.sealed/<id>'. A node that sends a mail writes its claim and moves due_at to the end of its lease: a mail
-- whose node died is due again then. failed_at is 0 while it waits.
CREATE TABLE mail_outbox (
    id         TEXT   NOT NULL PRIMARY KEY,
    recipient  TEXT   NOT NULL,
    sealed     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    until_at   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    claim      TEXT   NOT NULL,
    failed_at  BIGINT NOT NULL,
    error      TEXT   NOT NULL
);
CREATE INDEX mail_outbox_due ON mail_outbox (failed_at, due_at, id);
