// Package chat spells the chat surface, contracts.md section 4.1: frames of a
// client carry an `action`, those of the server a `type` and a `payload`, and an
// event travels two levels deep, {type:"event", payload:{type, payload}}.
//
// Payloads hold the fields of the published catalogue and nothing else, but for
// the stream's offset and message_id and what no source names. Its real client
// reads `error` payloads as text, so they are always a string, with the code
// beside it.
//
// Presence is told once to each socket of those who share a conversation with
// whoever came or went, without their asking. Its envelope names one conversation
// that they share, because clients drop what they cannot file under one.
//
// An event is encoded once for all who hear it. The catalogue's contact_name and
// contact_id are "the other one", which differs between listeners of a
// conversation of two people: there they are left out, and told only where the
// other one is the agent. Clients read the conversation itself anyway.
package chat
