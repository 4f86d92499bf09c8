package storetest

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/parley-chat/parley"
)

var keyCases = group{"keys and revocations", []testCase{
	{"a key is found by its hash, with all fields", func(e *env) {
		k := newKey(e.org, 1)
		e.ok(e.s.InsertKey(e.ctx, k))
		e.same("key", must(e.s.KeyByHash(e.ctx, k.Hash))(e), k)
	}},
	{"a hash that no key has is not found", func(e *env) {
		_, err := e.s.KeyByHash(e.ctx, make([]byte, 32))
		e.fails(err, parley.ErrNotFound)
	}},
	{"an org's keys are listed, the oldest first", func(e *env) {
		second, first, theirs := newKey(e.org, 2), newKey(e.org, 1), newKey(e.other, 1)
		for _, k := range []*parley.APIKey{second, first, theirs} {
			e.ok(e.s.InsertKey(e.ctx, k))
		}
		e.same("keys", must(e.s.Keys(e.ctx, e.org))(e), []parley.APIKey{*first, *second})
	}},
	{"a revoked key is still found, and marked", func(e *env) {
		k := newKey(e.org, 1)
		e.ok(e.s.InsertKey(e.ctx, k))
		e.ok(e.s.Revoke(e.ctx, parley.Revocation{Org: e.org, Credential: k.ID.String(), At: at(7)}))
		k.RevokedAt = at(7)
		e.same("key", must(e.s.KeyByHash(e.ctx, k.Hash))(e), k)
		e.same("keys", must(e.s.Keys(e.ctx, e.org))(e), []parley.APIKey{*k})
	}},
	{"to revoke again changes nothing", func(e *env) {
		k := newKey(e.org, 1)
		e.ok(e.s.InsertKey(e.ctx, k))
		for _, when := range []int{7, 8} {
			e.ok(e.s.Revoke(e.ctx, parley.Revocation{Org: e.org, Credential: k.ID.String(), At: at(when)}))
		}
		e.same("revoked at", must(e.s.KeyByHash(e.ctx, k.Hash))(e).RevokedAt, at(7))
		e.same("revocations", revocationsOf(e, e.org, at(0)), []parley.Revocation{{Org: e.org, Credential: k.ID.String(), At: at(7)}})
	}},
	{"another org cannot revoke a key", func(e *env) {
		k := newKey(e.org, 1)
		e.ok(e.s.InsertKey(e.ctx, k))
		e.ok(e.s.Revoke(e.ctx, parley.Revocation{Org: e.other, Credential: k.ID.String(), At: at(7)}))
		e.same("key", must(e.s.KeyByHash(e.ctx, k.Hash))(e), k)
	}},
	{"revocations are listed from a time on, that time included", func(e *env) {
		for i, jti := range []string{"t-1", "t-2", "t-3"} {
			e.ok(e.s.Revoke(e.ctx, parley.Revocation{Org: e.org, Credential: jti, At: at(i + 1)}))
		}
		e.same("since the second", revocationsOf(e, e.org, at(2)), []parley.Revocation{
			{Org: e.org, Credential: "t-2", At: at(2)}, {Org: e.org, Credential: "t-3", At: at(3)},
		})
		e.same("since later", len(revocationsOf(e, e.org, at(4))), 0)
	}},
	{"revocations that have ended are let go, by the next ones", func(e *env) {
		short := parley.Revocation{Org: e.org, Credential: "short", At: at(1), Until: at(5)}
		long := parley.Revocation{Org: e.org, Credential: "long", At: at(2), Until: at(9)}
		ever := parley.Revocation{Org: e.org, Credential: "ever", At: at(3)}
		last := parley.Revocation{Org: e.org, Credential: "last", At: at(5), Until: at(9)}
		for _, r := range []parley.Revocation{short, long, ever, last} {
			e.ok(e.s.Revoke(e.ctx, r))
		}
		e.same("at the end of the first", revocationsOf(e, e.org, at(0)), []parley.Revocation{short, long, ever, last})
		next := parley.Revocation{Org: e.org, Credential: "next", At: at(6), Until: at(9)}
		e.ok(e.s.Revoke(e.ctx, next))
		e.same("after it", revocationsOf(e, e.org, at(0)), []parley.Revocation{long, ever, last, next})
		again := ever
		again.At, again.Until = at(7), at(8)
		e.ok(e.s.Revoke(e.ctx, again))
		e.same("who says it again changes nothing", revocationsOf(e, e.org, at(3))[0], ever)
	}},
}}

var nodeCases = group{"nodes", []testCase{
	{"a node lives until its heartbeat runs out", func(e *env) {
		node := string(e.org)
		e.same("before", e.alive(node), false)
		e.ok(e.s.Heartbeat(e.ctx, node, time.Hour))
		e.same("after", e.alive(node), true)
		e.ok(e.s.Heartbeat(e.ctx, node, time.Millisecond)) // the last one counts
		ctx, cancel := context.WithTimeout(e.ctx, 10*time.Second)
		defer cancel()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for e.alive(node) {
			select {
			case <-ctx.Done():
				e.Fatal("the node still lives")
			case <-tick.C:
			}
		}
	}},
	{"a node comes back with its next heartbeat", func(e *env) {
		node := string(e.org)
		e.ok(e.s.Heartbeat(e.ctx, node, -time.Second))
		e.same("run out", e.alive(node), false)
		e.ok(e.s.Heartbeat(e.ctx, node, time.Hour))
		e.same("back", e.alive(node), true)
	}},
}}

func (e *env) alive(node string) bool {
	e.Helper()
	return slices.Contains(must(e.s.LiveNodes(e.ctx))(e), node)
}

func newKey(org parley.OrgID, created int) *parley.APIKey {
	id := newKeyID()
	hash := sha256.Sum256(id[:])
	return &parley.APIKey{
		ID: id, Org: org, Name: "CI, nightly", Principal: "svc", Hash: hash[:], CreatedAt: at(created),
		Scopes: []parley.Scope{parley.ScopeEventsPublish, parley.ScopeSystemPublish},
	}
}

// revocationsOf lists one org's.
func revocationsOf(e *env, org parley.OrgID, since time.Time) (list []parley.Revocation) {
	e.Helper()
	for _, r := range must(e.s.Revocations(e.ctx, since))(e) {
		if r.Org == org {
			list = append(list, r)
		}
	}
	return list
}
