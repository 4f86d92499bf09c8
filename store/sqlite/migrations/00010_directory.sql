-- The built-in directory: users with their passwords' hashes, their logins, and the
-- profiles of principals of any origin.

-- +goose Up

CREATE TABLE users (
    email       TEXT    NOT NULL PRIMARY KEY,
    org         TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    password    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_id ON users (org, id);

-- A row is a family of refresh tokens; hash is of the one that is good.
CREATE TABLE logins (
    id         TEXT    NOT NULL PRIMARY KEY,
    org        TEXT    NOT NULL,
    user       TEXT    NOT NULL,
    hash       BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX logins_user ON logins (org, user, created_at);

CREATE TABLE profiles (
    org        TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL DEFAULT '',
    bio        TEXT    NOT NULL DEFAULT '',
    avatar_url TEXT    NOT NULL DEFAULT '',
    job_title  TEXT    NOT NULL DEFAULT '',
    language   TEXT    NOT NULL DEFAULT '',
    seen_at    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE profiles;
DROP TABLE logins;
DROP TABLE users;
