-- One principal's stays in a conversation, ended ones too.

-- +goose Up
CREATE INDEX memberships_stays ON memberships (org, conversation, principal, from_change);

-- +goose Down
DROP INDEX memberships_stays;
