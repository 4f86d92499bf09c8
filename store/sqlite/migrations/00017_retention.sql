-- How long messages are kept, and how far they have expired.

-- +goose Up

-- conversation is 16 zero bytes for what holds in an org. days is NULL where nothing is
-- said, 0 is for ever. All messages up to seq are tombstones, and no other one is from
-- before oldest_at.
CREATE TABLE retentions (
    org          TEXT    NOT NULL,
    conversation BLOB    NOT NULL,
    days         INTEGER,
    seq          INTEGER NOT NULL,
    oldest_at    INTEGER NOT NULL,
    PRIMARY KEY (org, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX retentions_days ON retentions (org) WHERE days > 0;

-- +goose Down
DROP TABLE retentions;
