-- +goose Up

-- When the latest event of each log source that rules ask for was; 0 for none that is known of.
CREATE TABLE coverage_source (
    product   TEXT   NOT NULL,
    category  TEXT   NOT NULL,
    service   TEXT   NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (product, category, service)
);

-- Until when events were looked at. There is one row.
CREATE TABLE coverage_look (
    id      BIGINT NOT NULL PRIMARY KEY,
    through BIGINT NOT NULL
);
