package storetest

import (
	"time"

	"github.com/parley-chat/parley"
)

var retentionCases = group{"retentions", []testCase{
	{"what was said comes back, of an org and of a conversation", func(e *env) {
		c := e.conversation("ann")
		general := &parley.Retention{Org: e.org}
		own := &parley.Retention{Org: e.org, Conversation: c.ID}
		e.same("nothing of the org", e.retention(parley.ConversationID{}), general)
		e.same("nothing of the conversation", e.retention(c.ID), own)

		e.setRetention(general, days(30))
		own.ExpiredTo, own.OldestAt = 7, at(3)
		e.setRetention(own, days(0))
		e.same("of the org", e.retention(parley.ConversationID{}), general)
		e.same("of the conversation", e.retention(c.ID), own)
		e.same("in a transaction", inTx(e, func(tx parley.Tx) (*parley.Retention, error) { return tx.Retention(e.org, c.ID) }), own)
		e.same("elsewhere", must(e.s.Retention(e.ctx, e.other, c.ID))(e), &parley.Retention{Org: e.other, Conversation: c.ID})
		e.setRetention(own, nil)
		e.same("taken back", e.retention(c.ID), own)
	}},
	{"orgs that keep all for ever are not gone through", func(e *env) {
		c := e.conversation("ann")
		e.setRetention(&parley.Retention{Org: e.org}, nil)
		e.setRetention(&parley.Retention{Org: e.org, Conversation: c.ID}, days(0))
		e.same("org", e.retaining(), 0)
		e.setRetention(&parley.Retention{Org: e.org, Conversation: c.ID}, days(1))
		e.setRetention(&parley.Retention{Org: e.org}, days(2))
		e.same("org", e.retaining(), 1)
	}},
	{"a conversation's own retention wins over the org's", func(e *env) {
		long, short, forever, general := e.said(), e.said(), e.said(), e.said()
		e.conversation("ann") // in which nothing was said
		e.setRetention(&parley.Retention{Org: e.org, Conversation: long}, days(20))
		e.setRetention(&parley.Retention{Org: e.org, Conversation: short}, days(1))
		e.setRetention(&parley.Retention{Org: e.org, Conversation: forever}, days(0))
		e.same("without the org's", e.expiring(15), []parley.ConversationID{short})
		e.setRetention(&parley.Retention{Org: e.org}, days(10))
		e.same("after 15 days", e.expiring(15), []parley.ConversationID{short, general})
		e.same("after 25 days", e.expiring(25), []parley.ConversationID{long, short, general})
		page := must(e.s.Expiring(e.ctx, e.org, at(0).Add(25*parley.RetentionDay), long, 1))(e)
		e.same("a page after the first", page, []parley.ConversationID{short})
	}},
	{"what has expired, and what is young, is not looked at again", func(e *env) {
		id := e.said()
		r := &parley.Retention{Org: e.org, Conversation: id, OldestAt: at(0).Add(3 * parley.RetentionDay)}
		e.setRetention(r, days(10))
		e.same("too early", len(e.expiring(12)), 0)
		e.same("in time", e.expiring(13), []parley.ConversationID{id})
		r.ExpiredTo = 1
		e.setRetention(r, days(10))
		e.same("all has expired", len(e.expiring(99)), 0)
	}},
}}

func days(n int) *int { return &n }

// said is a conversation from at(0) in which one thing was said.
func (e *env) said() parley.ConversationID {
	e.Helper()
	c := e.conversation("ann")
	e.post(c, "ann")
	return c.ID
}

func (e *env) setRetention(r *parley.Retention, days *int) {
	e.Helper()
	r.Days = days
	e.update(func(tx parley.Tx) error { return tx.SetRetention(r) })
}

func (e *env) retention(id parley.ConversationID) *parley.Retention {
	e.Helper()
	return must(e.s.Retention(e.ctx, e.org, id))(e)
}

// expiring lists what expires some days after at(0).
func (e *env) expiring(days int) []parley.ConversationID {
	e.Helper()
	return must(e.s.Expiring(e.ctx, e.org, at(0).Add(time.Duration(days)*parley.RetentionDay), parley.ConversationID{}, 99))(e)
}

// retaining counts how often this case's org is listed.
func (e *env) retaining() (n int) {
	e.Helper()
	for _, org := range must(e.s.RetainingOrgs(e.ctx))(e) {
		if org == e.org {
			n++
		}
	}
	return n
}
