package postgres

import (
	"context"
	"errors"

	"github.com/parley-chat/parley"
)

var errPending = errors.New("pending")

func (x *tx) Message(org parley.OrgID, id parley.MessageID) (*parley.Message, error) {
	return nil, errPending
}
func (x *tx) UpdateMessage(m *parley.Message, org parley.OrgID) error { return errPending }
func (x *tx) InsertEdit(org parley.OrgID, e *parley.Edit) error       { return errPending }
func (x *tx) DeleteEdits(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	return errPending
}
func (x *tx) SetReaction(org parley.OrgID, r *parley.Reaction, on bool) (changed bool, err error) {
	err = errPending
	return
}
func (x *tx) HasReaction(org parley.OrgID, r *parley.Reaction) (bool, error) {
	return false, errPending
}
func (x *tx) CountReactions(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) (int, error) {
	return 0, errPending
}
func (x *tx) DeleteReactions(org parley.OrgID, conversation parley.ConversationID, message parley.MessageID) error {
	return errPending
}
func (x *tx) MemberState(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID) (*parley.MemberState, error) {
	return &parley.MemberState{Org: org, Conversation: id, Principal: principal}, nil // nothing was stored yet
}
func (x *tx) SetMemberState(s *parley.MemberState) error { return errPending }
func (x *tx) HideMessage(org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, seq uint64) (changed bool, err error) {
	err = errPending
	return
}
func (x *tx) SetBlock(b *parley.Block, on bool) (changed bool, err error)   { err = errPending; return }
func (x *tx) InsertTask(t *parley.Task) error                               { return errPending }
func (x *tx) Task(org parley.OrgID, id parley.TaskID) (*parley.Task, error) { return nil, errPending }
func (x *tx) UpdateTask(t *parley.Task) error                               { return errPending }
func (s *Store) Message(ctx context.Context, org parley.OrgID, id parley.MessageID) (*parley.Message, error) {
	return nil, errPending
}
func (s *Store) Edits(ctx context.Context, org parley.OrgID, id parley.ConversationID, message parley.MessageID) ([]parley.Edit, error) {
	return nil, errPending
}
func (s *Store) Reactions(ctx context.Context, org parley.OrgID, id parley.ConversationID, from, to uint64) ([]parley.Reaction, error) {
	return nil, errPending
}
func (s *Store) MemberStates(ctx context.Context, org parley.OrgID, principal parley.PrincipalID, ids []parley.ConversationID) ([]parley.MemberState, error) {
	return nil, errPending
}
func (s *Store) Receipts(ctx context.Context, org parley.OrgID, id parley.ConversationID) ([]parley.MemberState, error) {
	return nil, errPending
}
func (s *Store) Hidden(ctx context.Context, org parley.OrgID, id parley.ConversationID, principal parley.PrincipalID, from, to uint64) ([]uint64, error) {
	return nil, errPending
}
func (s *Store) Blocks(ctx context.Context, org parley.OrgID, owner parley.PrincipalID) ([]parley.Block, error) {
	return nil, errPending
}
func (s *Store) Unread(ctx context.Context, q parley.UnreadQuery) (list []parley.Unread, next string, err error) {
	err = errPending
	return
}
func (s *Store) Search(ctx context.Context, q parley.SearchQuery) (hits []parley.SearchHit, next string, err error) {
	err = errPending
	return
}
func (s *Store) Task(ctx context.Context, org parley.OrgID, id parley.TaskID) (*parley.Task, error) {
	return nil, errPending
}
func (s *Store) Tasks(ctx context.Context, org parley.OrgID, id parley.ConversationID, page parley.Page) (list []parley.Task, next string, err error) {
	err = errPending
	return
}
