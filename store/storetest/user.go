package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/parley-chat/parley"
)

var userCases = group{"users and logins", []testCase{
	{"a user is found by id and by e-mail, with all fields", func(e *env) {
		u := newUser(e.org, "ann")
		u.DisabledAt = at(9)
		e.ok(e.s.InsertUser(e.ctx, u, "Ann"))
		e.same("by id", must(e.s.User(e.ctx, e.org, "ann"))(e), u)
		e.same("by e-mail", must(e.s.UserByEmail(e.ctx, u.Email))(e), u)
		e.same("as a principal", must(e.s.Principal(e.ctx, e.org, "ann"))(e), &parley.Principal{
			Org: e.org, ID: "ann", Kind: parley.KindUser, Name: "Ann", Email: u.Email,
		})
	}},
	{"nobody is not found", func(e *env) {
		e.ok(e.s.InsertUser(e.ctx, newUser(e.other, "ann"), ""))
		_, err := e.s.User(e.ctx, e.org, "ann")
		e.fails(err, parley.ErrNotFound)
		_, err = e.s.UserByEmail(e.ctx, "nobody@example.com")
		e.fails(err, parley.ErrNotFound)
		_, err = e.s.UpdateUser(e.ctx, newUser(e.org, "ann"), "hash of ann", "")
		e.fails(err, parley.ErrNotFound)
		e.fails(e.s.InsertLogin(e.ctx, newLogin(e.org, "ann", 1), "hash of ann", 9), parley.ErrNotFound)
	}},
	{"an e-mail is taken once, whatever the org", func(e *env) {
		u := newUser(e.org, "ann")
		e.ok(e.s.InsertUser(e.ctx, u, "Ann"))
		again := newUser(e.other, "ben")
		again.Email = u.Email
		e.fails(e.s.InsertUser(e.ctx, again, "Ben"), parley.ErrConflict)
		_, err := e.s.Principal(e.ctx, e.other, "ben")
		e.fails(err, parley.ErrNotFound) // nothing is left of it
	}},
	{"an id that somebody has is taken", func(e *env) {
		e.update(func(tx parley.Tx) error {
			return tx.UpsertPrincipal(&parley.Principal{Org: e.org, ID: "ann", Kind: parley.KindService, Name: "S"})
		})
		e.fails(e.s.InsertUser(e.ctx, newUser(e.org, "ann"), "Ann"), parley.ErrConflict)
		_, err := e.s.User(e.ctx, e.org, "ann")
		e.fails(err, parley.ErrNotFound)
	}},
	{"a password is changed by who knows it, and ends the other logins", func(e *env) {
		u := newUser(e.org, "ann")
		e.ok(e.s.InsertUser(e.ctx, u, "Ann"))
		e.ok(e.s.InsertUser(e.ctx, newUser(e.org, "ben"), "Ben"))
		first, second, third := newLogin(e.org, "ann", 1), newLogin(e.org, "ann", 2), newLogin(e.org, "ann", 3)
		theirs := newLogin(e.org, "ben", 1)
		for _, l := range []*parley.Login{first, second, third} {
			e.ok(e.s.InsertLogin(e.ctx, l, u.Password, 9))
		}
		e.ok(e.s.InsertLogin(e.ctx, theirs, "hash of ben", 9))
		was := u.Password
		u.Password = "another"
		_, err := e.s.UpdateUser(e.ctx, u, "not it", "")
		e.fails(err, parley.ErrConflict)
		ended, err := e.s.UpdateUser(e.ctx, u, was, second.ID)
		e.ok(err)
		e.same("ended", ended, []string{first.ID, third.ID})
		e.same("user", must(e.s.User(e.ctx, e.org, "ann"))(e), u)
		_, err = e.s.Login(e.ctx, first.ID)
		e.fails(err, parley.ErrNotFound)
		e.same("kept", must(e.s.Login(e.ctx, second.ID))(e), second)
		e.same("another's", must(e.s.Login(e.ctx, theirs.ID))(e), theirs)
		e.fails(e.s.InsertLogin(e.ctx, newLogin(e.org, "ann", 4), was, 9), parley.ErrConflict)
	}},
	{"who is disabled may not sign in, nor go on", func(e *env) {
		u := newUser(e.org, "ann")
		e.ok(e.s.InsertUser(e.ctx, u, "Ann"))
		l := newLogin(e.org, "ann", 1)
		e.ok(e.s.InsertLogin(e.ctx, l, u.Password, 9))
		u.DisabledAt = at(5)
		ended, err := e.s.UpdateUser(e.ctx, u, u.Password, l.ID)
		e.ok(err)
		e.same("ended", len(ended), 0)
		e.fails(e.s.InsertLogin(e.ctx, newLogin(e.org, "ann", 6), u.Password, 9), parley.ErrConflict)
		e.fails(e.s.RotateLogin(e.ctx, rotated(l, 1, 6), l.Hash), parley.ErrConflict)
	}},
	{"a login rotates, and the token before is no longer good", func(e *env) {
		e.ok(e.s.InsertUser(e.ctx, newUser(e.org, "ann"), "Ann"))
		l := newLogin(e.org, "ann", 1)
		e.ok(e.s.InsertLogin(e.ctx, l, "hash of ann", 9))
		e.same("at first", must(e.s.Login(e.ctx, l.ID))(e), l)
		next := rotated(l, 0xff, 20)
		e.ok(e.s.RotateLogin(e.ctx, next, l.Hash))
		e.fails(e.s.RotateLogin(e.ctx, rotated(l, 2, 21), l.Hash), parley.ErrConflict)
		next.Previous = l.Hash
		e.same("login", must(e.s.Login(e.ctx, l.ID))(e), next)
		third := rotated(next, 3, 30)
		e.ok(e.s.RotateLogin(e.ctx, third, next.Hash))
		third.Previous = next.Hash
		e.same("again", must(e.s.Login(e.ctx, l.ID))(e), third)
		third.ID = "none of " + l.ID
		e.fails(e.s.RotateLogin(e.ctx, third, third.Hash), parley.ErrNotFound)
	}},
	{"a login that is older than what a family has in common gets it by its next token", func(e *env) {
		e.ok(e.s.InsertUser(e.ctx, newUser(e.org, "ann"), "Ann"))
		l := newLogin(e.org, "ann", 1)
		l.Family = nil
		e.ok(e.s.InsertLogin(e.ctx, l, "hash of ann", 9))
		e.same("before", must(e.s.Login(e.ctx, l.ID))(e), l)
		next := rotated(l, 2, 20)
		next.Family = []byte{7}
		e.ok(e.s.RotateLogin(e.ctx, next, l.Hash))
		next.Previous = l.Hash
		e.same("after", must(e.s.Login(e.ctx, l.ID))(e), next)
	}},
	{"of many who rotate with the same token one succeeds", func(e *env) {
		e.ok(e.s.InsertUser(e.ctx, newUser(e.org, "ann"), "Ann"))
		l := newLogin(e.org, "ann", 1)
		e.ok(e.s.InsertLogin(e.ctx, l, "hash of ann", 9))
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = e.s.RotateLogin(e.ctx, rotated(l, byte(i), 2), l.Hash) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, parley.ErrConflict) {
				e.Errorf("error is %v, want a conflict", err)
			}
		}
		e.same("rotated", won, 1)
	}},
	{"logins that have expired are let go, and the oldest of too many", func(e *env) {
		e.ok(e.s.InsertUser(e.ctx, newUser(e.org, "ann"), "Ann"))
		expired := newLogin(e.org, "ann", 1)
		expired.ExpiresAt = at(4)
		list := []*parley.Login{expired, newLogin(e.org, "ann", 2), newLogin(e.org, "ann", 3), newLogin(e.org, "ann", 5)}
		for _, l := range list {
			e.ok(e.s.InsertLogin(e.ctx, l, "hash of ann", 2))
		}
		for i, l := range list {
			_, err := e.s.Login(e.ctx, l.ID)
			e.same(fmt.Sprintf("login %d is there", i), err == nil, i >= 2)
		}
	}},
	{"a login ends once", func(e *env) {
		e.ok(e.s.InsertUser(e.ctx, newUser(e.org, "ann"), "Ann"))
		l := newLogin(e.org, "ann", 1)
		e.ok(e.s.InsertLogin(e.ctx, l, "hash of ann", 9))
		for range 2 {
			e.ok(e.s.DeleteLogin(e.ctx, l.ID))
			_, err := e.s.Login(e.ctx, l.ID)
			e.fails(err, parley.ErrNotFound)
		}
	}},
}}

// newUser's e-mail is nobody else's: a store has one list of them.
func newUser(org parley.OrgID, id parley.PrincipalID) *parley.User {
	return &parley.User{
		Org: org, ID: id, Email: fmt.Sprintf("%s@%s.example", id, org), Password: "hash of " + string(id), CreatedAt: at(1),
	}
}

func newLogin(org parley.OrgID, user parley.PrincipalID, created int) *parley.Login {
	id := newEventID().String()
	hash := sha256.Sum256([]byte(id))
	return &parley.Login{
		ID: id, Org: org, User: user, Family: []byte("family of " + id), Hash: hash[:],
		CreatedAt: at(created), RotatedAt: at(created), ExpiresAt: at(59),
	}
}

// rotated is a login with another token that is good.
func rotated(l *parley.Login, hash byte, when int) *parley.Login {
	next := *l
	next.Hash, next.Salt = []byte{0, 1, hash}, []byte{hash, 0}
	next.RotatedAt, next.ExpiresAt = at(when), at(when+20)
	return &next
}
