package dialecttest

import (
	"hash/crc32"
	"time"

	"github.com/parley-chat/parley"
)

// Sample is a named event.
type Sample struct {
	// Name is the event's type, or type/variant.
	Name  string
	Event *parley.Event
}

// Time is when the samples happened: nanoseconds that a frame rounds down to
// 2026-11-21T16:30:00.123Z.
var Time = time.Date(2026, 11, 21, 16, 30, 0, 123456789, time.UTC)

// What must never be told to anyone: the Conn that sent something, a sender's own
// idempotency key, and who said in another conversation what was forwarded.
const (
	SecretOrigin      = "conn-origin-of-the-sender"
	SecretClientMsgID = "client-msg-id-of-the-sender"
	SecretSource      = "who-said-it-elsewhere"
)

// Hostile is text that breaks careless encoders: quotes, control bytes, line
// separators, markup.
const Hostile = "\"quoted\" \\ back\n\r\t\x00\x1f\x7f </script><!-- \u2028\u2029 end"

// NotUTF8 is text that no door lets in and that must not spoil a frame all the
// same.
const NotUTF8 = "cut off: \xff\xf0\x9f\x91"

// Multibyte is text of two to four bytes a rune, with a joined emoji.
const Multibyte = "Zwölf Boxkämpfer 日本語 👩‍🚀"

// UUID makes the n-th of the ids the samples are made of: a UUIDv7, different for
// each n.
func UUID(n int) [16]byte {
	ms := uint64(Time.UnixMilli()) + uint64(n)
	id := [16]byte{6: 0x70, 8: 0x80, 14: byte(n >> 8), 15: byte(n)}
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// The ids that the samples share.
var (
	Conversation = parley.ConversationID(UUID(1))
	MessageID    = parley.MessageID(UUID(2))
	RunID        = parley.RunID(UUID(3))
	TaskID       = parley.TaskID(UUID(4))
	CallID       = parley.CallID(UUID(5))
)

// Principals of the samples.
const (
	Org   parley.OrgID       = "org_acme"
	Ada   parley.PrincipalID = "user_ada"
	Bruno parley.PrincipalID = "user_bruno"
	Robot parley.PrincipalID = "agent_robot"
)

type builder struct{ list []Sample }

// add makes a sample. Its id, change_seq and Position follow from its name, so
// that a sample more changes no transcript of another.
func (b *builder) add(variant string, t parley.EventType, body parley.Body, change func(*parley.Event)) {
	name := string(t)
	if variant != "" {
		name += "/" + variant
	}
	n := 100 + int(crc32.ChecksumIEEE([]byte(name))%10000)
	e := &parley.Event{
		ID: parley.EventID(UUID(n)), Org: Org, Type: t, Time: Time,
		Actor: Ada, ActorKind: parley.KindUser, Body: body,
	}
	spec, known := parley.SpecOf(t)
	if known {
		e.Class, e.Channel = spec.Class, spec.Channel
	} else {
		e.Class, e.Channel = parley.Durable, "app-channel"
	}
	if known && spec.Scope == parley.ConversationScope {
		e.Conversation, e.ChangeSeq = Conversation, uint64(n)
	}
	if change != nil {
		change(e)
	}
	if e.Class == parley.Durable {
		e.Position = parley.Position{Epoch: 0x5eed_0000_cafe_f00d, Offset: uint64(n)}
	}
	b.list = append(b.list, Sample{name, e})
}

// Events returns the samples: of every type of parley.EventSpecs a fully filled
// one, named like the type, and the variants that encoders trip over. The caller
// owns what it gets.
func Events() []Sample {
	b := new(builder)
	b.messages()
	b.reactions()
	b.streams()
	b.typing()
	b.presence()
	b.conversations()
	b.states()
	b.tasks()
	b.calls()
	b.published()
	return b.list
}

// Event returns the sample of that name; it panics where there is none.
func Event(name string) *parley.Event {
	for _, s := range Events() {
		if s.Name == name {
			return s.Event
		}
	}
	panic("dialecttest: no sample event is called " + name)
}

// Message returns a fully filled message of a person.
func Message() parley.Message {
	return parley.Message{
		ID: MessageID, Conversation: Conversation, Seq: 7,
		Sender: Ada, SenderKind: parley.KindUser, SenderName: "Ada",
		Content: "Shall we meet at ten?", ContentType: "text", ContentMeta: `{"lang":"en"}`,
		ReplyTo: parley.MessageID(UUID(20)), ThreadID: parley.MessageID(UUID(21)), ThreadRole: "aside",
		TaskID: "task_9", ClientMsgID: SecretClientMsgID, CreatedAt: Time, Forwarded: true, Origin: SecretOrigin,
	}
}

// minimalMessage has only what every message has.
func minimalMessage() parley.Message {
	return parley.Message{
		ID: MessageID, Conversation: Conversation, Seq: 1, Sender: Ada, SenderKind: parley.KindUser,
		Content: "hi", ContentType: "text", CreatedAt: Time,
	}
}

func runMessage(status parley.RunStatus) parley.Message {
	m := minimalMessage()
	m.Sender, m.SenderKind, m.SenderName = Robot, parley.KindAgent, "Robot"
	m.Seq, m.Content = 8, "At ten it is."
	m.Run = &parley.RunRef{ID: RunID, Status: status, After: 4}
	return m
}

func byRobot(e *parley.Event) { e.Actor, e.ActorKind = Robot, parley.KindAgent }

func (b *builder) message(variant string, t parley.EventType, m parley.Message, change func(*parley.Event)) {
	b.add(variant, t, &parley.MessageBody{Message: m}, func(e *parley.Event) {
		e.Actor, e.ActorKind, e.Internal = m.Sender, m.SenderKind, m.Internal
		if change != nil {
			change(e)
		}
	})
}

func (b *builder) messages() {
	b.message("", parley.MessageCreated, Message(), nil)
	b.message("minimal", parley.MessageCreated, minimalMessage(), nil)
	b.message("run", parley.MessageCreated, runMessage(parley.RunCompleted), nil)
	b.message("run interrupted", parley.MessageCreated, runMessage(parley.RunInterrupted), nil)

	service := minimalMessage()
	service.Sender, service.SenderKind = "billing", parley.KindService
	b.message("service", parley.MessageCreated, service, nil)

	internal := Message()
	internal.Internal, internal.Content = true, "Customer is angry, be careful."
	b.message("internal", parley.MessageCreated, internal, nil)

	hostile := Message()
	hostile.Content, hostile.SenderName, hostile.ContentMeta, hostile.Sender = Hostile, Hostile, Hostile, `user".*>%/`+"\u2028"
	hostile.ThreadRole, hostile.TaskID, hostile.ContentType = Hostile, Hostile, Hostile
	b.message("hostile", parley.MessageCreated, hostile, nil)

	notUTF8 := minimalMessage()
	notUTF8.Content, notUTF8.SenderName = NotUTF8, NotUTF8
	b.message("not UTF-8", parley.MessageCreated, notUTF8, nil)

	multibyte := minimalMessage()
	multibyte.Content = Multibyte
	b.message("multibyte", parley.MessageCreated, multibyte, nil)

	empty := minimalMessage()
	empty.Content = ""
	b.message("empty", parley.MessageCreated, empty, nil)

	updated := Message()
	updated.Content, updated.EditedAt, updated.EditCount = "Shall we meet at eleven?", Time.Add(time.Minute), 2
	b.message("", parley.MessageUpdated, updated, nil)
	b.message("hidden", parley.MessageUpdated, updated, func(e *parley.Event) {
		e.Body.(*parley.MessageBody).HiddenFrom = []parley.PrincipalID{SecretSource}
	})

	forwarded := minimalMessage()
	forwarded.Forwarded = true
	forwarded.Source = &parley.Source{
		Conversation: parley.ConversationID(UUID(22)), Message: parley.MessageID(UUID(23)), Sender: SecretSource, SenderName: SecretSource,
	}
	b.message("forwarded", parley.MessageCreated, forwarded, nil)

	files := minimalMessage()
	files.Content, files.ContentType = "", "file"
	files.Attachments = []parley.File{
		{ID: parley.AttachmentID(UUID(24)), Name: "plan \"b\" für zwei.pdf", ContentType: "application/pdf", Size: 5 << 30},
		{ID: parley.AttachmentID(UUID(25)), Name: "a.png", ContentType: "image/png", Size: 1},
	}
	b.message("files", parley.MessageCreated, files, nil)

	// A deleted message still has its content here: a dialect must not tell it.
	deleted := updated
	deleted.Deleted, deleted.Attachments = true, []parley.File{{ID: parley.AttachmentID(UUID(24)), Name: SecretSource}}
	b.message("", parley.MessageDeleted, deleted, nil)
}

func (b *builder) streams() {
	run := func(status parley.RunStatus) *parley.RunBody {
		return &parley.RunBody{
			Run: RunID, Message: MessageID, Agent: Robot, Name: "Robot", Status: status, Epoch: 2, After: 4,
		}
	}
	ended := func(status parley.RunStatus, detail string) *parley.RunBody {
		r := run(status)
		r.Text, r.Seq, r.Detail = "At ten it is.", 8, detail
		return r
	}
	delta := func(rseq uint64, offset int, text string) *parley.DeltaBody {
		return &parley.DeltaBody{Run: RunID, Message: MessageID, Agent: Robot, Epoch: 2, RSeq: rseq, Offset: offset, Text: text}
	}
	b.add("", parley.RunStarted, run(parley.RunRunning), byRobot)
	b.add("", parley.StreamStarted, run(parley.RunRunning), byRobot)
	b.add("first", parley.StreamDelta, delta(1, 0, "At "), byRobot)
	b.add("", parley.StreamDelta, delta(2, 3, "ten "), byRobot)
	b.add("snapshot", parley.StreamDelta, delta(3, 0, "At ten it "), byRobot)
	b.add("multibyte", parley.StreamDelta, delta(4, 10, Multibyte), byRobot)
	b.add("hostile", parley.StreamDelta, delta(5, 20, Hostile), byRobot)

	called := &parley.ToolBody{
		Run: RunID, Message: MessageID, Agent: Robot, Epoch: 2, RSeq: 6, Call: "call_1", Tool: "calendar",
		Arguments: parley.RawJSON(`{"day":"monday","n":[1,2.50]}`),
	}
	returned := *called
	returned.RSeq, returned.Arguments, returned.Result = 7, nil, parley.RawJSON(`{"free":["10:00"]}`)
	b.add("", parley.ToolCalled, called, byRobot)
	b.add("no arguments", parley.ToolCalled, &parley.ToolBody{Run: RunID, Message: MessageID, Agent: Robot, Call: Hostile, Tool: Hostile}, byRobot)
	b.add("", parley.ToolReturned, &returned, byRobot)

	b.add("", parley.RunEnded, ended(parley.RunCompleted, ""), byRobot)
	b.add("cancelled", parley.RunEnded, ended(parley.RunCancelled, "stopped by user_ada"), byRobot)
	b.add("interrupted", parley.RunEnded, ended(parley.RunInterrupted, "its node went away"), byRobot)
	b.add("failed", parley.RunEnded, ended(parley.RunFailed, "upstream said 500: "+Hostile), byRobot)
}

func (b *builder) typing() {
	ada := &parley.TypingBody{Principal: Ada, Kind: parley.KindUser, Name: "Ada", Origin: SecretOrigin}
	robot := &parley.TypingBody{Principal: Robot, Kind: parley.KindAgent, Name: Hostile}
	b.add("", parley.TypingStarted, ada, nil)
	b.add("agent", parley.TypingStarted, robot, byRobot)
	b.add("", parley.TypingStopped, ada, nil)
	b.add("agent", parley.TypingStopped, robot, byRobot)
}

func (b *builder) presence() {
	add := func(variant string, body parley.PresenceBody) {
		body.At, body.Shared = Time, Conversation
		b.add(variant, parley.PresenceChanged, &body, func(e *parley.Event) {
			e.Actor, e.ActorKind, e.Targets = body.Principal, body.Kind, []parley.PrincipalID{Bruno}
		})
	}
	add("", parley.PresenceBody{Principal: Ada, Kind: parley.KindUser, Status: parley.PresenceOnline})
	add("offline", parley.PresenceBody{Principal: Ada, Kind: parley.KindUser, Status: parley.PresenceOffline})
	add("away", parley.PresenceBody{Principal: Ada, Kind: parley.KindUser, Status: parley.PresenceAway, Detail: "In a meeting"})
	add("agent", parley.PresenceBody{Principal: Robot, Kind: parley.KindAgent, Status: parley.PresenceOnline})
	add("hostile", parley.PresenceBody{Principal: `user".*>%/` + "\u2028", Kind: parley.KindUser, Status: parley.PresenceAway, Detail: Hostile})
}

func (b *builder) conversations() {
	body := func(kind parley.ConversationKind, status parley.ConversationStatus, reason string) *parley.ConversationBody {
		return &parley.ConversationBody{
			ID: Conversation, Kind: kind, Title: "Planning", Description: "What we do next", CreatedBy: Ada,
			Status: status, CreatedAt: Time, Reason: reason,
		}
	}
	created := body(parley.KindAgentGroup, parley.StatusActive, "")
	created.Members = []parley.MemberBody{
		{Principal: Ada, Kind: parley.KindUser, Name: "Ada", Role: parley.RoleOwner},
		{Principal: Bruno, Kind: parley.KindUser, Role: parley.RoleMember},
		{Principal: Robot, Kind: parley.KindAgent, Name: "Robot", Role: parley.RoleAgent, AutoRespond: true},
	}
	hostile := body(parley.KindGroup, parley.StatusActive, "")
	hostile.Title, hostile.Description = Hostile, Multibyte
	bare := &parley.ConversationBody{
		ID: Conversation, Kind: parley.KindDirect, CreatedBy: Ada, Status: parley.StatusActive, CreatedAt: Time,
	}
	b.add("", parley.ConversationCreated, created, nil)
	b.add("bare", parley.ConversationCreated, bare, nil)
	b.add("hostile", parley.ConversationCreated, hostile, nil)
	b.add("", parley.ConversationUpdated, body(parley.KindGroup, parley.StatusActive, ""), nil)
	kept, days := body(parley.KindGroup, parley.StatusActive, ""), 30
	kept.RetentionDays = &days
	b.add("retention", parley.ConversationUpdated, kept, nil)
	b.add("", parley.ConversationClosed, body(parley.KindAgentDirect, parley.StatusClosed, "user_disconnect"), nil)
	b.add("", parley.ConversationDeleted, body(parley.KindGroup, parley.StatusDeleted, "deleted"), nil)

	b.add("", parley.MemberJoined, &parley.MemberBody{
		Principal: Robot, Kind: parley.KindAgent, Name: "Robot", Role: parley.RoleAgent, AutoRespond: true, FromSeq: 7,
		Conversation: body(parley.KindAgentGroup, parley.StatusActive, ""),
	}, nil)
	b.add("", parley.MemberLeft, &parley.MemberBody{
		Principal: Bruno, Kind: parley.KindUser, Name: "Bruno", Role: parley.RoleMember, ToSeq: 9,
	}, nil)
	b.add("", parley.MemberUpdated, &parley.MemberBody{
		Principal: Bruno, Kind: parley.KindUser, Name: "Bruno", Role: parley.RoleAdmin, FromSeq: 10, ToSeq: 9,
	}, nil)
}

func (b *builder) published() {
	data := map[parley.EventType]string{
		parley.MemoryCreated:           `{"id":"mem_1","content":{"text":"likes tea","type":"fact"},"tags":["taste"]}`,
		parley.MemoryUpdated:           `{"id":"mem_1","content":{"text":"likes green tea","type":"fact"}}`,
		parley.MemoryDeleted:           `{"id":"mem_1"}`,
		parley.MemoryEmbeddingComplete: `{"id":"mem_1","embedding_status":"completed"}`,
		parley.OfferingInstalled:       `{"offering":{"id":"off_1","type":"plugin","name":"Calendar","version":"1.2.0","status":"active"}}`,
		parley.OfferingUninstalled:     `{"offering":{"id":"off_1","type":"plugin"}}`,
		parley.OfferingUpdated:         `{"offering":{"id":"off_1","type":"plugin","version":"1.3.0"}}`,
		parley.OfferingStatusChange:    `{"offering":{"id":"off_1","type":"plugin","status":"paused"}}`,
		parley.SystemNotification:      `{"title":"Backups moved","body":"They run at two."}`,
		parley.SystemStatus:            `{"status":"degraded"}`,
		parley.SystemMaintenance:       `{"starts_at":"2026-11-22T02:00:00Z","minutes":30}`,
	}
	for _, spec := range parley.EventSpecs() {
		d, ok := data[spec.Type]
		if !ok {
			continue
		}
		body := &parley.PublishedBody{Data: parley.RawJSON(d)}
		if spec.Channel == parley.ChannelMemory {
			body.ResourceID = "mem_1"
		}
		b.add("", spec.Type, body, func(e *parley.Event) { e.Actor, e.ActorKind = "billing", parley.KindService })
	}
	custom := func(variant, t, channel, data, resource string, change func(*parley.Event)) {
		b.add(variant, parley.EventType(t), &parley.PublishedBody{Data: parley.RawJSON(data), ResourceID: resource}, func(e *parley.Event) {
			e.Channel = channel
			if change != nil {
				change(e)
			}
		})
	}
	custom("", "order.shipped", "app-channel", `{"id":"order_5","customField":"value","timestamp":"2023-04-10T16:35:00Z"}`, "order_5", nil)
	custom("targets", "order.shipped", "app-channel", `{"n":1e3,"big":12345678901234567890,"e":"\u00e9"}`, "",
		func(e *parley.Event) { e.Targets = []parley.PrincipalID{Ada, Bruno} })
	custom("no dot", "heartbeat", "app-channel", `{}`, "", nil)
	custom("no data", "order.lost", "app-channel", "", "", nil)
	custom("null data", "order.lost", "app-channel", "null", "", nil) // no data, read back from the store
	custom("ephemeral", "cursor.moved", "board", `{"x":1,"y":2}`, "", func(e *parley.Event) { e.Class = parley.Ephemeral })
	custom("hostile", `a.b.c"*>`, "chan .*>\"nel", `{"id":"x.*.>"}`, "x.*.>\" /\u2028", nil)
	custom("conversation", "poll.opened", "app-channel", `{"conversation_id":"`+Conversation.String()+`","question":"tea?"}`, "",
		func(e *parley.Event) { e.Conversation, e.ChangeSeq = Conversation, 40 })
	custom("system", "order.shipped", "app-channel", `{"id":"order_6"}`, "order_6",
		func(e *parley.Event) { e.Actor, e.ActorKind = "", "" })
}
