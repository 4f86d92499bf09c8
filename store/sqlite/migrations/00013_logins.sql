-- A login knows what its refresh tokens have in common and which was the one before,
-- so that a stranger's guess ends nobody's login and an answer that was lost can be
-- given again. A revocation ends with the last token that it is about.

-- +goose Up

ALTER TABLE logins ADD COLUMN family BLOB;
ALTER TABLE logins ADD COLUMN previous BLOB;
ALTER TABLE logins ADD COLUMN salt BLOB;

ALTER TABLE revocations ADD COLUMN until INTEGER NOT NULL DEFAULT 0; -- 0: never
CREATE INDEX revocations_until ON revocations (until) WHERE until > 0;

-- +goose Down
DROP INDEX revocations_until;
ALTER TABLE revocations DROP COLUMN until;
ALTER TABLE logins DROP COLUMN salt;
ALTER TABLE logins DROP COLUMN previous;
ALTER TABLE logins DROP COLUMN family;
