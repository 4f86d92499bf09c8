package parley

import "time"

// Interest is what a live Conn asks to hear. Each surface uses the fields its
// contract speaks of. It says what is wanted, never what is allowed: that is
// checked when it is registered and again at delivery.
type Interest struct {
	// Channels of the events surface.
	Channels []string
	// Conversations, Runs and Tasks by name: bot sessions, chat subscriptions.
	Conversations []ConversationID
	Runs          []RunID
	Tasks         []TaskID
	// Patterns of the topics surface.
	Patterns []Pattern
}

// Empty reports whether nothing is asked for.
func (i *Interest) Empty() bool {
	return i.Size() == 0
}

// Size is how many things are asked for; Limits.Subscriptions bounds it.
func (i *Interest) Size() int {
	return len(i.Channels) + len(i.Conversations) + len(i.Runs) + len(i.Tasks) + len(i.Patterns)
}

// View is one of the only two ways an event is rendered in a dialect.
type View uint8

// The views. In the public view an internal event is silence.
const (
	ViewPublic View = iota
	ViewInternal
	Views int = iota
)

// Reply is what a Conn says that is not an event: acknowledgements, errors, news
// of the Conn's own life. A dialect spells it, or leaves it out where its
// contract has no such frame.
type Reply interface{ reply() }

// The replies.
type (
	// Greeting is the first frame of a Conn, where the surface has one (1b).
	Greeting struct{}
	// Authenticated acknowledges a first-frame token or an in-band refresh.
	Authenticated struct {
		ExpiresAt time.Time // zero for never
		Cursor    string
	}
	// Subscribed acknowledges a Subscribe as far as it was granted.
	Subscribed struct {
		Request Subscribe
		Cursor  string
	}
	// Unsubscribed acknowledges an Unsubscribe.
	Unsubscribed struct{ Request Unsubscribe }
	// Accepted acknowledges a PostMessage that came over the socket.
	Accepted struct{ Message *Message }
	// Published acknowledges a PublishEvent that came over the socket and asked for
	// it; a durable event is committed then.
	Published struct {
		Ref   string
		Event *Event
	}
	// History is one earlier message, asked for by Subscribe.AfterSeq.
	History struct{ Message *Message }
	// Pong answers Ping.
	Pong struct{ Time time.Time }
	// CursorMoved tells a cursor that moved without anything to hear.
	CursorMoved struct {
		Time   time.Time
		Cursor string
	}
	// Reload says plainly that something was missed for good: the client must
	// fetch its state anew. Conversation is zero where everything is meant.
	Reload struct {
		Time         time.Time
		Reason       string
		Conversation ConversationID
		// Subscriptions are the conversations the Conn named, for surfaces that say
		// it for each.
		Subscriptions []ConversationID
	}
	// Expiring warns that the token is about to expire.
	Expiring struct{ ExpiresAt time.Time }
	// Failure answers a command that failed, or a frame that could not be read.
	// Command is nil in the latter case. Pattern is the refused topic pattern, Ref
	// the subscription's, where the failure concerns one.
	Failure struct {
		Err     *Error
		Command Command
		Ref     string
		Pattern string
	}
)

func (Greeting) reply()      {}
func (Authenticated) reply() {}
func (Subscribed) reply()    {}
func (Unsubscribed) reply()  {}
func (Accepted) reply()      {}
func (Published) reply()     {}
func (History) reply()       {}
func (Pong) reply()          {}
func (CursorMoved) reply()   {}
func (Reload) reply()        {}
func (Expiring) reply()      {}
func (Failure) reply()       {}
