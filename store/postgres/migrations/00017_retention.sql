-- How long messages are kept, and how far they have expired.

-- +goose Up

-- conversation is the zero uuid for what holds in an org. days is NULL where nothing is
-- said, 0 is for ever. All messages up to seq are tombstones, and no other one is from
-- before oldest_at.
CREATE TABLE retentions (
    org          text   NOT NULL,
    conversation uuid   NOT NULL,
    days         integer,
    seq          bigint NOT NULL,
    oldest_at    timestamptz,
    PRIMARY KEY (org, conversation)
);
CREATE INDEX retentions_days ON retentions (org) WHERE days > 0;

-- +goose Down
DROP TABLE retentions;
