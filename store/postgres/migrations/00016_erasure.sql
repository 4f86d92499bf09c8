-- Erasing users: the jobs, and by what is found what somebody left behind.

-- +goose Up

-- data is the job as JSON; ended_at is NULL while it is under way.
CREATE TABLE erasures (
    org          text        NOT NULL,
    id           uuid        NOT NULL,
    principal    text        NOT NULL,
    requested_at timestamptz NOT NULL,
    ended_at     timestamptz,
    data         bytea       NOT NULL,
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX erasures_open ON erasures (org, principal) WHERE ended_at IS NULL;
CREATE INDEX erasures_oldest ON erasures (requested_at) WHERE ended_at IS NULL;

-- Who first said what was forwarded; NULL for what was said here. json, unlike jsonb,
-- lets a body have an escaped U+0000.
ALTER TABLE messages ADD COLUMN source_sender text;
UPDATE messages SET source_sender = convert_from(body, 'UTF8')::json -> 'source' ->> 'sender'
    WHERE position('"source":{'::bytea IN body) > 0;
CREATE INDEX messages_source ON messages (org, source_sender) WHERE source_sender IS NOT NULL;
CREATE INDEX reactions_principal ON reactions (org, conversation, principal);

-- +goose Down
DROP INDEX reactions_principal;
DROP INDEX messages_source;
ALTER TABLE messages DROP COLUMN source_sender;
DROP TABLE erasures;
