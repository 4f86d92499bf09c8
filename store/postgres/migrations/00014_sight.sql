-- Who may see what: a task has a place in its conversation, and who hid a message, or
-- all up to it, is found by the message.

-- +goose Up

-- Of tasks from before this is not known: they are shown to who was there from the first.
ALTER TABLE tasks ADD COLUMN seq bigint NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN change_seq bigint NOT NULL DEFAULT 1;

-- An expression, so that no range of seqs is looked for here, where it has those of
-- everybody: the planner believes that what is equal is rare.
CREATE INDEX hidden_message ON hidden (conversation, (seq + 0));

CREATE INDEX member_states_cleared ON member_states (org, conversation, hidden_seq, principal) WHERE hidden_seq > 0;

-- +goose Down
DROP INDEX member_states_cleared;
DROP INDEX hidden_message;
ALTER TABLE tasks DROP COLUMN change_seq;
ALTER TABLE tasks DROP COLUMN seq;
