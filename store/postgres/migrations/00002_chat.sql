-- The chat surface: what is done to messages and conversations.
--
-- Texts that may hold U+0000 are kept as bytes. What is listed in the byte order of
-- its ids has the collation "C"; a column with it is compared with arguments only,
-- so that the indexes of other tables, which have the database's, stay of use.
--
-- The planner knows what conversations have on average and takes the cheaper of two
-- indexes by it; where that would be the wrong one for a conversation of a million
-- messages, an index is made so that no other will do.

-- +goose Up

-- Of what was stored before only a lower bound of the last change's number is known.
-- Nothing was deleted yet; an unescaped quote in a body ends a string, so the text
-- looked for is a field.
ALTER TABLE messages
    ADD COLUMN change_seq bigint,
    ADD COLUMN deleted    boolean NOT NULL DEFAULT false,
    ADD COLUMN internal   boolean NOT NULL DEFAULT false;
DROP INDEX messages_client;
UPDATE messages SET change_seq = seq, internal = position('"internal":true'::bytea IN body) > 0,
    client_key = sha256(sha256(convert_to(org, 'UTF8')) || uuid_send(conversation) || sha256(convert_to(sender, 'UTF8')) || client_key);
ALTER TABLE messages
    ALTER COLUMN change_seq SET NOT NULL,
    ALTER COLUMN deleted DROP DEFAULT,
    ALTER COLUMN internal DROP DEFAULT;
CREATE UNIQUE INDEX messages_id ON messages (org, id);
-- client_key is the SHA-256 of all that a client_msg_id is unique within, and of it;
-- NULL where there is none.
CREATE UNIQUE INDEX messages_client ON messages (client_key) WHERE client_key IS NOT NULL;
-- What unread counts leave out is counted from these two alone.
CREATE INDEX messages_sender ON messages (conversation, sender, seq) INCLUDE (org);
CREATE INDEX messages_silent ON messages (org, conversation, seq) INCLUDE (sender, deleted, internal)
    WHERE deleted OR internal;

-- One principal's stays in a conversation, ended ones too.
CREATE INDEX stays_of ON stays (org, conversation, principal, from_change, n);

CREATE TABLE edits (
    org          text        NOT NULL,
    conversation uuid        NOT NULL,
    message      uuid        NOT NULL,
    number       bigint      NOT NULL,
    content      bytea       NOT NULL,
    content_meta bytea       NOT NULL,
    at           timestamptz NOT NULL,
    change_seq   bigint      NOT NULL,
    PRIMARY KEY (org, conversation, message, number)
);

-- n is the order in which reactions were made.
CREATE TABLE reactions (
    n            bigint GENERATED ALWAYS AS IDENTITY (CACHE 1),
    org          text             NOT NULL,
    conversation uuid             NOT NULL,
    message      uuid             NOT NULL,
    seq          bigint           NOT NULL,
    principal    text             NOT NULL,
    emoji        text COLLATE "C" NOT NULL,
    at           timestamptz      NOT NULL,
    PRIMARY KEY (org, conversation, message, emoji, principal)
);
CREATE INDEX reactions_seq ON reactions (org, conversation, seq, n);

CREATE TABLE member_states (
    org           text             NOT NULL,
    conversation  uuid             NOT NULL,
    principal     text COLLATE "C" NOT NULL,
    read_seq      bigint           NOT NULL,
    delivered_seq bigint           NOT NULL,
    muted_until   timestamptz, -- NULL: not muted
    archived_at   timestamptz, -- NULL: not archived
    hidden_at     timestamptz, -- NULL: not deleted for oneself
    hidden_seq    bigint           NOT NULL,
    PRIMARY KEY (org, conversation, principal)
) WITH (fillfactor = 80); -- every reading updates the row in place
-- The conversations that may not be on somebody's list.
CREATE INDEX member_states_hidden ON member_states (org, principal, conversation) INCLUDE (hidden_seq)
    WHERE hidden_at IS NOT NULL;

-- Messages that somebody deleted for oneself.
CREATE TABLE hidden (
    org          text   NOT NULL,
    conversation uuid   NOT NULL,
    principal    text   NOT NULL,
    seq          bigint NOT NULL,
    PRIMARY KEY (org, conversation, principal, seq)
);

CREATE TABLE blocks (
    org     text             NOT NULL,
    owner   text             NOT NULL,
    blocked text COLLATE "C" NOT NULL,
    at      timestamptz      NOT NULL,
    PRIMARY KEY (org, owner, blocked)
);

CREATE TABLE tasks (
    org          text        NOT NULL,
    id           uuid        NOT NULL,
    conversation uuid        NOT NULL,
    agent        text        NOT NULL,
    parent       uuid, -- NULL: of none
    title        text        NOT NULL,
    status       text        NOT NULL,
    step         text        NOT NULL,
    narrative    text        NOT NULL,
    result       bytea,
    error        text        NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    ended_at     timestamptz, -- NULL while it is not over
    PRIMARY KEY (org, id)
);
CREATE INDEX tasks_conversation ON tasks (org, conversation, created_at, id);
