-- Erasing users: the jobs, and by what is found what somebody left behind.

-- +goose Up

-- data is the job as JSON; ended_at is 0 while it is under way.
CREATE TABLE erasures (
    org          TEXT    NOT NULL,
    id           BLOB    NOT NULL,
    principal    TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    data         TEXT    NOT NULL,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX erasures_open ON erasures (org, principal) WHERE ended_at = 0;
CREATE INDEX erasures_oldest ON erasures (requested_at) WHERE ended_at = 0;

-- What takes the place of what is deleted, for a moment.
CREATE TABLE zeros (
    n    INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

CREATE INDEX memberships_ever ON memberships (org, principal, conversation);
CREATE INDEX messages_source ON messages (org, source_sender) WHERE source_sender <> '';
CREATE INDEX reactions_principal ON reactions (org, conversation, principal);

-- +goose Down
DROP INDEX reactions_principal;
DROP INDEX messages_source;
DROP INDEX memberships_ever;
DROP TABLE zeros;
DROP TABLE erasures;
