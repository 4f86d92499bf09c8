-- A login knows what its refresh tokens have in common and which was the one before,
-- so that a stranger's guess ends nobody's login and an answer that was lost can be
-- given again. A revocation ends with the last token that it is about.

-- +goose Up

ALTER TABLE logins ADD COLUMN family bytea, ADD COLUMN previous bytea, ADD COLUMN salt bytea;

ALTER TABLE revocations ADD COLUMN until timestamptz; -- NULL: never
CREATE INDEX revocations_until ON revocations (until) WHERE until IS NOT NULL;

-- +goose Down
DROP INDEX revocations_until;
ALTER TABLE revocations DROP COLUMN until;
ALTER TABLE logins DROP COLUMN salt, DROP COLUMN previous, DROP COLUMN family;
