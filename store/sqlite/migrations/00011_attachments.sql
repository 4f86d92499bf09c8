-- Attachments: what is known of files, and which messages carry them.
--
-- A message says itself what it carries (attachments: JSON, '' for nothing), so that
-- reading it asks nothing else. due_at is 0 while a message carries the attachment.

-- +goose Up

ALTER TABLE messages ADD COLUMN attachments TEXT NOT NULL DEFAULT '';

CREATE TABLE attachments (
    org          TEXT    NOT NULL,
    id           BLOB    NOT NULL,
    conversation BLOB    NOT NULL,
    uploader     TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    size         INTEGER NOT NULL,
    sha256       BLOB,
    state        TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_unsent ON attachments (org, uploader) WHERE state IN ('waiting', 'stored');
CREATE INDEX attachments_due ON attachments (due_at) WHERE due_at <> 0;

CREATE TABLE carriers (
    org          TEXT NOT NULL,
    attachment   BLOB NOT NULL,
    message      BLOB NOT NULL,
    conversation BLOB NOT NULL,
    PRIMARY KEY (org, attachment, message)
) STRICT, WITHOUT ROWID;
CREATE INDEX carriers_message ON carriers (org, conversation, message);

-- +goose Down
DROP TABLE carriers;
DROP TABLE attachments;
ALTER TABLE messages DROP COLUMN attachments;
