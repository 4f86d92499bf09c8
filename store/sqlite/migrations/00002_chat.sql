-- The chat surface: what is done to messages and conversations.
--
-- messages get a number that stays (the search index knows them by it), the place
-- they were forwarded from and the number of their last change; of what was stored
-- before only a lower bound of that is known, its seq. conversations are kept in
-- the order of their key: a list of somebody's conversations costs one look-up for
-- each, a message one less.

-- +goose Up

CREATE TABLE conversations_new (
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
) STRICT, WITHOUT ROWID;
INSERT INTO conversations_new SELECT * FROM conversations ORDER BY org, id;
DROP TABLE conversations;
ALTER TABLE conversations_new RENAME TO conversations;
CREATE UNIQUE INDEX conversations_pair ON conversations (org, pair_key) WHERE pair_key <> '';

CREATE TABLE messages_new (
    n                   INTEGER PRIMARY KEY,
    org                 TEXT    NOT NULL,
    conversation        BLOB    NOT NULL,
    seq                 INTEGER NOT NULL,
    id                  BLOB    NOT NULL,
    sender              TEXT    NOT NULL,
    sender_kind         TEXT    NOT NULL,
    sender_name         TEXT    NOT NULL,
    content             TEXT    NOT NULL,
    content_type        TEXT    NOT NULL,
    content_meta        TEXT    NOT NULL,
    reply_to            BLOB,
    thread_id           BLOB,
    thread_role         TEXT    NOT NULL,
    task_id             TEXT    NOT NULL,
    client_msg_id       TEXT    NOT NULL,
    created_at          INTEGER NOT NULL,
    edited_at           INTEGER NOT NULL,
    edit_count          INTEGER NOT NULL,
    internal            INTEGER NOT NULL,
    forwarded           INTEGER NOT NULL,
    deleted             INTEGER NOT NULL,
    run_id              BLOB,
    run_status          TEXT    NOT NULL,
    run_after           INTEGER NOT NULL,
    origin              TEXT    NOT NULL,
    change_seq          INTEGER NOT NULL,
    source_conversation BLOB,
    source_message      BLOB,
    source_sender       TEXT    NOT NULL,
    source_sender_name  TEXT    NOT NULL
) STRICT;
INSERT INTO messages_new SELECT rowid, org, conversation, seq, id, sender, sender_kind, sender_name, content,
    content_type, content_meta, reply_to, thread_id, thread_role, task_id, client_msg_id, created_at, edited_at,
    edit_count, internal, forwarded, deleted, run_id, run_status, run_after, origin, seq, NULL, NULL, '', ''
    FROM messages ORDER BY rowid;
DROP TABLE messages;
ALTER TABLE messages_new RENAME TO messages;
CREATE UNIQUE INDEX messages_seq ON messages (org, conversation, seq);
CREATE UNIQUE INDEX messages_client ON messages (org, conversation, sender, client_msg_id) WHERE client_msg_id <> '';
CREATE UNIQUE INDEX messages_id ON messages (org, id);
-- What unread counts leave out is counted from these two alone.
CREATE INDEX messages_sender ON messages (org, conversation, sender, seq);
CREATE INDEX messages_silent ON messages (org, conversation, seq, sender, deleted, internal) WHERE deleted + internal > 0;

-- Whose list has which conversations: this index alone, in the order of theirs.
CREATE INDEX memberships_list ON memberships (org, principal, conversation) WHERE to_change = 0;

CREATE TABLE edits (
    org          TEXT    NOT NULL,
    conversation BLOB    NOT NULL,
    message      BLOB    NOT NULL,
    number       INTEGER NOT NULL,
    content      TEXT    NOT NULL,
    content_meta TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    change_seq   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX edits_message ON edits (org, conversation, message, number);

-- n is the order in which reactions were made.
CREATE TABLE reactions (
    n            INTEGER PRIMARY KEY,
    org          TEXT    NOT NULL,
    conversation BLOB    NOT NULL,
    message      BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    principal    TEXT    NOT NULL,
    emoji        TEXT    NOT NULL,
    at           INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX reactions_message ON reactions (org, conversation, message, emoji, principal);
CREATE INDEX reactions_seq ON reactions (org, conversation, seq, n);

CREATE TABLE member_states (
    org           TEXT    NOT NULL,
    conversation  BLOB    NOT NULL,
    principal     TEXT    NOT NULL,
    read_seq      INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    muted_until   INTEGER NOT NULL,
    archived_at   INTEGER NOT NULL,
    hidden_at     INTEGER NOT NULL,
    hidden_seq    INTEGER NOT NULL,
    PRIMARY KEY (org, conversation, principal)
) STRICT, WITHOUT ROWID;
-- The conversations that may not be on somebody's list.
CREATE INDEX member_states_hidden ON member_states (org, principal, conversation, hidden_seq) WHERE hidden_at <> 0;

-- Messages that somebody deleted for oneself.
CREATE TABLE hidden (
    org          TEXT    NOT NULL,
    conversation BLOB    NOT NULL,
    principal    TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    PRIMARY KEY (org, conversation, principal, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocks (
    org     TEXT    NOT NULL,
    owner   TEXT    NOT NULL,
    blocked TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (org, owner, blocked)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    org          TEXT    NOT NULL,
    id           BLOB    NOT NULL,
    conversation BLOB    NOT NULL,
    agent        TEXT    NOT NULL,
    parent       BLOB,
    title        TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    step         TEXT    NOT NULL,
    narrative    TEXT    NOT NULL,
    result       BLOB,
    error        TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    PRIMARY KEY (org, id)
) STRICT;
CREATE INDEX tasks_conversation ON tasks (org, conversation, created_at, id);

