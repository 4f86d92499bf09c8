// Package events spells the events surface: the socket `/realtime`, whose
// envelope the webhooks share (contracts.md sections 1 and 9, the events
// paragraphs of section 10).
//
// Every frame is one envelope:
//
//	{"id":"evt_…","type":"message.new","channel":"conversation","timestamp":"…","data":{…},"cursor":"…"}
//
// `cursor` is ours, on durable events; all ids and names within `data` that the
// contract does not show are additive. Where one name covers several facts the
// data tells them apart: message.updated has `deleted` for a message that was
// deleted, and `change` and `reaction` where somebody reacted; its message is then
// id and seq, no more. conversation.updated has `change`, the canonical type, beside
// the conversation's `status`.
//
// The surface has no streams: of an answer it hears the message, once, when the
// run has ended (C20). A run that did not complete has left a message too; it is
// told with the run's `status` like any other.
//
// Clients send nothing that means anything. News of the Conn itself come as
// system.status: a moved cursor for who asked for one, and the call to reload.
package events
