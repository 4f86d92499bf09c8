// Package parley holds the nouns and ports of Parley, the real-time backbone of
// an AI chat product: conversations between people and agents, and the canonical
// events they cause.
//
// It imports the standard library only. Everything else imports it: engine
// (what may happen), relay (in which order it is told), hub (who hears it here),
// conn (one listener), dialect/… (how it is spelled), store/… and bus/… (what is
// remembered, how nodes tell each other). docs/decisions says why.
package parley
