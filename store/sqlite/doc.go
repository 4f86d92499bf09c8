// Package sqlite is the embedded store: parley.Store in one SQLite file.
//
// One goroutine owns the only connection that writes. It takes whatever updates
// are queued, runs each in a savepoint of one transaction and commits them
// together, so that an acknowledgement means "synced" and a busy store syncs
// once for many. Before it commits it lets those go first who can run or have
// news from the network, as long as that brings more updates. Reads go to a small
// pool of read-only connections and do not wait for the writer (WAL), unless they ask
// an index for what it lacks.
//
// What indexes the log by key and messages by word is written for many commits at
// once: beside the truth it would be most of what a commit writes, in pages that lie
// apart. A reader who asks for more than an index has sends an update that writes it;
// after a crash what is missing is read again from the log and the messages.
//
// The commit gives events their Positions: a file has one server, so the order
// of commits is the order of the log. Sequence hands out of memory what this
// process committed.
//
// A limit is written `LIMIT ? + 0`: SQLite looks into a bare parameter there to plan
// for its value, and so compiles the statement anew whenever that is bound, which is
// more work than most of our reads.
package sqlite
