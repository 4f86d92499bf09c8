-- The first schema: truth (conversations, members, messages, runs, principals),
-- the log (events, event_keys, heads, logs, epochs) and credentials.
--
-- Ids are 16 bytes, times are microseconds since 1970 UTC with 0 for "none", and
-- counters are the bits of an unsigned number. Wide rows live in rowid tables, so
-- that inserts append; narrow ones that are only found by key have none.

-- +goose Up

CREATE TABLE conversations (
    org            TEXT    NOT NULL,
    id             BLOB    NOT NULL,
    kind           TEXT    NOT NULL,
    title          TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    created_by     TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    shared_history INTEGER NOT NULL,
    pair_key       TEXT    NOT NULL,
    seq            INTEGER NOT NULL,
    change_seq     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    last_activity  INTEGER NOT NULL,
    PRIMARY KEY (org, id)
) STRICT;
CREATE UNIQUE INDEX conversations_pair ON conversations (org, pair_key) WHERE pair_key <> '';

-- A row is a stay; to_change is 0 while it lasts. log_key is the conversation's
-- key in the log, so that a replay joins stays with heads.
CREATE TABLE memberships (
    stay         INTEGER PRIMARY KEY,
    org          TEXT    NOT NULL,
    conversation BLOB    NOT NULL,
    principal    TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    auto_respond INTEGER NOT NULL,
    joined_at    INTEGER NOT NULL,
    from_change  INTEGER NOT NULL,
    to_change    INTEGER NOT NULL,
    from_seq     INTEGER NOT NULL,
    to_seq       INTEGER NOT NULL,
    log_key      TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX memberships_open ON memberships (org, conversation, principal) WHERE to_change = 0;
CREATE INDEX memberships_conversation ON memberships (org, conversation, from_change);
CREATE INDEX memberships_principal ON memberships (org, principal, to_change, log_key);

CREATE TABLE messages (
    org           TEXT    NOT NULL,
    conversation  BLOB    NOT NULL,
    seq           INTEGER NOT NULL,
    id            BLOB    NOT NULL,
    sender        TEXT    NOT NULL,
    sender_kind   TEXT    NOT NULL,
    sender_name   TEXT    NOT NULL,
    content       TEXT    NOT NULL,
    content_type  TEXT    NOT NULL,
    content_meta  TEXT    NOT NULL,
    reply_to      BLOB,
    thread_id     BLOB,
    thread_role   TEXT    NOT NULL,
    task_id       TEXT    NOT NULL,
    client_msg_id TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    edited_at     INTEGER NOT NULL,
    edit_count    INTEGER NOT NULL,
    internal      INTEGER NOT NULL,
    forwarded     INTEGER NOT NULL,
    deleted       INTEGER NOT NULL,
    run_id        BLOB,
    run_status    TEXT    NOT NULL,
    run_after     INTEGER NOT NULL,
    origin        TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_seq ON messages (org, conversation, seq);
CREATE UNIQUE INDEX messages_client ON messages (org, conversation, sender, client_msg_id) WHERE client_msg_id <> '';

-- An org's log. number stands for the org in places, so that the events of all
-- logs lie in one tree by number; last is the last offset that was given,
-- trimmed_to the last that is no longer kept.
CREATE TABLE logs (
    org        TEXT    NOT NULL PRIMARY KEY,
    number     INTEGER NOT NULL UNIQUE,
    last       INTEGER NOT NULL,
    trimmed_to INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- place is number << 40 | offset; epoch is the opening that gave the offset. What
-- else an event says is in its data alone.
CREATE TABLE events (
    place        INTEGER PRIMARY KEY,
    epoch        INTEGER NOT NULL,
    time         INTEGER NOT NULL,
    conversation BLOB,
    change_seq   INTEGER NOT NULL,
    data         BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_change ON events (place >> 40, conversation, change_seq) WHERE conversation IS NOT NULL;

-- A key of a log, and where its last event is; key stands for it in event_keys.
CREATE TABLE heads (
    key        INTEGER PRIMARY KEY,
    org        TEXT    NOT NULL,
    log_key    TEXT    NOT NULL,
    last       INTEGER NOT NULL,
    trimmed_to INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX heads_key ON heads (org, log_key);

CREATE TABLE event_keys (
    key INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (key, pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE epochs (
    org       TEXT    NOT NULL,
    first_pos INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    PRIMARY KEY (org, first_pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    worker TEXT    NOT NULL,
    org    TEXT    NOT NULL,
    pos    INTEGER NOT NULL,
    PRIMARY KEY (worker, org)
) STRICT, WITHOUT ROWID;

CREATE TABLE published (
    org       TEXT    NOT NULL,
    principal TEXT    NOT NULL,
    idem_key  TEXT    NOT NULL,
    event_id  BLOB    NOT NULL,
    at        INTEGER NOT NULL,
    hash      BLOB    NOT NULL,
    PRIMARY KEY (org, principal, idem_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE principals (
    org   TEXT NOT NULL,
    id    TEXT NOT NULL,
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    email TEXT NOT NULL,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    org          TEXT    NOT NULL,
    id           BLOB    NOT NULL,
    conversation BLOB    NOT NULL,
    message      BLOB    NOT NULL,
    agent        TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    trigger_id   BLOB,
    status       TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    epoch        INTEGER NOT NULL,
    after_pos    INTEGER NOT NULL,
    change_seq   INTEGER NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    PRIMARY KEY (org, id)
) STRICT;
CREATE UNIQUE INDEX runs_trigger ON runs (org, trigger_id, agent) WHERE trigger_id IS NOT NULL;
CREATE INDEX runs_open ON runs (org, started_at) WHERE status = 'running';

CREATE TABLE api_keys (
    id         BLOB    NOT NULL PRIMARY KEY,
    org        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
) STRICT;
CREATE INDEX api_keys_org ON api_keys (org, created_at);

CREATE TABLE revocations (
    org        TEXT    NOT NULL,
    credential TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (org, credential)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_at ON revocations (at);

CREATE TABLE nodes (
    node       TEXT    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE nodes;
DROP TABLE revocations;
DROP TABLE api_keys;
DROP TABLE runs;
DROP TABLE principals;
DROP TABLE published;
DROP TABLE checkpoints;
DROP TABLE epochs;
DROP TABLE logs;
DROP TABLE heads;
DROP TABLE event_keys;
DROP TABLE events;
DROP TABLE messages;
DROP TABLE memberships;
DROP TABLE conversations;
