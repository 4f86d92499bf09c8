package httpd

import (
	"encoding/json"

	"github.com/parley-chat/parley"
)

// The bodies of requests, as the API documents describe them. Handlers read them
// field by field, so that a mistake is told with the field's name; that the two
// agree is held by the transcripts, whose requests are checked against these.
type (
	publishRequest struct {
		Type           string               `json:"type" jsonschema:"Any type that is not one of the server's own."`
		Channel        string               `json:"channel" jsonschema:"The channel of the events surface."`
		Data           map[string]any       `json:"data,omitempty" jsonschema:"A JSON object, told as it is."`
		Targets        []parley.PrincipalID `json:"targets,omitempty" jsonschema:"Who hears it; left out: everybody who listens on the channel."`
		IdempotencyKey string               `json:"idempotency_key,omitempty" jsonschema:"The same key again is answered like the first time, for ever."`
	}
	publishBatchRequest struct {
		Events []publishRequest `json:"events" jsonschema:"1 to 1000 events."`
	}
	createSessionRequest struct {
		BotID    string         `json:"bot_id,omitempty"`
		UserID   string         `json:"user_id,omitempty" jsonschema:"Not looked at: the session is the caller's own."`
		Title    string         `json:"title,omitempty"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}
	emptyRequest          struct{}
	sessionMessageRequest struct {
		Content     string `json:"content"`
		Type        string `json:"type,omitempty"`
		ClientMsgID string `json:"client_msg_id,omitempty"`
	}
	userTokenRequest struct {
		UserID parley.PrincipalID `json:"user_id"`
		Name   string             `json:"name,omitempty"`
		Email  string             `json:"email,omitempty"`
		Scopes []string           `json:"scopes,omitempty" jsonschema:"Left out: those of the user set that the credential holds."`
		TTL    any                `json:"ttl,omitempty" jsonschema:"Seconds, or like 30m; 1s to 24h, 1h unless said."`
	}
	createConversationRequest struct {
		Type           parley.ConversationKind `json:"type,omitempty" jsonschema:"Left out: by the participants."`
		Name           string                  `json:"name,omitempty"`
		Description    string                  `json:"description,omitempty"`
		ParticipantIDs []parley.PrincipalID    `json:"participant_ids,omitempty"`
	}
	updateConversationRequest struct {
		Name        *string `json:"name,omitempty"`
		Description *string `json:"description,omitempty"`
	}
	deleteRequest struct {
		Mode string `json:"mode,omitempty" jsonschema:"for_me, or for_everyone."`
	}
	upToRequest struct {
		UpToSeq uint64 `json:"up_to_seq,omitempty" jsonschema:"Left out: the last message."`
	}
	muteRequest struct {
		Until       string `json:"until,omitempty" jsonschema:"A time; it wins over duration_sec."`
		DurationSec uint64 `json:"duration_sec,omitempty" jsonschema:"Neither of the two: for good."`
	}
	retentionRequest struct {
		Days *int `json:"days" jsonschema:"1 to 36500, or null: an org keeps for ever then, and a conversation does as its org. For a conversation 0 is for ever."`
	}
	addParticipantsRequest struct {
		UserIDs []parley.PrincipalID `json:"user_ids"`
		Role    parley.Role          `json:"role,omitempty"`
	}
	roleRequest struct {
		Role parley.Role `json:"role"`
	}
	typingRequest struct {
		State string `json:"state" jsonschema:"start or stop."`
	}
	sendRequest struct {
		ConversationID parley.ConversationID `json:"conversation_id"`
		ContentText    string                `json:"content_text,omitempty" jsonschema:"Required where there are no attachments."`
		ContentType    string                `json:"content_type,omitempty" jsonschema:"text unless said, or what the attachments are; image, audio, video, file, task, result, system."`
		ContentMeta    string                `json:"content_meta,omitempty" jsonschema:"The client's own string, kept untouched."`
		ReplyToID      parley.MessageID      `json:"reply_to_id,omitempty"`
		ThreadRole     string                `json:"thread_role,omitempty" jsonschema:"main or aside."`
		TaskID         string                `json:"task_id,omitempty"`
		ClientMsgID    string                `json:"client_msg_id,omitempty" jsonschema:"Sending again under the same id is answered like the first time, for ever."`
		IsInternal     bool                  `json:"is_internal,omitempty"`
		Attachments    []parley.AttachmentID `json:"attachments,omitempty" jsonschema:"One's own uploads for this conversation, each sent once."`
	}
	announceRequest struct {
		ConversationID parley.ConversationID `json:"conversation_id" jsonschema:"Where it is to be sent."`
		Name           string                `json:"name" jsonschema:"Of the file, at most 255 bytes; directories before it are left out."`
		ContentType    string                `json:"content_type"`
		Size           uint64                `json:"size" jsonschema:"In bytes; as many are taken."`
		SHA256         string                `json:"sha256,omitempty" jsonschema:"In hex; other bytes are then refused."`
	}
	syncRequest struct {
		Conversations []syncRequestPlace `json:"conversations" jsonschema:"At most 1000."`
		Limit         uint64             `json:"limit,omitempty" jsonschema:"Messages of one conversation."`
	}
	syncRequestPlace struct {
		ConversationID parley.ConversationID `json:"conversation_id"`
		LastSeq        uint64                `json:"last_seq,omitempty" jsonschema:"Exclusive."`
		LastChangeSeq  *uint64               `json:"last_change_seq,omitempty" jsonschema:"Exclusive; left out, changes are not told."`
	}
	editRequest struct {
		ContentText string  `json:"content_text"`
		ContentMeta *string `json:"content_meta,omitempty"`
	}
	reactRequest struct {
		ConversationID parley.ConversationID `json:"conversation_id,omitempty"`
		Emoji          string                `json:"emoji"`
	}
	forwardRequest struct {
		MessageID       parley.MessageID        `json:"message_id"`
		ConversationIDs []parley.ConversationID `json:"conversation_ids" jsonschema:"At most 50."`
		ClientMsgID     string                  `json:"client_msg_id,omitempty" jsonschema:"Forwarding again under the same id is answered like the first time, for ever."`
	}
	presenceRequest struct {
		Status parley.PresenceStatus `json:"status" jsonschema:"online or away."`
		Detail string                `json:"status_detail,omitempty" jsonschema:"One line in one's own words, at most 256 bytes."`
	}
	createTaskRequest struct {
		ConversationID parley.ConversationID `json:"conversation_id"`
		AgentID        parley.PrincipalID    `json:"agent_id,omitempty" jsonschema:"Left out: the caller."`
		ParentID       parley.TaskID         `json:"parent_id,omitempty"`
		Title          string                `json:"title,omitempty"`
		Status         parley.TaskStatus     `json:"status,omitempty" jsonschema:"running unless said."`
		CurrentStep    string                `json:"current_step,omitempty"`
		Narrative      string                `json:"progress_narrative,omitempty"`
	}
	updateTaskRequest struct {
		Status      parley.TaskStatus `json:"status,omitempty"`
		CurrentStep *string           `json:"current_step,omitempty"`
		Narrative   *string           `json:"progress_narrative,omitempty"`
		Result      json.RawMessage   `json:"result,omitempty"`
		Error       *string           `json:"error,omitempty"`
	}
	signUpRequest struct {
		Email       string `json:"email"`
		Password    string `json:"password" jsonschema:"8 to 256 bytes."`
		DisplayName string `json:"display_name,omitempty"`
		Name        string `json:"name,omitempty" jsonschema:"The same; display_name wins."`
	}
	loginRequest struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	refreshRequest struct {
		RefreshToken string `json:"refresh_token" jsonschema:"Good once: one that comes again ends the login."`
	}
	logoutRequest struct {
		RefreshToken string `json:"refresh_token,omitempty" jsonschema:"Left out: the login of the access token ends."`
	}
	profileRequest struct {
		DisplayName *string `json:"display_name,omitempty" jsonschema:"Null or empty: the name that the credential says."`
		Bio         *string `json:"bio,omitempty"`
		AvatarURL   *string `json:"avatar_url,omitempty" jsonschema:"An http or https URL."`
		JobTitle    *string `json:"job_title,omitempty"`
		Language    *string `json:"language,omitempty" jsonschema:"A language tag, de or de-CH."`
	}
	changePasswordRequest struct {
		CurrentPassword string `json:"current_password"`
		NewPassword     string `json:"new_password" jsonschema:"8 to 256 bytes."`
	}
	streamTaskRequest struct {
		Delta string `json:"delta"`
	}
)

// Answers that are written by hand elsewhere.
type (
	published struct {
		EventID    parley.EventID `json:"event_id"`
		Published  bool           `json:"published"`
		Timestamp  stamp          `json:"timestamp"`
		Recipients uint64         `json:"recipients"`
	}
	publishedBatch struct {
		Results   []publishOutcome `json:"results"`
		Published int              `json:"published"`
		Refused   int              `json:"refused"`
	}
	refusedEvent struct {
		Published bool    `json:"published"` // always false
		Error     refusal `json:"error"`
	}
	// publishOutcome is a published or a refusedEvent.
	publishOutcome any
	// pair is [role, content].
	pair [2]string
)
