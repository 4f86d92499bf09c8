-- The built-in directory: users with their passwords' hashes, their logins, and the
-- profiles of principals of any origin.

-- +goose Up

CREATE TABLE users (
    email       text        NOT NULL PRIMARY KEY,
    org         text        NOT NULL,
    id          text        NOT NULL,
    password    text        NOT NULL,
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz, -- NULL: may sign in
    UNIQUE (org, id)
);

-- A row is a family of refresh tokens; hash is of the one that is good.
CREATE TABLE logins (
    id         text        NOT NULL PRIMARY KEY,
    org        text        NOT NULL,
    user_id    text        NOT NULL,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    rotated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX logins_user ON logins (org, user_id, created_at);

CREATE TABLE profiles (
    org        text NOT NULL,
    id         text NOT NULL,
    name       text NOT NULL DEFAULT '',
    bio        text NOT NULL DEFAULT '',
    avatar_url text NOT NULL DEFAULT '',
    job_title  text NOT NULL DEFAULT '',
    language   text NOT NULL DEFAULT '',
    seen_at    timestamptz, -- NULL: not known
    PRIMARY KEY (org, id)
);

-- Lists of people go by the bytes of their ids.
CREATE INDEX principals_people ON principals (org, kind, id COLLATE "C");

-- +goose Down
DROP INDEX principals_people;
DROP TABLE profiles, logins, users;
