package parley

import (
	"context"
	"time"
)

// MaxRetentionDays is the longest that may be asked for; null is for ever.
const MaxRetentionDays = 36500

// RetentionDay is a day of a retention: always 24 hours.
const RetentionDay = 24 * time.Hour

// Retention says how long messages are kept, in a conversation or in an org.
type Retention struct {
	Org OrgID
	// Conversation is zero where it holds for all conversations of the org that have
	// none of their own.
	Conversation ConversationID
	// Days is how long, from when a message was stored: up to MaxRetentionDays, 0 for
	// ever. Nil: nothing was said, so a conversation has its org's, and an org keeps
	// for ever.
	Days *int

	// ExpiredTo is how far a conversation's messages have expired: all up to this seq
	// are tombstones. It only grows.
	ExpiredTo uint64
	// OldestAt is before all messages beyond ExpiredTo; zero where the conversation's
	// beginning is all that is known.
	OldestAt time.Time
}

// DaysFor is how many days messages are kept in a conversation of an org: its own
// say wins; 0 is for ever.
func DaysFor(conversation, org *Retention) int {
	for _, r := range []*Retention{conversation, org} {
		if r.Days != nil {
			return *r.Days
		}
	}
	return 0
}

// SetRetention says how long messages are kept: in one conversation or, where it is
// zero, in those of the org that say nothing themselves. What is over is emptied soon.
type SetRetention struct {
	Conversation ConversationID
	Days         *int // as in Retention; 0 is for conversations only
}

func (SetRetention) command() {}

// MessagesExpired says that messages were kept long enough: conversation scope, one for
// many. Nodes let go of what they remember of them; no surface tells it.
const MessagesExpired EventType = "messages.expired"

// ExpiredBody is the body of messages.expired: all messages up to To are tombstones,
// of which those from From on became it just now.
type ExpiredBody struct {
	Conversation ConversationID `json:"conversation"`
	From         uint64         `json:"from"`
	To           uint64         `json:"to"`
}

// ForgetExpired is ForgetMessage of all messages that have expired.
func ForgetExpired(e *Event, b *ExpiredBody) *Event {
	if e.Conversation != b.Conversation {
		return e
	}
	switch said := e.Body.(type) {
	case *MessageBody:
		if said.Seq <= b.To {
			return ForgetMessage(e, said.ID)
		}
	case *RunBody:
		if said.Seq > 0 && said.Seq <= b.To {
			return ForgetMessage(e, said.Message)
		}
	}
	return e
}

// RetentionTx is the part of a Tx that says how long messages are kept.
type RetentionTx interface {
	// Retention reads what was said for a conversation or, where the id is zero, for the
	// org; one that says nothing, with its ids, where nothing was.
	Retention(org OrgID, id ConversationID) (*Retention, error)
	// SetRetention stores it.
	SetRetention(r *Retention) error
}

// RetentionReader reads the same, and finds what there is to do.
type RetentionReader interface {
	// Retention is that of RetentionTx.
	Retention(ctx context.Context, org OrgID, id ConversationID) (*Retention, error)
	// RetainingOrgs lists the orgs in which anything is not kept for ever, ascending.
	RetainingOrgs(ctx context.Context) ([]OrgID, error)
	// Expiring lists the conversations of an org, deleted ones too, that may have
	// messages whose time is over, in the byte order of their ids, after one of them.
	Expiring(ctx context.Context, org OrgID, now time.Time, after ConversationID, limit int) ([]ConversationID, error)
}
