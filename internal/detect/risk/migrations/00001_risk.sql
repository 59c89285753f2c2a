-- +goose Up

-- How much the alerts about a user or a host add up to. score is in thousandths of a point, as it was at the time at; fades is when it will have
-- decayed to one point, by which lists are ordered at any time. tactics are those of the story, which began at began; alert_id is the alert that
-- tells it, opened for the story that began at told.
CREATE TABLE risk_entity (
    kind      TEXT   NOT NULL,
    entity    TEXT   NOT NULL, -- the name by which it is known, in lower case
    name      TEXT   NOT NULL, -- as the latest alert has it
    score     BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    fades     BIGINT NOT NULL,
    began     BIGINT NOT NULL,
    tactics   TEXT   NOT NULL,
    alert_id  TEXT   NOT NULL,
    told      BIGINT NOT NULL,
    half_life BIGINT NOT NULL, -- that fades was reckoned with
    PRIMARY KEY (kind, entity)
);
CREATE INDEX risk_entity_fades ON risk_entity (fades, kind, entity);
CREATE INDEX risk_entity_kind ON risk_entity (kind, fades, entity);

-- What each alert adds. counts is 0 for an alert that turned out to be nothing.
CREATE TABLE risk_point (
    kind     TEXT   NOT NULL,
    entity   TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    alert_id TEXT   NOT NULL,
    points   BIGINT NOT NULL, -- thousandths
    counts   BIGINT NOT NULL,
    PRIMARY KEY (kind, entity, at, alert_id)
);
CREATE INDEX risk_point_alert ON risk_point (alert_id);
CREATE INDEX risk_point_at ON risk_point (at);
