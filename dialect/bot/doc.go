// Package bot spells the bot surface. New is the documented dialect, 1a of
// contracts.md section 2.1; NewPages is 1b, what its shipped web pages speak.
//
// The documented dialect is JSON objects with a `type`, ids shown as UUIDs, a
// session for a conversation and an answer that streams in chunks.
//
// What the sample client of that surface makes necessary: it dispatches frames by
// `type` into the same emitter as its own life, so no frame is ever named
// connected or disconnected, and neither authentication nor a subscription is
// acknowledged. A client that named a cursor hears `cursor` in their place.
//
// The surface is silent about edits and deletions of messages (C18), and about
// everything outside of conversations.
package bot
