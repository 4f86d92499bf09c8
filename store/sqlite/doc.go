// Package sqlite is the embedded store: parley.Store in one SQLite file.
//
// One goroutine owns the only connection that writes. It takes whatever updates
// are queued, runs each in a savepoint of one transaction and commits them
// together, so that an acknowledgement means "synced" and a busy store syncs
// once for many. Before it commits it lets those go first who can run or have
// news from the network, as long as that brings more updates. Reads go to a small pool of read-only connections and never
// wait for the writer (WAL).
//
// The commit gives events their Positions: a file has one server, so the order
// of commits is the order of the log. Sequence hands out of memory what this
// process committed.
//
// A limit is written `LIMIT ? + 0`: SQLite looks into a bare parameter there to plan
// for its value, and so compiles the statement anew whenever that is bound, which is
// more work than most of our reads.
package sqlite
