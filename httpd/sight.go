package httpd

import (
	"context"
	"math"
	"slices"

	"github.com/parley-chat/parley"
)

// sight is what one principal may see of a conversation: its own stays decide,
// for as long as they lasted (design.md section 5, P6), and what it hid from
// itself and whom it blocks is taken from that.
type sight struct {
	who          *parley.Principal
	conversation *parley.Conversation
	own          []parley.Membership // the principal's stays, in the order they began
	spans        []parley.Span       // the messages it may see
	state        parley.MemberState
	internal     bool    // it sees internal messages of whatever it is in
	blocks       blocked // whom it blocks
}

// blocked are those whom a principal blocks; nil for nobody.
type blocked map[parley.PrincipalID]bool

// blocks reads whom a principal blocks.
func (s *Server) blocks(ctx context.Context, who *parley.Principal) (blocked, error) {
	list, err := s.Store.Blocks(ctx, who.Org, who.ID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	m := make(blocked, len(list))
	for i := range list {
		m[list[i].Blocked] = true
	}
	return m, nil
}

// look reads what who may see of a conversation. Whoever never was a member is
// told that there is none.
func (s *Server) look(ctx context.Context, who *parley.Principal, id parley.ConversationID) (*sight, error) {
	blocks, err := s.blocks(ctx, who)
	if err != nil {
		return nil, err
	}
	return s.lookPast(ctx, who, id, blocks)
}

// lookPast is look for whoever knows the principal's blocks already.
func (s *Server) lookPast(ctx context.Context, who *parley.Principal, id parley.ConversationID, blocks blocked) (*sight, error) {
	c, err := s.Store.Conversation(ctx, who.Org, id)
	if err != nil {
		return nil, missing(err)
	}
	states, err := s.Store.MemberStates(ctx, who.Org, who.ID, []parley.ConversationID{id})
	if err != nil {
		return nil, err
	}
	return s.sightOf(ctx, who, c, states[0], blocks)
}

// sightOf is look for a conversation and a state that were read already.
func (s *Server) sightOf(ctx context.Context, who *parley.Principal, c *parley.Conversation, state parley.MemberState, blocks blocked) (*sight, error) {
	if c.Status == parley.StatusDeleted {
		return nil, errNoConversation
	}
	own, err := s.Store.StaysOf(ctx, who.Org, c.ID, who.ID)
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return nil, errNoConversation
	}
	v := &sight{
		who: who, conversation: c, own: own, state: state, blocks: blocks,
		internal: who.Can(parley.ScopeConversationsReadAll),
	}
	v.spans = parley.Spans(own, parley.SpanQuery{Kind: c.Kind, After: state.HiddenSeq, Last: c.Seq, Internal: v.internal})
	if v.member() {
		return v, nil
	}
	return v, s.takeLeave(ctx, v)
}

// takeLeave makes the conversation of somebody who left one in which nothing happens
// any more: what is not known of the time of the leave is left out.
func (s *Server) takeLeave(ctx context.Context, v *sight) error {
	last := &v.own[len(v.own)-1]
	then := *v.conversation
	then.Title, then.Description, then.Status = "", "", parley.StatusClosed
	then.Seq, then.ChangeSeq, then.LastActivity = v.current(), last.To, last.JoinedAt
	messages, err := s.messages(ctx, v, 1, then.Seq, 1, true)
	if err != nil {
		return err
	}
	if len(messages) == 1 {
		then.LastActivity = messages[0].CreatedAt
	}
	v.conversation = &then
	return nil
}

// asThen makes messages what they were when somebody left, who is not to see what
// became of them since but for that they were deleted.
func (s *Server) asThen(ctx context.Context, v *sight, messages []parley.Message) error {
	if v.member() {
		return nil
	}
	left := v.currentChange()
	for i := range messages {
		if err := messages[i].ReadAsOf(ctx, s.Store, v.who.Org, left); err != nil {
			return err
		}
	}
	return nil
}

// missing turns a store's "not found" into what the client is told.
func missing(err error) error {
	if isNotFound(err) {
		return errNoConversation
	}
	return err
}

// member reports whether the principal is in the conversation now.
func (v *sight) member() bool { return v.own[len(v.own)-1].Open() }

// current is the last seq there is for the principal; what was said after it left
// does not show, not even in number.
func (v *sight) current() uint64 {
	if v.member() {
		return v.conversation.Seq
	}
	if len(v.spans) == 0 {
		return 0
	}
	return v.spans[len(v.spans)-1].To
}

// currentChange is the last change_seq there is for the principal: of one who left,
// the leave.
func (v *sight) currentChange() uint64 {
	if v.member() {
		return v.conversation.ChangeSeq
	}
	return v.own[len(v.own)-1].To
}

// known are the stays that the principal knows of: not those that began after it had
// left.
func (v *sight) known(stays []parley.Membership) []parley.Membership {
	if v.member() {
		return stays
	}
	return slices.DeleteFunc(stays, func(m parley.Membership) bool { return m.From > v.currentChange() })
}

// participants are the members now or, for one who left, those it left behind.
func (s *Server) participants(ctx context.Context, v *sight) ([]parley.Membership, error) {
	stays, err := s.Store.Stays(ctx, v.who.Org, v.conversation.ID)
	if err != nil {
		return nil, err
	}
	at := v.own[len(v.own)-1].To
	var list []parley.Membership
	for _, m := range stays {
		if m.Open() && (at == 0 || m.From <= at) || at != 0 && m.From <= at && m.To > at {
			list = append(list, m)
		}
	}
	return list, nil
}

// covers reports whether a seq lies in one of the spans.
func (v *sight) covers(seq uint64) bool {
	_, ok := parley.SpanOf(v.spans, seq)
	return ok
}

// hides reports whether a message within the spans is there for the principal
// only as a place in the order: it was deleted, comes from somebody it blocks, or
// is internal and none of the stays that reach it hears those.
func (v *sight) hides(m *parley.Message) bool {
	if m.Deleted || v.blocks[m.Sender] {
		return true
	}
	return m.Internal && !v.seesInternal(m.Seq)
}

// seesInternal reports whether an internal message would be shown: to whoever sees
// all of them, or where a stay that reaches it hears those.
func (v *sight) seesInternal(seq uint64) bool {
	s, _ := parley.SpanOf(v.spans, seq)
	return s.Internal
}

// hears reports whether the principal hears a change of the conversation: one
// within its stays that is public or that the stay's role hears, and that is not
// about a message it may not see.
func (v *sight) hears(e *parley.Event) bool {
	if v.blocks[parley.SpeakerOf(e)] {
		return false
	}
	if seq := about(e); seq > 0 && (!v.covers(seq) || e.Internal && !v.seesInternal(seq)) {
		return false
	}
	return slices.ContainsFunc(v.own, func(stay parley.Membership) bool {
		return stay.Covers(e.ChangeSeq) && (!e.Internal || v.internal || stay.HearsInternal(v.conversation.Kind))
	})
}

// about is the seq of the message that an event is about; 0 where it is about none.
func about(e *parley.Event) uint64 {
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		return b.Seq
	case *parley.ReactionBody:
		return b.Seq
	}
	return 0
}

// messages reads what the principal may see of from <= seq <= to, ascending, at
// most limit: the first of them, or the last where newest is set.
func (s *Server) messages(ctx context.Context, v *sight, from, to uint64, limit int, newest bool) ([]parley.Message, error) {
	spans := slices.Clone(v.spans)
	if newest {
		slices.Reverse(spans)
	}
	var pages [][]parley.Message
	for _, sp := range spans {
		lo, hi := max(sp.From, from), min(sp.To, to)
		if lo > hi || limit == 0 {
			continue
		}
		c := v.conversation
		page, err := s.Store.Messages(ctx, c.Org, c.ID, lo, hi, limit, newest)
		if err != nil {
			return nil, err
		}
		if err := s.asThen(ctx, v, page); err != nil {
			return nil, err
		}
		limit -= len(page)
		pages = append(pages, page)
	}
	if newest {
		slices.Reverse(pages)
	}
	return slices.Concat(pages...), nil
}

// hiddenAmong finds which of some messages, ascending, the principal hid from
// itself; nil for none.
func (s *Server) hiddenAmong(ctx context.Context, v *sight, messages []parley.Message) (map[uint64]bool, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	return s.hiddenWithin(ctx, v, messages[0].Seq, messages[len(messages)-1].Seq)
}

// hiddenAbout finds which of the messages that some events are about the principal hid
// from itself, by their seq; nil for none.
func (s *Server) hiddenAbout(ctx context.Context, v *sight, events []*parley.Event) (map[uint64]bool, error) {
	first, last := uint64(math.MaxUint64), uint64(0)
	for _, e := range events {
		if seq := about(e); seq > 0 {
			first, last = min(first, seq), max(last, seq)
		}
	}
	if last == 0 {
		return nil, nil
	}
	return s.hiddenWithin(ctx, v, first, last)
}

// hiddenWithin finds which messages of a range the principal hid from itself.
func (s *Server) hiddenWithin(ctx context.Context, v *sight, from, to uint64) (map[uint64]bool, error) {
	seqs, err := s.Store.Hidden(ctx, v.who.Org, v.conversation.ID, v.who.ID, from, to)
	if err != nil || len(seqs) == 0 {
		return nil, err
	}
	m := make(map[uint64]bool, len(seqs))
	for _, seq := range seqs {
		m[seq] = true
	}
	return m, nil
}

// one reads a message the caller may see in full, with the sight of its
// conversation; whatever it may not see is not found.
func (s *Server) one(ctx context.Context, who *parley.Principal, id parley.MessageID) (*parley.Message, *sight, error) {
	m, err := s.Store.Message(ctx, who.Org, id)
	if isNotFound(err) {
		return nil, nil, errNoMessage
	}
	if err != nil {
		return nil, nil, err
	}
	v, err := s.look(ctx, who, m.Conversation)
	if parley.AsError(err) == errNoConversation {
		return nil, nil, errNoMessage
	}
	if err != nil {
		return nil, nil, err
	}
	one := []parley.Message{*m}
	hidden, err := s.hiddenAmong(ctx, v, one)
	if err == nil {
		err = s.asThen(ctx, v, one)
	}
	if err != nil {
		return nil, nil, err
	}
	if m = &one[0]; !v.covers(m.Seq) || v.hides(m) || hidden[m.Seq] {
		return nil, nil, errNoMessage
	}
	return m, v, nil
}

var errNoMessage = parley.Errorf(parley.CodeNotFound, "there is no such message")

// noSeq is the end of a range without one.
const noSeq = math.MaxInt64
