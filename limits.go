package parley

import "time"

// Limits are the bounds of design.md section 11. All are always on: zero or a
// negative value is a configuration error, never infinity. DefaultLimits holds
// the documented defaults.
type Limits struct {
	FrameBytes         int           `json:"frame_bytes"`          // largest inbound frame; contracts.md 2.1
	DrainBytes         int           `json:"drain_bytes"`          // larger frames up to this are drained and answered; beyond it 1009
	EventsSocketsUser  int           `json:"events_sockets_user"`  // sockets per user on the events surface
	PrincipalSockets   int           `json:"principal_sockets"`    // sockets per principal over all surfaces
	IPSockets          int           `json:"ip_sockets"`           // sockets per address on the bot surface
	PublishesPerMinute int           `json:"publishes_per_minute"` // POST /api/events/publish, per user
	ServicePublishes   int           `json:"service_publishes"`    // the same per minute for service credentials
	MessagesPerSecond  int           `json:"messages_per_second"`  // sends per user
	MessagesBurst      int           `json:"messages_burst"`
	FailedAuthPerSec   int           `json:"failed_auth_per_second"` // failed authentications per address
	AuthTimeout        time.Duration `json:"auth_timeout"`           // a socket without a token must authenticate within
	ResumeTimeout      time.Duration `json:"resume_timeout"`         // a Conn that named a cursor must resume within
	IdleTimeout        time.Duration `json:"idle_timeout"`           // bot sockets with no subscription and no data frame
	PingInterval       time.Duration `json:"ping_interval"`
	PongTimeout        time.Duration `json:"pong_timeout"`
	WriteTimeout       time.Duration `json:"write_timeout"`       // one write to a socket
	CursorInterval     time.Duration `json:"cursor_interval"`     // a moved cursor is told at most this often
	TypingTTL          time.Duration `json:"typing_ttl"`          // typing ends by itself after
	ExpiryWarning      time.Duration `json:"expiry_warning"`      // a token's expiry is announced this long before
	Subscriptions      int           `json:"subscriptions"`       // conversations, runs or patterns one Conn may name
	QueueFrames        int           `json:"queue_frames"`        // frames a slow Conn is owed before it is merely "behind"
	QueueBytes         int           `json:"queue_bytes"`         // the same in bytes
	RingEvents         int           `json:"ring_events"`         // applied events a node keeps in memory per org
	RingBytes          int           `json:"ring_bytes"`          // the same in bytes
	MembersPerCall     int           `json:"members_per_call"`    // members named in one request
	PresenceGrace      time.Duration `json:"presence_grace"`      // who has no connection left is offline after
	PresenceMembers    int           `json:"presence_members"`    // a conversation with more members tells nobody's presence
	ReceiptMembers     int           `json:"receipt_members"`     // a conversation with more members tells receipts to their owners alone
	AttachmentBytes    int           `json:"attachment_bytes"`    // size of one attachment
	MessageAttachments int           `json:"message_attachments"` // attachments of one message
	UnsentAttachments  int           `json:"unsent_attachments"`  // uploads of one principal that it has not sent
	UnsentTTL          time.Duration `json:"unsent_ttl"`          // an upload is sent within, or deleted
	LogRetention       time.Duration `json:"log_retention"`       // events are kept this long
}

// DefaultLimits returns the documented defaults.
func DefaultLimits() Limits {
	return Limits{
		FrameBytes: 64 << 10, DrainBytes: 1 << 20,
		EventsSocketsUser: 10, PrincipalSockets: 50, IPSockets: 100,
		PublishesPerMinute: 20, ServicePublishes: 60000,
		MessagesPerSecond: 30, MessagesBurst: 200, FailedAuthPerSec: 20,
		AuthTimeout: 10 * time.Second, ResumeTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute,
		PingInterval: 30 * time.Second, PongTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		CursorInterval: 30 * time.Second, TypingTTL: 6 * time.Second, ExpiryWarning: time.Minute,
		Subscriptions: 10000, QueueFrames: 64, QueueBytes: 64 << 10, RingEvents: 65536, RingBytes: 128 << 20, MembersPerCall: 1000,
		PresenceGrace: 15 * time.Second, PresenceMembers: 1000, ReceiptMembers: 500,
		AttachmentBytes: 25 << 20, MessageAttachments: 10, UnsentAttachments: 20, UnsentTTL: 24 * time.Hour,
		LogRetention: 7 * 24 * time.Hour,
	}
}
