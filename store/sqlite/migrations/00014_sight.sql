-- Who may see what: a task has a place in its conversation, and who hid a message, or
-- all up to it, is found by the message.

-- +goose Up

-- Of tasks from before this is not known: they are shown to who was there from the first.
ALTER TABLE tasks ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN change_seq INTEGER NOT NULL DEFAULT 1;

CREATE INDEX hidden_message ON hidden (org, conversation, seq, principal);
CREATE INDEX member_states_cleared ON member_states (org, conversation, hidden_seq, principal) WHERE hidden_seq > 0;

-- +goose Down
DROP INDEX member_states_cleared;
DROP INDEX hidden_message;
ALTER TABLE tasks DROP COLUMN change_seq;
ALTER TABLE tasks DROP COLUMN seq;
