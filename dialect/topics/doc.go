// Package topics spells the topics surface: the socket `/ws/topics`
// (contracts.md section 3, C12, C13, and the frame table of section 10, which is
// ours: the sources publish the topic grammar and leave the frames out).
//
// Clients send {op: auth | resume | subscribe | unsubscribe | publish | ping}; the
// server says {op: authenticated | subscribed | unsubscribed | published | event |
// pong | cursor | reload | expiring | error}.
//
// A client publishes a custom, memory, offering or system event by
//
//	{op:"publish", id?, source, name, resource_id?, payload?, targets?, idempotency_key?}
//
// with the rules, limits and scopes of POST /api/events/publish: source is its
// channel, name ("resource.event", or a built-in type) its type, payload its data,
// {} where there is none. resource_id is another way to write payload.id: it
// becomes the payload's id where that has none, and must be the same where it has
// one. With an id the answer is {op:"published", id, event_id, timestamp}, for a
// durable event once it is kept; without, a publish that succeeds has no answer.
// One that fails is answered by {op:"error", id?, code, message} always.
//
// An event is told once, whatever patterns match it, with its topic
//
//	events.{orgId}.{source}.{resource}.{event}.{resourceId}
//
// and {id, organizationId, source, resource, resourceId, eventName, timestamp,
// payload, metadata}. Segments are percent-encoded in the topic and plain in the
// fields. metadata has what is not the payload's: actor and actorType,
// conversationId, changeSeq (durable events: the place in the conversation's
// order), internal.
//
// Payloads are camelCase. message_posted, message_updated and message_deleted
// have a message: {id, role, createdAt, updatedAt, parts:[{kind:"text", text}],
// conversationId, seq, sender, …}. message_stream has a piece of an answer:
// {messageId, content, done, error, aiRole, attachments, runId, offset}. The first
// piece is empty and says that the answer begins; offset is the byte of the answer
// at which a piece belongs, so that a piece with offset 0 that is not the first
// replaces all before it; the last has done, status and no content. aiRole is who
// the text is of: always 1, the assistant. error is empty unless the run failed
// or was interrupted.
//
// A task is told by its state, tasks.task.completed, with the task; tasks.task.streamed
// has a piece of what it says, {id, content, executorId}. What a conversation is to
// oneself (muted, archived, hidden, and receipt_updated in a large one) is told to
// oneself alone, whatever the pattern.
package topics
