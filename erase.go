package parley

import (
	"context"
	"time"
)

// What is left of an event whose words were erased: its id, type, time, numbers and
// Position, and who did it to what. A client that comes back over it is told it in
// order, once, as a tombstone; no number is missing (P2, P3).

// Empty takes away what a message says: it keeps its id, seq, sender and times.
func (m *Message) Empty() {
	m.Content, m.ContentMeta, m.Source, m.Attachments, m.Deleted = "", "", nil, nil, true
}

// Anonymize takes away, of a message that was emptied, what else its sender wrote.
// Whoever sends again under its ClientMsgID says something new.
func (m *Message) Anonymize() {
	m.SenderName, m.ClientMsgID, m.TaskID, m.Origin = "", "", "", ""
}

// ForgetMessage returns the event without what a deleted message said: e itself
// where it tells nothing of that, else another event; e is not changed.
func ForgetMessage(e *Event, id MessageID) *Event {
	switch b := e.Body.(type) {
	case *MessageBody:
		if b.ID == id && !b.Deleted {
			emptied := *b
			emptied.Empty()
			return e.saying(&emptied)
		}
	case *RunBody:
		if b.Message == id && b.Text != "" {
			emptied := *b
			emptied.Text = ""
			return e.saying(&emptied)
		}
	}
	return e
}

// saying is the event with another body.
func (e *Event) saying(b Body) *Event {
	other := *e
	other.Body = b
	return &other
}

// NameInEvents is how an id stands in an event as MarshalEvent writes it: one that
// does not hold these bytes has nothing to do with the principal.
func NameInEvents(id PrincipalID) []byte { return appendString(nil, string(id)) }

// ForgetPrincipal is ForgetMessage of all that a principal said, wrote or is called by,
// its words where others forwarded them included. That it did something stays.
func ForgetPrincipal(e *Event, id PrincipalID) *Event {
	switch b := e.Body.(type) {
	case *MessageBody:
		if b.Sender == id && (!b.Deleted || b.Message.named()) || b.Source != nil && b.Source.Sender == id {
			emptied := *b
			emptied.Empty()
			if b.Sender == id {
				emptied.Anonymize()
			}
			return e.saying(&emptied)
		}
	case *ReactionBody:
		if b.Principal == id && b.Emoji != "" {
			emptied := *b
			emptied.Emoji = ""
			return e.saying(&emptied)
		}
	case *ConversationBody:
		if left, changed := b.without(func(m *MemberBody) bool { return m.Principal == id }); changed {
			return e.saying(left)
		}
	case *MemberBody:
		return e.forgetMember(b, id)
	case *PublishedBody:
		if e.Actor == id || len(e.Targets) == 1 && e.Targets[0] == id {
			return e.saying(&PublishedBody{Data: RawJSON("{}"), ResourceID: b.ResourceID})
		}
	case *TaskBody:
		if e.Actor == id {
			return e.forgetTask(b)
		}
	}
	return e
}

// ForgetConversation is ForgetMessage of all that was said and written in a
// conversation.
func ForgetConversation(e *Event) *Event {
	switch b := e.Body.(type) {
	case *MessageBody:
		if !b.Deleted || b.Message.named() {
			emptied := *b
			emptied.Empty()
			emptied.Anonymize()
			return e.saying(&emptied)
		}
	case *RunBody:
		if b.Text != "" {
			return ForgetMessage(e, b.Message)
		}
	case *ConversationBody:
		left, changed := b.without(func(*MemberBody) bool { return true })
		if changed || left.Title != "" || left.Description != "" {
			left.Title, left.Description = "", ""
			return e.saying(left)
		}
	case *MemberBody:
		if b.Name != "" || b.Conversation != nil && b.Conversation.Title+b.Conversation.Description != "" {
			left := *b
			left.Name = ""
			if b.Conversation != nil {
				about := *b.Conversation
				about.Title, about.Description = "", ""
				left.Conversation = &about
			}
			return e.saying(&left)
		}
	case *TaskBody:
		return e.forgetTask(b)
	default:
		return ForgetPrincipal(e, e.Actor)
	}
	return e
}

func (m *Message) named() bool { return m.SenderName+m.ClientMsgID+m.TaskID+m.Origin != "" }

// without is the body without the names of some of its members.
func (b *ConversationBody) without(which func(*MemberBody) bool) (left *ConversationBody, changed bool) {
	other := *b
	other.Members = append([]MemberBody(nil), b.Members...)
	for i := range other.Members {
		if m := &other.Members[i]; m.Name != "" && which(m) {
			m.Name, changed = "", true
		}
	}
	return &other, changed
}

func (e *Event) forgetMember(b *MemberBody, id PrincipalID) *Event {
	if b.Principal != id || b.Name == "" {
		return e
	}
	left := *b
	left.Name = ""
	return e.saying(&left)
}

func (e *Event) forgetTask(b *TaskBody) *Event {
	if b.Title+b.Step+b.Narrative+b.Error == "" && b.Result == nil {
		return e
	}
	left := *b
	left.Title, left.Step, left.Narrative, left.Error, left.Result = "", "", "", "", nil
	return e.saying(&left)
}

// Erasure is the job that erases a user. It goes on from its row after any
// interruption; each of its steps is one transaction, which writes the row.
type Erasure struct {
	Org       OrgID          `json:"org"`
	ID        ErasureID      `json:"id"`
	Principal PrincipalID    `json:"principal"`
	By        PrincipalID    `json:"by"` // who asked
	Phase     ErasurePhase   `json:"phase"`
	At        ConversationID `json:"at,omitzero"` // is at work in this conversation, or has gone through it
	Step      int            `json:"step"`        // within it; 0 where it was gone through
	Whole     bool           `json:"whole"`       // nobody else was ever in it, but agents
	Seq       uint64         `json:"seq"`         // within the step or the phase: how far it has come

	Conversations int `json:"conversations"` // gone through
	Messages      int `json:"messages"`      // emptied
	Reactions     int `json:"reactions"`     // taken away

	RequestedAt time.Time `json:"requested_at"`
	LoginsEnd   time.Time `json:"logins_end,omitzero"` // from when on no node lets in who came by a login; set after the first phase
	EndedAt     time.Time `json:"ended_at,omitzero"`   // zero while it is under way
}

// ErasurePhase says what an erasure does now.
type ErasurePhase string

// The phases of an erasure, in their order.
const (
	EraseAccount       ErasurePhase = "account"       // logins, password, profile, what it published by key
	EraseConversations ErasurePhase = "conversations" // one after the other: stays, states, reactions, messages
	EraseForwards      ErasurePhase = "forwards"      // its words in others' messages
	EraseLog           ErasurePhase = "log"           // events that name it
	EraseTraces        ErasurePhase = "traces"        // run log, and what is left in the store's files
	EraseDone          ErasurePhase = "done"
)

// PrincipalErased says that a user was erased: principal scope. Nodes let go of what
// they remember of it.
const PrincipalErased EventType = "principal.erased"

// ErasedBody is the body of principal.erased.
type ErasedBody struct {
	Principal PrincipalID `json:"principal"`
}

// ErasureTx is the part of a Tx by which users are erased. What takes a limit does no
// more at once, and reports how much it did: less is the end.
type ErasureTx interface {
	// InsertErasure stores a job. ErrConflict where one of the principal is under way.
	InsertErasure(e *Erasure) error
	// Erasure reads a job and holds it until the transaction ends. ErrNotFound where
	// there is none in the org.
	Erasure(org OrgID, id ErasureID) (*Erasure, error)
	// ErasureOf returns the job of a principal that is under way. ErrNotFound where none
	// is.
	ErasureOf(org OrgID, principal PrincipalID) (*Erasure, error)
	// UpdateErasure writes all of one that Erasure returned.
	UpdateErasure(e *Erasure) error

	// EraseAccount deletes a principal's user, profile and blocks, revokes and deletes
	// its logins, and takes name and e-mail from the principal.
	EraseAccount(org OrgID, principal PrincipalID, at time.Time) error
	// ErasePublished forgets what was published under idempotency keys.
	ErasePublished(org OrgID, principal PrincipalID, limit int) (n int, err error)
	// EraseMember forgets a principal in a conversation but for its stays: their names,
	// its state, what it hid.
	EraseMember(org OrgID, id ConversationID, principal PrincipalID) error
	// SharedWith reports whether anybody but agents and a principal is or was in a
	// conversation.
	SharedWith(org OrgID, id ConversationID, principal PrincipalID) (bool, error)
	// ReleasePair makes a direct conversation one that is not found by its pair again.
	ReleasePair(org OrgID, id ConversationID) error
	// EraseTasks empties the tasks of a conversation.
	EraseTasks(org OrgID, id ConversationID) error

	// ConversationsEver lists the conversations in which a principal has or had a stay,
	// in the byte order of their ids, after one of them.
	ConversationsEver(org OrgID, principal PrincipalID, after ConversationID, limit int) ([]ConversationID, error)
	// MessagesBy lists a sender's messages with a greater seq, ascending; everybody's
	// where the sender is empty.
	MessagesBy(org OrgID, id ConversationID, sender PrincipalID, after uint64, limit int) ([]Message, error)
	// MessagesFrom lists messages that were forwarded and first said by a principal, in
	// no order.
	MessagesFrom(org OrgID, source PrincipalID, limit int) ([]Message, error)
	// ReactionsBy lists a principal's reactions in a conversation, in no order.
	ReactionsBy(org OrgID, id ConversationID, principal PrincipalID, limit int) ([]Reaction, error)
	// RunsAfter lists the runs that a message triggered.
	RunsAfter(org OrgID, trigger MessageID) ([]Run, error)
}

// ErasureReader reads the jobs, and by pages what is exported.
type ErasureReader interface {
	// Erasure reads one. ErrNotFound where there is none in the org.
	Erasure(ctx context.Context, org OrgID, id ErasureID) (*Erasure, error)
	// OpenErasures lists those under way in all orgs, the oldest first.
	OpenErasures(ctx context.Context, limit int) ([]Erasure, error)
	// ConversationsEver and MessagesBy are those of ErasureTx.
	ConversationsEver(ctx context.Context, org OrgID, principal PrincipalID, after ConversationID, limit int) ([]ConversationID, error)
	MessagesBy(ctx context.Context, org OrgID, id ConversationID, sender PrincipalID, after uint64, limit int) ([]Message, error)
}

// Scrubber is an optional ability of a Store whose files keep what was deleted: Scrub
// returns once nothing of that is left in them.
type Scrubber interface {
	Scrub(ctx context.Context) error
}

// Expunger is an optional ability of a RunLog: Expunge forgets what was appended
// before a time.
type Expunger interface {
	Expunge(ctx context.Context, before time.Time) error
}
