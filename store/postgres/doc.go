// Package postgres is parley.Store on PostgreSQL 14 or later, for more than one
// node.
//
// Transactions are READ COMMITTED and lock what they are about to number: the row
// of a conversation, or of a run. An event is inserted without a place in its log;
// Sequence gives the places, under one lock in the database, so that any number of
// nodes may call it (docs/decisions/0001).
//
// Where the connection breaks during a commit nobody can say what became of it.
// Update then answers parley.ErrUnavailable although the transaction may have been
// kept: whoever tries again does so under the same idempotency key and gets the
// first answer. There is no other case in which an error stands for something that
// was kept.
package postgres
