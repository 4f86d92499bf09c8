package storetest

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

var principalCases = group{"principals", []testCase{
	{"who was seen is known by kind and name", func(e *env) {
		p := &parley.Principal{Org: e.org, ID: "auth0|ann", Kind: parley.KindUser, Name: "Änn", Email: "ann@example.com"}
		e.update(func(tx parley.Tx) error { return tx.UpsertPrincipal(p) })
		e.same("by the reader", must(e.s.Principal(e.ctx, e.org, p.ID))(e), p)
		e.same("in a transaction", inTx(e, func(tx parley.Tx) (*parley.Principal, error) { return tx.Principal(e.org, p.ID) }), p)
	}},
	{"the last thing seen counts", func(e *env) {
		for _, name := range []string{"first", "second", "second"} {
			p := &parley.Principal{Org: e.org, ID: "ann", Kind: parley.KindUser, Name: name}
			e.update(func(tx parley.Tx) error { return tx.UpsertPrincipal(p) })
			e.same("principal", must(e.s.Principal(e.ctx, e.org, "ann"))(e), p)
		}
	}},
	{"nobody is not found", func(e *env) {
		e.update(func(tx parley.Tx) error {
			return tx.UpsertPrincipal(&parley.Principal{Org: e.other, ID: "ann", Kind: parley.KindUser})
		})
		_, err := e.s.Principal(e.ctx, e.org, "ann")
		e.fails(err, parley.ErrNotFound)
		e.refused(parley.ErrNotFound, func(tx parley.Tx) error { _, err := tx.Principal(e.org, "ann"); return err })
	}},
}}

var publishedCases = group{"published", []testCase{
	{"a key is remembered with its event and hash", func(e *env) {
		id, hash := newEventID(), []byte{0, 1, 0xff}
		e.refused(parley.ErrNotFound, wantPublished(e.org, "ann", "k", id, hash))
		e.update(func(tx parley.Tx) error { return tx.RecordPublished(e.org, "ann", "k", id, at(5), hash) })
		e.update(wantPublished(e.org, "ann", "k", id, hash))
	}},
	{"a key is taken once by a principal", func(e *env) {
		record := func(org parley.OrgID, who parley.PrincipalID, key string) func(parley.Tx) error {
			return func(tx parley.Tx) error { return tx.RecordPublished(org, who, key, newEventID(), at(1), []byte{1}) }
		}
		e.update(record(e.org, "ann", "k"))
		e.refused(parley.ErrConflict, record(e.org, "ann", "k"))
		e.update(record(e.org, "ann", "l"))
		e.update(record(e.org, "ben", "k"))
		e.update(record(e.other, "ann", "k"))
	}},
	{"a key of another is not found", func(e *env) {
		id := newEventID()
		e.update(func(tx parley.Tx) error { return tx.RecordPublished(e.org, "ann", "k", id, at(5), nil) })
		e.refused(parley.ErrNotFound, wantPublished(e.org, "ben", "k", id, nil))
		e.refused(parley.ErrNotFound, wantPublished(e.other, "ann", "k", id, nil))
		e.refused(parley.ErrNotFound, wantPublished(e.org, "ann", "l", id, nil))
	}},
	{"a key whose transaction failed is free", func(e *env) {
		id := newEventID()
		e.refused(errBoom, func(tx parley.Tx) error {
			if err := tx.RecordPublished(e.org, "ann", "k", newEventID(), at(1), nil); err != nil {
				return err
			}
			return errBoom
		})
		e.update(func(tx parley.Tx) error { return tx.RecordPublished(e.org, "ann", "k", id, at(5), []byte{2}) })
		e.update(wantPublished(e.org, "ann", "k", id, []byte{2}))
	}},
}}

// wantPublished checks what is remembered of a key, recorded at(5).
func wantPublished(org parley.OrgID, who parley.PrincipalID, key string, id parley.EventID, hash []byte) func(parley.Tx) error {
	return func(tx parley.Tx) error {
		gotID, gotAt, gotHash, err := tx.Published(org, who, key)
		if err != nil {
			return err
		}
		got := fmt.Sprintf("%s at %s with %x", gotID, gotAt.Format(time.RFC3339Nano), gotHash)
		if want := fmt.Sprintf("%s at %s with %x", id, at(5).Format(time.RFC3339Nano), hash); got != want {
			return fmt.Errorf("published %s, want %s", got, want)
		}
		return nil
	}
}
