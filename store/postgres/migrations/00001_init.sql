-- The first schema: truth (conversations, stays, messages, runs, principals), the
-- log (events, event_keys, heads, trims, orgs, epochs) and credentials.
--
-- Epochs, of the log and of runs, are the 64 bits of an unsigned number. Ids are unique within their org. Times are kept to the microsecond. An offset in
-- an org's log is called pos, for OFFSET is a word of SQL. There are no foreign
-- keys: nothing is written but by the engine, in one transaction with what it
-- refers to, and each would cost a lock on the busiest row there is.

-- +goose Up

CREATE TABLE conversations (
    org            text        NOT NULL,
    id             uuid        NOT NULL,
    kind           text        NOT NULL,
    title          text        NOT NULL,
    description    text        NOT NULL,
    created_by     text        NOT NULL,
    status         text        NOT NULL,
    shared_history boolean     NOT NULL,
    pair_key       text, -- NULL: not found by a pair
    seq            bigint      NOT NULL,
    change_seq     bigint      NOT NULL,
    created_at     timestamptz NOT NULL,
    last_activity  timestamptz NOT NULL,
    PRIMARY KEY (org, id)
) WITH (fillfactor = 80); -- every message updates the row in place
CREATE UNIQUE INDEX conversations_pair ON conversations (org, pair_key) WHERE pair_key IS NOT NULL;

-- A row is one stay; to_change is 0 while it lasts. n keeps the order of stays that
-- began with the same event.
CREATE TABLE stays (
    n            bigint GENERATED ALWAYS AS IDENTITY,
    org          text        NOT NULL,
    conversation uuid        NOT NULL,
    principal    text        NOT NULL,
    kind         text        NOT NULL,
    name         text        NOT NULL,
    role         text        NOT NULL,
    auto_respond boolean     NOT NULL,
    joined_at    timestamptz NOT NULL,
    from_change  bigint      NOT NULL,
    to_change    bigint      NOT NULL,
    from_seq     bigint      NOT NULL,
    to_seq       bigint      NOT NULL,
    PRIMARY KEY (org, conversation, from_change, n)
);
CREATE UNIQUE INDEX stays_open ON stays (org, conversation, principal) WHERE to_change = 0;
CREATE INDEX stays_principal ON stays (org, principal, conversation) INCLUDE (to_change);

-- body is the message as JSON, in bytes, for a text column cannot hold U+0000.
-- client_key is the SHA-256 of client_msg_id, which may be longer than an index
-- entry; NULL where there is none.
CREATE TABLE messages (
    org          text   NOT NULL,
    conversation uuid   NOT NULL,
    seq          bigint NOT NULL,
    id           uuid   NOT NULL,
    sender       text   NOT NULL,
    client_key   bytea,
    body         bytea  NOT NULL,
    PRIMARY KEY (org, conversation, seq)
);
CREATE UNIQUE INDEX messages_client ON messages (org, conversation, sender, client_key) WHERE client_key IS NOT NULL;

CREATE TABLE runs (
    org          text        NOT NULL,
    id           uuid        NOT NULL,
    conversation uuid        NOT NULL,
    message      uuid        NOT NULL,
    agent        text        NOT NULL,
    name         text        NOT NULL,
    trigger_id   uuid, -- NULL: no message asked
    status       text        NOT NULL,
    owner        text        NOT NULL,
    epoch        bigint      NOT NULL,
    after_pos    bigint      NOT NULL,
    change_seq   bigint      NOT NULL,
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz, -- NULL while it runs
    PRIMARY KEY (org, id)
);
CREATE UNIQUE INDEX runs_trigger ON runs (org, trigger_id, agent) WHERE trigger_id IS NOT NULL;
CREATE INDEX runs_open ON runs (org, started_at) WHERE status = 'running';

CREATE TABLE principals (
    org   text NOT NULL,
    id    text NOT NULL,
    kind  text NOT NULL,
    name  text NOT NULL,
    email text NOT NULL,
    PRIMARY KEY (org, id)
);

-- What was published under an idempotency key; key_hash is the key's SHA-256.
CREATE TABLE published (
    org       text        NOT NULL,
    principal text        NOT NULL,
    key_hash  bytea       NOT NULL,
    event_id  uuid        NOT NULL,
    at        timestamptz NOT NULL,
    hash      bytea,
    PRIMARY KEY (org, principal, key_hash)
);

-- A writer draws a number while it holds the row of the event's conversation, so
-- that the draws of a conversation become visible in the order of change_seq. The
-- sequencer gives pos and epoch in that order; they are NULL until then.
CREATE TABLE events (
    draw         bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    org          text        NOT NULL,
    pos          bigint,
    epoch        bigint,
    conversation uuid, -- NULL: of none
    change_seq   bigint      NOT NULL,
    at           timestamptz NOT NULL,
    keys         text[]      NOT NULL,
    body         bytea       NOT NULL,
    PRIMARY KEY (draw)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX events_waiting ON events (draw) WHERE pos IS NULL;
CREATE UNIQUE INDEX events_pos ON events (org, pos) WHERE pos IS NOT NULL;
CREATE UNIQUE INDEX events_change ON events (org, conversation, change_seq) WHERE conversation IS NOT NULL;
CREATE INDEX events_at ON events (at) WHERE pos IS NOT NULL;

CREATE TABLE event_keys (
    org text   NOT NULL,
    key text   NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (org, key, pos)
);

-- The last offset that a key was given.
CREATE TABLE heads (
    org  text   NOT NULL,
    key  text   NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (org, key)
) WITH (fillfactor = 80);

-- The last offset of a key that is no longer kept; the key '' stands for the whole
-- log of the org. A table of its own, so that trimming never waits for telling.
CREATE TABLE trims (
    org  text   NOT NULL,
    key  text   NOT NULL,
    upto bigint NOT NULL,
    PRIMARY KEY (org, key)
);

-- The last Position of an org.
CREATE TABLE orgs (
    org   text   NOT NULL PRIMARY KEY,
    head  bigint NOT NULL,
    epoch bigint NOT NULL
) WITH (fillfactor = 50);

-- The first offset that an org was given in an epoch.
CREATE TABLE epochs (
    org   text   NOT NULL,
    first bigint NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (org, first)
);

-- The epoch in which offsets are given now: one row.
CREATE TABLE current_epoch (
    one   boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint  NOT NULL
);

CREATE TABLE checkpoints (
    worker text   NOT NULL,
    org    text   NOT NULL,
    pos    bigint NOT NULL,
    PRIMARY KEY (worker, org)
);

CREATE TABLE api_keys (
    id         uuid        NOT NULL PRIMARY KEY,
    org        text        NOT NULL,
    name       text        NOT NULL,
    principal  text        NOT NULL,
    scopes     text[]      NOT NULL,
    hash       bytea       NOT NULL UNIQUE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz -- NULL while valid
);
CREATE INDEX api_keys_org ON api_keys (org, created_at, id);

CREATE TABLE revocations (
    org        text        NOT NULL,
    credential text        NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (org, credential)
);
CREATE INDEX revocations_at ON revocations (at);

CREATE TABLE nodes (
    node       text        NOT NULL PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- +goose Down

DROP TABLE nodes, revocations, api_keys, checkpoints, current_epoch, epochs, orgs, trims, heads,
    event_keys, events, published, principals, runs, messages, stays, conversations;
