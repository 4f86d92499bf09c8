-- Attachments: what is known of files, and which messages carry them. A message says
-- itself what it carries, in its body. due_at is NULL while a message carries the
-- attachment.

-- +goose Up

CREATE TABLE attachments (
    org          text        NOT NULL,
    id           uuid        NOT NULL,
    conversation uuid        NOT NULL,
    uploader     text        NOT NULL,
    name         text        NOT NULL,
    content_type text        NOT NULL,
    size         bigint      NOT NULL,
    sha256       bytea, -- NULL: not known
    state        text        NOT NULL,
    created_at   timestamptz NOT NULL,
    due_at       timestamptz,
    PRIMARY KEY (org, id)
);
CREATE INDEX attachments_unsent ON attachments (org, uploader) WHERE state IN ('waiting', 'stored');
CREATE INDEX attachments_due ON attachments (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE carriers (
    org          text NOT NULL,
    attachment   uuid NOT NULL,
    message      uuid NOT NULL,
    conversation uuid NOT NULL,
    PRIMARY KEY (org, attachment, message)
);
CREATE INDEX carriers_message ON carriers (org, conversation, message);

-- +goose Down
DROP TABLE carriers, attachments;
