package parley

import (
	"context"
	"time"
)

// Dialect is a pure codec of one surface: frames ⇄ commands, events and replies.
// It does no I/O, takes no locks and starts no goroutines; one value serves
// every Conn concurrently.
type Dialect interface {
	// Name is the surface's name: events, bot, topics, chat.
	Name() string
	// Decode reads one inbound text frame of at most Limits.FrameBytes, valid
	// UTF-8. The error is an *Error with CodeInvalidFormat (not JSON, wrong shape,
	// unknown frame) or CodeInvalidArgument (a field's value); the command returned
	// with it, where not nil, says what the frame was about, so that the Failure can
	// name it.
	Decode(frame []byte) (Command, error)
	// AppendEvent appends the one frame that tells e in this dialect and view to
	// dst, JSON text without a WebSocket header; dst unchanged where the dialect does
	// not speak the type or the view hides it. The frame of a durable event carries
	// its cursor.
	AppendEvent(dst []byte, e *Event, v View) []byte
	// AppendReply appends the one frame that says r; dst unchanged where the
	// contract has no such frame.
	AppendReply(dst []byte, r Reply) []byte
	// Speaks reports whether AppendEvent has a frame for the type; custom types are
	// asked for by a type that EventSpecs does not list.
	Speaks(t EventType) bool
}

// Tx is one transaction of a Store. Its methods may be called only from within
// the function it was passed to, one at a time. Rows it hands out are the
// caller's own copies.
type Tx interface {
	// Conversation reads a conversation and holds it until the transaction ends: no
	// other transaction can take a number of it meanwhile. ErrNotFound where there is
	// none in the org.
	Conversation(org OrgID, id ConversationID) (*Conversation, error)
	// ConversationByPair finds a direct conversation by its PairKey.
	// ErrNotFound where there is none.
	ConversationByPair(org OrgID, pairKey string) (*Conversation, error)
	// InsertConversation stores a new one. ErrConflict where its PairKey is taken.
	InsertConversation(c *Conversation) error
	// UpdateConversation writes title, description, status, seq, change_seq and
	// last activity of one that Conversation returned or InsertConversation stored.
	UpdateConversation(c *Conversation) error

	// Members lists the open stays, in the order they began.
	Members(org OrgID, id ConversationID) ([]Membership, error)
	// Member returns the open stay of one principal. ErrNotFound where there is none.
	Member(org OrgID, id ConversationID, principal PrincipalID) (*Membership, error)
	// StaysOf lists every stay of one principal, ended ones too, in the order of From.
	StaysOf(org OrgID, id ConversationID, principal PrincipalID) ([]Membership, error)
	// CountMembers counts the open stays, up to most.
	CountMembers(org OrgID, id ConversationID, most int) (int, error)
	// InsertMember begins a stay. ErrConflict where one is open.
	InsertMember(m *Membership) error
	// EndMember ends the open stay, with its last change_seq and its last visible
	// message. ErrNotFound where none is open.
	EndMember(org OrgID, id ConversationID, principal PrincipalID, to, toSeq uint64) error

	// InsertMessage stores a message. ErrConflict where its seq, or its ClientMsgID
	// by the same sender in the conversation, is taken.
	InsertMessage(m *Message, org OrgID) error
	// MessageByClientID finds what a sender sent under a ClientMsgID. ErrNotFound
	// where there is none.
	MessageByClientID(org OrgID, id ConversationID, sender PrincipalID, clientMsgID string) (*Message, error)

	// Message reads a message by its id, deleted ones too. ErrNotFound where there is
	// none in the org. It does not hold the conversation: whoever changes it holds that
	// first and reads the message again.
	Message(org OrgID, id MessageID) (*Message, error)
	// UpdateMessage writes content, content_meta, source, edited_at, edit_count, deleted,
	// ChangeSeq, and what Message.Anonymize takes away, of one that Message returned, and
	// takes its attachments from one that is deleted (CarryAttachment); what search finds
	// follows.
	UpdateMessage(m *Message, org OrgID) error
	// InsertEdit keeps what a message said before. ErrConflict where the number is
	// taken.
	InsertEdit(org OrgID, e *Edit) error
	// EditChanges lists the ChangeSeq of all that a message said before, the first first.
	EditChanges(org OrgID, conversation ConversationID, message MessageID) ([]uint64, error)
	// DeleteEdits lets go of all that a message said before.
	DeleteEdits(org OrgID, conversation ConversationID, message MessageID) error
	// SetReaction stores a reaction, or takes it away, and reports whether that changed
	// anything.
	SetReaction(org OrgID, r *Reaction, on bool) (changed bool, err error)
	// HasReaction reports whether it is there; At is not looked at.
	HasReaction(org OrgID, r *Reaction) (bool, error)
	// CountReactions counts the different emoji under a message.
	CountReactions(org OrgID, conversation ConversationID, message MessageID) (int, error)
	// DeleteReactions takes all away from a message.
	DeleteReactions(org OrgID, conversation ConversationID, message MessageID) error
	// MemberState returns what a conversation is to a principal; the zero state, with
	// its three ids, where nothing is stored.
	MemberState(org OrgID, id ConversationID, principal PrincipalID) (*MemberState, error)
	// SetMemberState stores it.
	SetMemberState(s *MemberState) error
	// HideMessage hides one message from a principal, and reports whether it was not
	// yet.
	HideMessage(org OrgID, id ConversationID, principal PrincipalID, seq uint64) (changed bool, err error)
	// HiddenFrom lists those who hid a message from themselves, alone or with all up to it
	// (MemberState.HiddenSeq), in the byte order of their ids.
	HiddenFrom(org OrgID, id ConversationID, seq uint64) ([]PrincipalID, error)
	// SetBlock stores a block, or takes it away, and reports whether that changed
	// anything.
	SetBlock(b *Block, on bool) (changed bool, err error)
	// InsertAttachment stores an attachment. ErrConflict where its id is taken.
	InsertAttachment(a *Attachment) error
	// Attachment reads an attachment and holds it until the transaction ends.
	// ErrNotFound where there is none in the org.
	Attachment(org OrgID, id AttachmentID) (*Attachment, error)
	// UpdateAttachment writes SHA256, State and DueAt of one that Attachment returned.
	UpdateAttachment(a *Attachment) error
	// CountUnsent counts the attachments of an uploader that are waiting or stored, up
	// to most.
	CountUnsent(org OrgID, uploader PrincipalID, most int) (int, error)
	// CarryAttachment remembers that a message carries an attachment. Once UpdateMessage
	// writes that message as deleted, it carries none; what no other message carries is
	// Released.
	CarryAttachment(org OrgID, id AttachmentID, conversation ConversationID, message MessageID) error
	// ReleaseAttachments does so for all messages of a conversation, which are not
	// written themselves.
	ReleaseAttachments(org OrgID, conversation ConversationID) error
	// DueAttachments lists those of all orgs whose DueAt is at or before a time, at most
	// limit, and holds them; those that another transaction holds are left out.
	DueAttachments(before time.Time, limit int) ([]Attachment, error)
	// DeleteAttachment lets go of a row, without which nobody finds the bytes.
	DeleteAttachment(org OrgID, id AttachmentID) error
	// InsertTask stores a task.
	InsertTask(t *Task) error
	// Task reads a task. ErrNotFound where there is none in the org. It does not hold
	// the conversation.
	Task(org OrgID, id TaskID) (*Task, error)
	// UpdateTask writes status, step, narrative, result, error, times and numbers.
	UpdateTask(t *Task) error

	// AppendEvent adds a durable event to the org's log; its Position is given at
	// the commit or by Sequence. Two events of one transaction keep their order.
	AppendEvent(e *Event) error
	// RewriteChanges calls fn with those of a conversation's kept events that took one of
	// these change_seqs, in their order. What fn returns is kept instead, in the same place
	// under the same numbers; the event itself leaves it as it is. fn must have no other
	// effect.
	RewriteChanges(org OrgID, id ConversationID, changeSeqs []uint64, fn func(*Event) *Event) error
	// RewriteLog is the same of an org's events with after < offset <= upTo whose stored
	// form holds the bytes naming (NameInEvents).
	RewriteLog(org OrgID, after, upTo uint64, naming []byte, fn func(*Event) *Event) error
	// Published finds the event that a principal published under an idempotency
	// key, with the hash of the request. ErrNotFound where there is none.
	Published(org OrgID, principal PrincipalID, key string) (eventID EventID, at time.Time, hash []byte, err error)
	// RecordPublished remembers it, for ever. ErrConflict where the key is taken.
	RecordPublished(org OrgID, principal PrincipalID, key string, eventID EventID, at time.Time, hash []byte) error

	// UpsertPrincipal remembers who has been seen, so that members and senders have
	// kinds and names.
	UpsertPrincipal(p *Principal) error
	// Principal returns who was seen under an id. ErrNotFound where nobody was.
	Principal(org OrgID, id PrincipalID) (*Principal, error)

	// InsertRun stores a run. ErrConflict where (Trigger, Agent) has one already.
	InsertRun(r *Run) error
	// Run reads a run and holds it until the transaction ends.
	Run(org OrgID, id RunID) (*Run, error)
	// UpdateRun writes status, owner, epoch and end of a run that Run returned.
	UpdateRun(r *Run) error

	ErasureTx
	RetentionTx
}

// Store is what is remembered: the log and the truth. All methods may be called
// concurrently. A store that cannot be reached answers ErrUnavailable.
type Store interface {
	// Update runs fn in one transaction and returns once it is committed and, where
	// the store syncs (the default), synced: P1 rests on it. An error of fn rolls
	// back and is returned as it is. fn may be run again from its start after a
	// conflict with another transaction, so it must have no effect but through tx;
	// it must not block on anything but tx.
	Update(ctx context.Context, fn func(tx Tx) error) error

	Reader
	PeerReader
	Log
	Credentials
	Directory
	People

	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
	// Close ends it; what was acknowledged is kept.
	Close() error
}

// Page asks for a part of a list: at most Limit rows (0: 100) after Cursor, which
// is empty for the first page and else what the last page returned; anything else
// is an *Error with CodeInvalidArgument.
type Page struct {
	Limit  int
	Cursor string
}

// Reader reads committed state, outside of any transaction.
type Reader interface {
	// Conversation reads one. ErrNotFound where there is none in the org.
	Conversation(ctx context.Context, org OrgID, id ConversationID) (*Conversation, error)
	// Stays lists every stay in a conversation, ended ones too, in the order of
	// From; empty where there is no such conversation.
	Stays(ctx context.Context, org OrgID, id ConversationID) ([]Membership, error)
	// StaysOf lists one principal's stays in a conversation, ended ones too, in the
	// order of From; empty where it never was in it.
	StaysOf(ctx context.Context, org OrgID, id ConversationID, principal PrincipalID) ([]Membership, error)
	// ConversationsOf lists the conversations in which a principal has an open
	// stay, that are not deleted and that are listed (MemberState.Listed), the latest
	// activity first. next is empty at the end.
	ConversationsOf(ctx context.Context, org OrgID, principal PrincipalID, page Page) (list []Conversation, next string, err error)
	// Messages lists the messages with from <= seq <= to, ascending, at most limit;
	// to 0 is the newest. With newest set it is the last limit of that range, still
	// ascending.
	Messages(ctx context.Context, org OrgID, id ConversationID, from, to uint64, limit int, newest bool) ([]Message, error)
	// Message reads a message by its id, deleted ones too. ErrNotFound where there is
	// none in the org.
	Message(ctx context.Context, org OrgID, id MessageID) (*Message, error)
	// Edits lists what a message said before, the first first: from a number on, at
	// most limit; 0 is all.
	Edits(ctx context.Context, org OrgID, id ConversationID, message MessageID, from, limit int) ([]Edit, error)
	// Reactions lists those under the messages with from <= seq <= to, by seq and then
	// in the order they were made, at most limit; 0 is all.
	Reactions(ctx context.Context, org OrgID, id ConversationID, from, to uint64, limit int) ([]Reaction, error)
	// MemberStates returns what conversations are to a principal, in their order; the
	// zero state, with its three ids, where nothing is stored.
	MemberStates(ctx context.Context, org OrgID, principal PrincipalID, ids []ConversationID) ([]MemberState, error)
	// Receipts lists the states of all who were ever in a conversation and have read or
	// received anything, in the byte order of their ids.
	Receipts(ctx context.Context, org OrgID, id ConversationID) ([]MemberState, error)
	// Hidden lists the seqs with from <= seq <= to that a principal hid from itself,
	// ascending.
	Hidden(ctx context.Context, org OrgID, id ConversationID, principal PrincipalID, from, to uint64) ([]uint64, error)
	// Changes lists a conversation's durable events with after < change_seq <= upTo,
	// ascending, at most limit; erased and trimmed ones are missing. One that has no
	// Position yet has the zero one: it is committed, and whoever asks what changed must
	// not go past it.
	Changes(ctx context.Context, org OrgID, id ConversationID, after, upTo uint64, limit int) ([]*Event, error)
	// Blocks lists whom a principal blocks, in the byte order of their ids.
	Blocks(ctx context.Context, org OrgID, owner PrincipalID) ([]Block, error)
	// OrgBlocks lists who blocks whom in an org, in no order, at most limit of them.
	OrgBlocks(ctx context.Context, org OrgID, limit int) ([]Block, error)
	// Unread counts what a principal has not read. next is empty at the end, and always
	// where the query names conversations.
	Unread(ctx context.Context, q UnreadQuery) (list []Unread, next string, err error)
	// Search finds messages by their words.
	Search(ctx context.Context, q SearchQuery) (hits []SearchHit, next string, err error)
	// Attachment reads one. ErrNotFound where there is none in the org.
	Attachment(ctx context.Context, org OrgID, id AttachmentID) (*Attachment, error)
	// Carriers lists the messages that carry an attachment, in the conversations in which
	// a principal has or had a stay, the greatest id first, after one of them (zero: from
	// the first) and at most limit.
	Carriers(ctx context.Context, org OrgID, id AttachmentID, principal PrincipalID, after MessageID, limit int) ([]MessageID, error)
	// Task reads a task. ErrNotFound where there is none in the org.
	Task(ctx context.Context, org OrgID, id TaskID) (*Task, error)
	// Tasks lists the tasks of a conversation, the newest first.
	Tasks(ctx context.Context, org OrgID, id ConversationID, page Page) (list []Task, next string, err error)
	// Run reads one run. ErrNotFound where there is none.
	Run(ctx context.Context, org OrgID, id RunID) (*Run, error)
	// OpenRuns lists the runs that are running, of one org or, where org is empty,
	// of all.
	OpenRuns(ctx context.Context, org OrgID) ([]Run, error)
	// Principal returns who was seen under an id. ErrNotFound where nobody was.
	Principal(ctx context.Context, org OrgID, id PrincipalID) (*Principal, error)

	ErasureReader
	RetentionReader
}

// SearchQuery asks for the messages that hold all words of a text, the newest
// first.
type SearchQuery struct {
	Org OrgID
	// Principal must have or have had a stay that covers a message's seq for it to be
	// found. What else it may not see (internal messages, what it hid, whom it blocks)
	// is for the caller to leave out.
	Principal PrincipalID
	// Text is words; the last one may be the beginning of one. Anything else in it is
	// a space. An empty one finds nothing.
	Text string
	// Conversation bounds the search to one; zero is all. BeforeSeq, with it, bounds
	// it to lesser seqs; 0 does not.
	Conversation ConversationID
	BeforeSeq    uint64
	Page         Page
}

// SearchHit is a message that was found. Snippet is the part of its content around
// the first words found, each of them between U+0002 and U+0003.
type SearchHit struct {
	Message Message
	Snippet string
}

// PeerReader tells who shares a conversation with whom: who has an open stay where
// the other has one. Conversations that are deleted do not count, nor do those with
// more than members open stays.
type PeerReader interface {
	// Peers lists those who share a principal's conversations, the newest first: whole
	// conversations before one of them (zero: from the newest), until limit of their
	// members or a few more were read, so that a call costs what it is given, however
	// many conversations there are. Within a call each is listed once; the principal
	// itself is not. next is what before is for the conversations that are left, zero
	// where none are.
	Peers(ctx context.Context, org OrgID, principal PrincipalID, members int, before ConversationID, limit int) (peers []Peer, next ConversationID, err error)
	// PeersAmong lists those of others who share a conversation with the principal, in
	// no order. What it costs grows with the others and with how many conversations
	// they, or the principal, have to be walked until a shared one is found.
	PeersAmong(ctx context.Context, org OrgID, principal PrincipalID, members int, others []PrincipalID) ([]Peer, error)
}

// Peer is somebody who shares conversations with somebody else.
type Peer struct {
	Principal PrincipalID
	// Shared is the newest of those conversations, the one with the greatest id; for
	// Peers, of those that the call has read.
	Shared ConversationID
}

// ReplayQuery asks for what a listener missed. An event is wanted where its log
// key is one of Keys; with All set, every event of the org.
type ReplayQuery struct {
	Org OrgID
	// After is exclusive, UpTo inclusive.
	After, UpTo uint64
	// Keys are log keys (ConversationKey, PrincipalKey, ChannelKey).
	Keys []string
	// Member adds the conversations in which this principal has or had a stay; empty
	// adds none.
	Member PrincipalID
	All    bool
	// Limit bounds the events of one page.
	Limit int
}

// Log is the ordered side of a store: each org's durable events by Position.
type Log interface {
	// Sequence hands out the committed events that were not handed out before, in
	// Position order per org, giving them their Positions first where the commit has
	// not: conversations keep their change_seq order. At most limit; none is an empty
	// slice. Events that another process's Sequence handed out do not come again.
	// Callers are serialized by the store.
	Sequence(ctx context.Context, limit int) ([]*Event, error)
	// Head returns the Position of an org's last event; zero where it has none.
	Head(ctx context.Context, org OrgID) (Position, error)
	// Heads returns the heads of all orgs that have events.
	Heads(ctx context.Context) (map[OrgID]Position, error)
	// ReadLog lists an org's events with after < offset <= upTo in order, at most
	// limit. Erased or trimmed ones are missing.
	ReadLog(ctx context.Context, org OrgID, after, upTo uint64, limit int) ([]*Event, error)
	// Replay lists what a listener missed, in order, at most q.Limit events, and the
	// offset up to which the page is complete: q.UpTo where nothing is left.
	Replay(ctx context.Context, q ReplayQuery) (events []*Event, completeTo uint64, err error)
	// CheckCursor tells whether a Position is of this log (else ErrCursor), and
	// whether everything after it that the query's keys, member and All name is still
	// kept (else ErrGone). The zero Position is of every log.
	CheckCursor(ctx context.Context, q ReplayQuery, at Position) error
	// Locate returns the Position of an offset: with the epoch it was given in. The
	// offset 0 is the zero Position. ErrNotFound beyond the head.
	Locate(ctx context.Context, org OrgID, offset uint64) (Position, error)
	// LastOffset returns the offset of the last event with this log key that has a
	// Position; 0 where there is none.
	LastOffset(ctx context.Context, org OrgID, key string) (uint64, error)
	// TrimLog deletes the events before a time; rows, numbers and heads stay.
	TrimLog(ctx context.Context, before time.Time) (deleted int, err error)
	// Checkpoint returns how far a named worker has come in an org's log; 0 at first.
	Checkpoint(ctx context.Context, worker string, org OrgID) (uint64, error)
	// SetCheckpoint moves it forward; it never goes back.
	SetCheckpoint(ctx context.Context, worker string, org OrgID, offset uint64) error
}

// EncodedEvent is a committed event as MarshalEvent writes it, with its Position.
type EncodedEvent struct {
	ID       EventID
	Org      OrgID
	Position Position
	Data     []byte // shared: not to be changed
}

// EncodedLog is an optional ability of a Log: its Sequence in the bytes that were
// stored, so that whoever only passes events on need not write them again. Callers
// use the one or the other, not both.
type EncodedLog interface {
	SequenceEncoded(ctx context.Context, limit int) ([]EncodedEvent, error)
}

// APIKey is a back end's credential. The secret itself is shown once and never
// stored.
type APIKey struct {
	ID        KeyID
	Org       OrgID
	Name      string
	Principal PrincipalID // who acts with it
	Scopes    []Scope
	Hash      []byte // SHA-256 of the secret
	CreatedAt time.Time
	RevokedAt time.Time // zero while valid
}

// Credentials is what the store remembers of who may speak.
type Credentials interface {
	InsertKey(ctx context.Context, k *APIKey) error
	// KeyByHash finds a key, revoked or not. ErrNotFound where there is none.
	KeyByHash(ctx context.Context, hash []byte) (*APIKey, error)
	Keys(ctx context.Context, org OrgID) ([]APIKey, error)
	// Revoke withdraws a credential (Principal.Credential); a key is marked as revoked
	// too. Who says it again changes nothing. Some of the revocations that ended before
	// r.At, which is now, are let go.
	Revoke(ctx context.Context, r Revocation) error
	// Revocations lists the credentials revoked at or after a time; what has ended may
	// be among them.
	Revocations(ctx context.Context, since time.Time) ([]Revocation, error)

	// Heartbeat says that a node lives for ttl from now, by the store's clock.
	Heartbeat(ctx context.Context, node string, ttl time.Duration) error
	// LiveNodes lists the nodes whose heartbeat has not run out.
	LiveNodes(ctx context.Context) ([]string, error)
}

// Revocation is one withdrawn credential.
type Revocation struct {
	Org        OrgID
	Credential string
	At         time.Time
	// Until is when all that was given out under the credential has expired, so that
	// the revocation need be known no longer; zero for never, as of an API key.
	Until time.Time
}

// Bus is how nodes tell each other. Delivery is at most once and in order per
// publisher and subject; what it loses the receiver reads from the store. All
// methods may be called concurrently.
//
// A subject is dot-separated tokens; OrgSubject makes one of an org id. In a
// subscription `*` stands for one token.
type Bus interface {
	// Publish sends data; it returns before anyone has it. The bus keeps no reference
	// to data.
	Publish(subject string, data []byte) error
	// Subscribe calls fn for each message, one at a time, until the returned function
	// is called, which waits for a running fn (unless called by it). reply is empty
	// where no answer is wanted. fn must not keep data.
	Subscribe(subject string, fn func(subject, reply string, data []byte)) (stop func(), err error)
	// Request sends data and waits for the first answer; ErrUnavailable where nobody
	// listens or the context ends.
	Request(ctx context.Context, subject string, data []byte) ([]byte, error)
	// Ready reports nil while the bus is connected.
	Ready() error
	Close() error
}

// MaxBusMessage is the largest message a Bus takes, in bytes.
const MaxBusMessage = 768 << 10

// RunRecord is one entry of the run log: an event of a run, as MarshalEvent
// writes it.
type RunRecord struct {
	Run   RunID
	Event []byte
}

// RunLog keeps what runs say while they run, so that no client has seen anything
// that a crash can take back. It survives the death of the process, not
// necessarily of the machine.
type RunLog interface {
	// Append keeps a batch that may hold records of many runs, in order, and
	// returns once it is kept. After an error a part of it may be kept: whoever reads
	// drops what comes twice.
	Append(ctx context.Context, batch []RunRecord) error
	// Read calls fn with the kept records of one run, in order.
	Read(ctx context.Context, run RunID, fn func(RunRecord) error) error
	// Forget lets go of a run's records; they may be kept longer.
	Forget(ctx context.Context, run RunID) error
}

// RosterEntry is one entry of a Roster.
type RosterEntry struct {
	Page string // any text that is not empty, up to 256 bytes
	// Whole says that Data is all there is on the page: what was written before is
	// void.
	Whole bool
	Data  []byte
}

// Roster is a small journal that nodes share, of pages. All see its entries in
// one order, the same for everybody; whoever comes later sees what has not become
// void meanwhile. It survives the death of the process, not necessarily of the
// machine. All methods may be called concurrently.
type Roster interface {
	// Append writes an entry and returns once it is kept. After ErrUnavailable it may
	// be kept all the same. What is larger than
	// MaxBusMessage is refused, and is kept nowhere.
	Append(ctx context.Context, e RosterEntry) error
	// Watch calls fn with the entries that are kept, then with each new one, one at a
	// time, until the returned function is called, which waits for a running fn; fn
	// must not call it. fn must not keep Data. Entries that became void before they
	// were told may be left out.
	Watch(ctx context.Context, fn func(RosterEntry)) (stop func(), err error)
}

// Authenticator tells who a token speaks for.
type Authenticator interface {
	// Authenticate verifies a token of any class. The error is an *Error with
	// CodeUnauthenticated whatever was wrong with it, or CodeUnavailable.
	Authenticate(ctx context.Context, token string) (*Principal, error)
}

// IDs makes ids. All methods may be called concurrently; ids of one node made one
// after the other are in order.
type IDs interface{ NewID() [16]byte }

// OrgSubject makes a bus subject for an org: `log` and `live` are the prefixes in
// use. The org is escaped like a topic's segment, so that no id can widen it.
func OrgSubject(prefix string, org OrgID) string {
	return string(AppendSegment(append([]byte(prefix), '.'), string(org)))
}
