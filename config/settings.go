package config

import "strings"

// Setting is one thing that can be configured, bound to the Config it was listed
// by.
type Setting struct {
	Key  string // as in the file, "limits.frame_bytes"
	Help string // what it does, a phrase without a full stop
	value
}

const limitsPrefix = "limits."

// Flag is the setting's flag, without the dashes: "listen"; a limit's is its own
// name, "ping-interval".
func (s *Setting) Flag() string {
	return strings.ReplaceAll(strings.TrimPrefix(s.Key, limitsPrefix), "_", "-")
}

// Env is the setting's variable, "PARLEY_LIMITS_PING_INTERVAL".
func (s *Setting) Env() string {
	return "PARLEY_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Limit reports whether the setting is one of parley.Limits.
func (s *Setting) Limit() bool { return strings.HasPrefix(s.Key, limitsPrefix) }

// settingsOf is the table.
func settingsOf(c *Config) []Setting {
	l := &c.Limits
	return []Setting{
		{"listen", "address at which clients connect", address(&c.Listen, false)},
		{"admin_listen", "address of metrics and profiles; keep it private", address(&c.AdminListen, false)},
		{"data", "directory of the signing key and of the embedded store", path(&c.Data, false)},
		{"org", "the org of tokens and keys made on the command line", org(&c.Org)},
		{"public_url", "how clients reach the server; empty: as the client did", webURL(&c.PublicURL)},
		{"store_url", "PostgreSQL to keep everything in, postgres://…; empty: SQLite in the data directory", secretURL(&c.StoreURL, "postgres", "postgresql")},
		{"sqlite_synchronous", "whether SQLite syncs at each commit (full) or a loss of power may take the last ones (normal)", oneOf(&c.SQLiteSynchronous, "full", "normal")},
		{"nats_url", "NATS by which nodes tell each other; empty: a server inside this process", secretURL(&c.NATSURL, "nats", "tls", "ws", "wss")},
		{"nats_credentials", "file of credentials for nats_url", path(&c.NATSCredentials, true)},
		{"nats_listen", "opens the NATS server inside this process to other services; empty: closed", address(&c.NATSListen, true)},
		{"nats_token_file", "file of the token that other services show to the NATS server inside this process; empty: none is asked for", path(&c.NATSTokenFile, true)},
		{"tls_cert", "PEM file of the certificate chain; empty: no TLS", path(&c.TLSCert, true)},
		{"tls_key", "PEM file of the certificate's key", path(&c.TLSKey, true)},
		{"allowed_origin", "origins whose pages may connect, besides the server's own", origins(&c.AllowedOrigins)},
		{"trusted_proxy", "networks whose headers tell a client's address", networks(&c.TrustedProxies)},
		{"issuer", "others whose tokens are accepted, with a secret shared in a file", issuers(&c.Issuers)},
		{"directory", "keeps users of its own, who sign in with e-mail and password; off where all come from an issuer", boolean(&c.Directory)},
		{"open_signup", "lets anybody become a user of org; else an API key or an administrator makes users", boolean(&c.OpenSignup)},
		{"attachments", "where files lie that people send", oneOf(&c.Attachments, "directory", "s3", "off")},
		{"attachments_dir", "directory of these files, which all nodes share; empty: attachments in the data directory", path(&c.AttachmentsDir, true)},
		{"attachment_type", "content types that may be sent; one that ends with * is all that begin like it, */* all there are", mediaTypes(&c.AttachmentTypes)},
		{"s3_endpoint", "object store of these files, https://… without the bucket", webURL(&c.S3.Endpoint)},
		{"s3_bucket", "bucket of these files, which must be there", textual("NAME", &c.S3.Bucket, true, nil)},
		{"s3_region", "region of the bucket; empty: the object store is asked", textual("NAME", &c.S3.Region, true, nil)},
		{"s3_access_key", "access key of the object store", textual("KEY", &c.S3.AccessKey, true, nil)},
		{"s3_secret_file", "file of the secret that belongs to s3_access_key", path(&c.S3.SecretFile, true)},
		{"s3_path_style", "puts the bucket into the path; off where it is to be a part of the host's name", boolean(&c.S3.PathStyle)},
		{"demo_agent", "runs the built-in demo agent, which needs no key of a provider", boolean(&c.DemoAgent)},
		{"ephemeral_type", "custom event types that are told but never stored", eventTypes(&c.EphemeralTypes)},
		{"drain_timeout", "how long a stop may take; answers at work have half of it to finish", duration(&c.DrainTimeout)},
		{"log_level", "the least important record that is logged", level(&c.LogLevel)},
		{"log_format", "how the log is written", oneOf(&c.LogFormat, "text", "json")},

		{"limits.frame_bytes", "largest frame or body a client may send", size(&l.FrameBytes)},
		{"limits.drain_bytes", "larger frames up to this are answered with an error; beyond it the socket is closed", size(&l.DrainBytes)},
		{"limits.events_sockets_user", "sockets of one user on the events surface", count(&l.EventsSocketsUser)},
		{"limits.principal_sockets", "sockets of one principal over all surfaces", count(&l.PrincipalSockets)},
		{"limits.ip_sockets", "sockets of one address on the bot surface", count(&l.IPSockets)},
		{"limits.publishes_per_minute", "events a user may publish in a minute", count(&l.PublishesPerMinute)},
		{"limits.service_publishes", "events a service may publish in a minute", count(&l.ServicePublishes)},
		{"limits.messages_per_second", "messages a user may send in a second", count(&l.MessagesPerSecond)},
		{"limits.messages_burst", "messages a user may send at once", count(&l.MessagesBurst)},
		{"limits.failed_auth_per_second", "failed authentications of one address in a second", count(&l.FailedAuthPerSec)},
		{"limits.auth_timeout", "how long a socket without a token may take to authenticate", duration(&l.AuthTimeout)},
		{"limits.resume_timeout", "how long a socket that named a cursor may take to say what it resumes", duration(&l.ResumeTimeout)},
		{"limits.idle_timeout", "how long a bot socket that neither subscribes nor sends stays open", duration(&l.IdleTimeout)},
		{"limits.ping_interval", "time between two pings to a socket", duration(&l.PingInterval)},
		{"limits.pong_timeout", "how long the answer to a ping may take", duration(&l.PongTimeout)},
		{"limits.write_timeout", "how long one write to a socket may take", duration(&l.WriteTimeout)},
		{"limits.cursor_interval", "time between two frames that only tell that the cursor moved", duration(&l.CursorInterval)},
		{"limits.typing_ttl", "how long typing is shown unless it is said again", duration(&l.TypingTTL)},
		{"limits.expiry_warning", "how long before a token expires its client is warned", duration(&l.ExpiryWarning)},
		{"limits.subscriptions", "conversations, runs or patterns one socket may name", count(&l.Subscriptions)},
		{"limits.queue_frames", "frames a slow socket is owed before it counts as behind", count(&l.QueueFrames)},
		{"limits.queue_bytes", "bytes a slow socket is owed before it counts as behind", size(&l.QueueBytes)},
		{"limits.ring_events", "recent events kept in memory for each org", count(&l.RingEvents)},
		{"limits.ring_bytes", "memory that recent events may take for each org", size(&l.RingBytes)},
		{"limits.members_per_call", "members named in one request", count(&l.MembersPerCall)},
		{"limits.presence_grace", "how long somebody without a connection still counts as online", duration(&l.PresenceGrace)},
		{"limits.presence_members", "members of the largest conversation that lets them see who of them is online", count(&l.PresenceMembers)},
		{"limits.receipt_members", "members of the largest conversation that tells all of them who has read how far", count(&l.ReceiptMembers)},
		{"limits.attachment_bytes", "largest attachment", size(&l.AttachmentBytes)},
		{"limits.message_attachments", "attachments of one message", count(&l.MessageAttachments)},
		{"limits.unsent_attachments", "uploads of one principal that it has not sent yet", count(&l.UnsentAttachments)},
		{"limits.unsent_ttl", "how long after it was announced an upload that is not sent is deleted", duration(&l.UnsentTTL)},
		{"limits.log_retention", "how long events are kept for those who come back", duration(&l.LogRetention)},
	}
}
