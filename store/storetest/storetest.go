// Package storetest is the contract of parley.Store as a suite: what a store
// must do to be one. An adapter's test is a line:
//
//	func TestStore(t *testing.T) { storetest.Run(t, open, storetest.Options{}) }
//
// Beyond the words of the port it holds a store to three things: times come back
// in UTC to the microsecond, a conflict leaves the transaction usable, and stays,
// keys and revocations are listed in the order of their times.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/parley-chat/parley"
)

// Options says what else a store can do.
type Options struct {
	// Reopen closes a store and opens what it kept, as a restart does. Nil where
	// the store keeps nothing; the cases that need it are then skipped.
	Reopen func(t *testing.T, s parley.Store) parley.Store
	// Only names the one group to run, for a store that does its work in another way;
	// empty runs all.
	Only string
}

// Run holds a store to the contract. open returns an empty store, which it closes
// when t ends; the cases of a group share one, each with an org of its own.
func Run(t *testing.T, open func(t *testing.T) parley.Store, opts Options) {
	for _, g := range []group{
		updateCases, conversationCases, memberCases, listCases, peerCases, messageCases, editCases,
		reactionCases, attachmentCases, stateCases, blockCases, unreadCases, searchCases, taskCases, runCases, principalCases,
		publishedCases, logCases, replayCases, cursorCases, trimCases, checkpointCases, rewriteCases, eraseCases, retentionCases, keyCases, nodeCases,
		userCases, peopleCases,
	} {
		if opts.Only != "" && g.name != opts.Only {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			s := open(t)
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newEnv(t, s)) })
			}
		})
	}
	if opts.Only != "" {
		return
	}
	t.Run("life", func(t *testing.T) {
		for _, c := range lifeCases {
			t.Run(c.name, func(t *testing.T) {
				e := newEnv(t, open(t))
				e.reopen = opts.Reopen
				c.run(e)
			})
		}
	})
}

type group struct {
	name  string
	cases []testCase
}

type testCase struct {
	name string
	run  func(e *env)
}

// env is what a case works with.
type env struct {
	*testing.T
	ctx    context.Context
	s      parley.Store
	org    parley.OrgID
	other  parley.OrgID // another org, for what must not be seen
	reopen func(t *testing.T, s parley.Store) parley.Store
}

var orgs atomic.Int64

func newEnv(t *testing.T, s parley.Store) *env {
	n := orgs.Add(1)
	return &env{
		T: t, ctx: t.Context(), s: s,
		org:   parley.OrgID(fmt.Sprintf("org_%d", n)),
		other: parley.OrgID(fmt.Sprintf("org_%d_other", n)),
	}
}

// update runs fn, which must not fail. fn may run on another goroutine: it
// reports by its error, never by ending the test.
func (e *env) update(fn func(tx parley.Tx) error) {
	e.Helper()
	e.ok(e.s.Update(e.ctx, fn))
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("unexpected error: %v", err)
	}
}

// fails asserts that err is want.
func (e *env) fails(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("error is %v, want %v", err, want)
	}
}

// refused asserts that an update by fn fails with want.
func (e *env) refused(want error, fn func(tx parley.Tx) error) {
	e.Helper()
	e.fails(e.s.Update(e.ctx, fn), want)
}

// same asserts that two values are deeply equal.
func (e *env) same(what string, got, want any) {
	e.Helper()
	if !reflect.DeepEqual(got, want) {
		e.Fatalf("%s:\n got  %+v\n want %+v", what, got, want)
	}
}

// must returns v where there is no error.
func must[T any](v T, err error) func(e *env) T {
	return func(e *env) T {
		e.Helper()
		e.ok(err)
		return v
	}
}

// inTx returns what fn returns in a transaction of its own.
func inTx[T any](e *env, fn func(tx parley.Tx) (T, error)) T {
	e.Helper()
	var v T
	e.update(func(tx parley.Tx) (err error) {
		v, err = fn(tx)
		return err
	})
	return v
}

// at is a moment n seconds into the tests' day.
func at(n int) time.Time {
	return time.Date(2026, 5, 17, 9, 0, n, 123456000, time.UTC)
}

func newConversationID() (id parley.ConversationID) { return fresh(id) }
func newMessageID() (id parley.MessageID)           { return fresh(id) }
func newEventID() (id parley.EventID)               { return fresh(id) }
func newRunID() (id parley.RunID)                   { return fresh(id) }
func newTaskID() (id parley.TaskID)                 { return fresh(id) }
func newAttachmentID() (id parley.AttachmentID)     { return fresh(id) }
func newKeyID() (id parley.KeyID)                   { return fresh(id) }

// fresh draws an id of the kind of its argument.
func fresh[K parley.IDKind](parley.ID[K]) parley.ID[K] { return parley.ID[K](uuid.Must(uuid.NewV7())) }
