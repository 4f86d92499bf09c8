package parley

import "time"

// Command is something a client wants. Dialects decode frames into commands;
// HTTP routes make the same ones. There are two kinds: those a Conn carries out
// itself (ConnCommand) and those the engine does (the rest).
type Command interface{ command() }

// ConnCommand is a command about the Conn itself: authentication, interest, life.
type ConnCommand interface {
	Command
	connCommand()
}

// Commands of a Conn.
type (
	// Authenticate names a token in a first frame, or refreshes it in band. Cursor
	// is where to resume; HasCursor tells an empty one from none.
	Authenticate struct {
		Token     string
		Cursor    string
		HasCursor bool
	}
	// Subscribe adds to what the Conn hears. Ref is the client's own id of the
	// subscription (topics) and replaces an earlier one of the same Ref; empty on
	// surfaces that have none. AfterSeq asks for the history of the one
	// conversation named, messages with a greater seq (bot).
	Subscribe struct {
		Ref           string
		Interest      Interest
		AfterSeq      uint64
		HasAfterSeq   bool
		Conversations []ConversationID // in the order named, for the acknowledgement
	}
	// Unsubscribe takes away what an earlier Subscribe added.
	Unsubscribe struct {
		Ref      string
		Interest Interest
	}
	// Resume is the whole set of interests of a Conn that named a cursor: output is
	// held until it comes.
	Resume struct{ Subscriptions []Subscribe }
	// Ping asks for a Pong frame.
	Ping struct{}
	// Ignore is a frame that is accepted and means nothing.
	Ignore struct{}
)

// Commands of the engine.
type (
	// CreateConversation begins a conversation; the caller is its owner and needs
	// not be among Members. A direct one of a pair that has one already
	// answers with that one; an agent_direct one, a bot session, is always new.
	CreateConversation struct {
		Kind        ConversationKind // empty: by the members
		Title       string
		Description string
		Members     []PrincipalID
	}
	// AddMembers makes principals join; those who are members already are left as
	// they are.
	AddMembers struct {
		Conversation ConversationID
		Members      []PrincipalID
		Role         Role // empty: member, or agent for an agent
	}
	// RemoveMember ends a stay; a member may remove itself.
	RemoveMember struct {
		Conversation ConversationID
		Member       PrincipalID
	}
	// CloseConversation stops a conversation from taking messages. Idempotent.
	CloseConversation struct {
		Conversation ConversationID
		Reason       string
	}
	// PostMessage stores a message; acknowledged means committed (P1).
	PostMessage struct {
		Conversation ConversationID
		Content      string
		ContentType  string // empty: text, or what the attachments are
		ContentMeta  string
		// ReplyTo is a message of the same conversation: by itself a quotation; with a
		// ThreadRole (main, aside) the message joins the thread of that one, or begins
		// one under it.
		ReplyTo     MessageID
		ThreadRole  string
		TaskID      string
		ClientMsgID string
		// Attachments are the caller's own uploads for this conversation, each sent once;
		// with some, Content may be empty.
		Attachments []AttachmentID
		Internal    bool
		Origin      string // the Conn it came over; empty for HTTP
	}
	// BeginUpload announces a file of the caller's, which it may then upload and send.
	BeginUpload struct {
		Conversation ConversationID
		Name         string // of the file; directories before it are left out
		ContentType  string
		Size         int64  // bytes
		SHA256       []byte // what the bytes will have; nil: not said
	}
	// UpdateConversation changes what a conversation is called; nil leaves a field as
	// it is.
	UpdateConversation struct {
		Conversation       ConversationID
		Title, Description *string
	}
	// DeleteConversation deletes one for everyone, for ever; or takes it from the
	// caller's own list, with all that was said in it until now. Idempotent.
	DeleteConversation struct {
		Conversation ConversationID
		ForEveryone  bool
	}
	// SetRole gives a member another role.
	SetRole struct {
		Conversation ConversationID
		Member       PrincipalID
		Role         Role
	}
	// EditMessage changes what the caller said; what it said before is kept.
	EditMessage struct {
		Message     MessageID
		Content     string
		ContentMeta *string // nil leaves it as it is
	}
	// DeleteMessage deletes a message for everyone: its place stays, what it said is
	// gone; or only for the caller. Idempotent.
	DeleteMessage struct {
		Message     MessageID
		ForEveryone bool
	}
	// React puts the caller's emoji under a message or takes it away; On nil turns
	// what is into its opposite. Conversation, where it is not zero, must be the
	// message's.
	React struct {
		Conversation ConversationID
		Message      MessageID
		Emoji        string
		On           *bool
	}
	// ForwardMessage says a message again in other conversations, all of them or
	// none. The same again under one ClientMsgID is answered like the first time, for
	// ever; something else under it is CodeConflict.
	ForwardMessage struct {
		Message       MessageID
		Conversations []ConversationID
		ClientMsgID   string // of each copy; may be empty
	}
	// MoveReceipts moves the caller's read and delivered places forward; what was read
	// was delivered. A place behind where it is, and 0, change nothing; one beyond the
	// last message is that of the last message.
	MoveReceipts struct {
		Conversation    ConversationID
		Read, Delivered uint64
	}
	// MuteConversation mutes for the caller until a time; zero unmutes.
	MuteConversation struct {
		Conversation ConversationID
		Until        time.Time
	}
	// ArchiveConversation archives for the caller, or takes it out again. Idempotent.
	ArchiveConversation struct {
		Conversation ConversationID
		On           bool
	}
	// BlockPrincipal keeps what somebody says from the caller, or no longer. Idempotent.
	BlockPrincipal struct {
		Principal PrincipalID
		On        bool
	}
	// CreateTask begins a task; the caller is the agent that works on it, or a service
	// or a member who names one.
	CreateTask struct {
		Conversation ConversationID
		Agent        PrincipalID // empty: the caller
		Parent       TaskID
		Title        string
		Status       TaskStatus // empty: running
		Step         string
		Narrative    string
	}
	// UpdateTask reports how a task goes; nil leaves a field as it is. A task that has
	// ended stays as it is: the same report again is answered, another one is refused.
	UpdateTask struct {
		Task            TaskID
		Status          TaskStatus // empty: as it is
		Step, Narrative *string
		Result          RawJSON // nil: as it is
		Error           *string
	}
	// StreamTask tells some text of a running task.
	StreamTask struct {
		Task TaskID
		Text string
	}
	// SetTyping tells that the caller types or stopped.
	SetTyping struct {
		Conversation ConversationID
		On           bool
		Origin       string
	}
	// PublishEvent tells a custom, memory, offering or system event.
	PublishEvent struct {
		Type           EventType
		Channel        string
		Data           RawJSON // a JSON object; nil is {}
		Targets        []PrincipalID
		IdempotencyKey string
		// Ref is the client's own id of the frame and comes back in the answer; empty
		// where a publish is answered only if it fails (topics), or over HTTP.
		Ref string
	}
	// PublishBatch tells many events, at most MaxPublishBatch: each is judged as by
	// itself, in order, under the same rules, limits and idempotency keys. Those that
	// are refused take nothing from the others, which are stored in one transaction:
	// all of them or, with an error for the command, none. Once the rate limit refuses
	// one, it refuses the rest. Result.Batch tells what became of each.
	PublishBatch struct{ Events []PublishEvent }
)

// MaxPublishBatch is how many events a PublishBatch may hold.
const MaxPublishBatch = 1000

func (Authenticate) command()        {}
func (Subscribe) command()           {}
func (Unsubscribe) command()         {}
func (Resume) command()              {}
func (Ping) command()                {}
func (Ignore) command()              {}
func (CreateConversation) command()  {}
func (AddMembers) command()          {}
func (RemoveMember) command()        {}
func (CloseConversation) command()   {}
func (PostMessage) command()         {}
func (SetTyping) command()           {}
func (BeginUpload) command()         {}
func (UpdateConversation) command()  {}
func (DeleteConversation) command()  {}
func (SetRole) command()             {}
func (EditMessage) command()         {}
func (DeleteMessage) command()       {}
func (React) command()               {}
func (ForwardMessage) command()      {}
func (MoveReceipts) command()        {}
func (MuteConversation) command()    {}
func (ArchiveConversation) command() {}
func (BlockPrincipal) command()      {}
func (CreateTask) command()          {}
func (UpdateTask) command()          {}
func (StreamTask) command()          {}
func (PublishEvent) command()        {}
func (PublishBatch) command()        {}
func (EraseUser) command()           {}

func (Authenticate) connCommand() {}
func (Subscribe) connCommand()    {}
func (Unsubscribe) connCommand()  {}
func (Resume) connCommand()       {}
func (Ping) connCommand()         {}
func (Ignore) connCommand()       {}

// Result is what a command of the engine led to.
type Result struct {
	// Conversation is set by the conversation commands and by PostMessage.
	Conversation *Conversation
	// Members are the conversation's, set by CreateConversation and AddMembers.
	Members []Membership
	// Message is set by PostMessage, EditMessage, DeleteMessage and React.
	Message *Message
	// Forwarded are the messages that ForwardMessage made, in the order of its
	// conversations.
	Forwarded []Message
	// State is the caller's, set by the commands that change it.
	State *MemberState
	// Task is set by the task commands.
	Task *Task
	// Attachment is set by BeginUpload.
	Attachment *Attachment
	// Reacted says that the caller's emoji is there now; set by React.
	Reacted bool
	// Event is what the command caused: the published event, the first of several.
	// Nil where nothing changed.
	Event *Event
	// Repeated says that an idempotency key or a pair was known already: the answer
	// is the first one's.
	Repeated bool
	// Erasure is set by EraseUser.
	Erasure *Erasure
	// Retention is set by SetRetention.
	Retention *Retention
	// Batch is set by PublishBatch: an outcome for each of its events, in their order.
	Batch []Outcome
}

// Outcome is what became of one event of a PublishBatch: the event, or why it was
// refused. Exactly one of Event and Err is not nil.
type Outcome struct {
	Event    *Event
	Repeated bool // as Result.Repeated
	Err      *Error
}

// EraseUser begins the job that erases a user, or finds the one under way. Users may
// erase themselves; anybody else needs the scope admin.
type EraseUser struct{ Principal PrincipalID }
