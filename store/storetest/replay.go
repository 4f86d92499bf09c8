package storetest

import (
	"fmt"
	"slices"

	"github.com/parley-chat/parley"
	"pgregory.net/rapid"
)

var replayCases = group{"replay", []testCase{
	{"a listener gets what its keys name, in order", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "cd"), published(e.org, "", "ann"), published(e.org, "ci"))
		e.sequence()
		q := parley.ReplayQuery{Org: e.org, UpTo: 4, Limit: 10, Keys: []string{parley.PrincipalKey("ann"), parley.ChannelKey("ci")}}
		e.replays(q, []uint64{1, 3, 4}, 4)
		q.After = 1
		e.replays(q, []uint64{3, 4}, 4)
		q.UpTo = 3
		e.replays(q, []uint64{3}, 3)
	}},
	{"a key that no event can have finds nothing, and hides nothing", func(e *env) {
		e.publish(published(e.org, "ci"))
		at := e.sequence()[0].Position
		for _, odd := range []string{"c\x00i", "\xff", ""} {
			keys := []string{parley.ChannelKey(odd), parley.ChannelKey("ci")}
			e.replays(parley.ReplayQuery{Org: e.org, UpTo: 1, Limit: 10, Keys: keys}, []uint64{1}, 1)
			e.ok(e.s.CheckCursor(e.ctx, parley.ReplayQuery{Org: e.org, Keys: keys}, at))
		}
	}},
	{"an event that concerns a listener twice comes once", func(e *env) {
		e.publish(published(e.org, "", "ann", "ben", "ann"))
		e.sequence()
		keys := []string{parley.PrincipalKey("ann"), parley.PrincipalKey("ben"), parley.PrincipalKey("ann")}
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 1, Limit: 10, Keys: keys}, []uint64{1}, 1)
	}},
	{"a member gets the conversations it is or was in", func(e *env) {
		now, left := e.conversation("ann"), e.conversation("ann", "ben")
		e.conversation("ben")
		e.update(func(tx parley.Tx) error { return tx.EndMember(e.org, left.ID, "ann", 1, 0) })
		e.post(now, "ann")
		e.post(left, "ben")
		e.sequence()
		q := parley.ReplayQuery{Org: e.org, UpTo: 5, Limit: 10, Member: "ann"}
		e.replays(q, []uint64{1, 2, 4, 5}, 5)
		q.Keys = []string{parley.ConversationKey(now.ID)} // which it has anyway
		e.replays(q, []uint64{1, 2, 4, 5}, 5)
		q.Member = "ben"
		e.replays(q, []uint64{1, 2, 3, 4, 5}, 5)
	}},
	{"with All it is the whole log", func(e *env) {
		e.conversation("ann")
		e.publish(published(e.org, "ci"), published(e.org, "", "ben"))
		e.sequence()
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 3, Limit: 10, All: true}, upTo(3), 3)
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 3, Limit: 2, All: true}, upTo(2), 2)
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 3, After: 2, Limit: 1, All: true}, []uint64{3}, 3)
	}},
	{"a page is complete up to its last event while more is left", func(e *env) {
		for range 3 {
			e.publish(published(e.org, "ci"), published(e.org, "cd"))
		}
		e.sequence()
		q := parley.ReplayQuery{Org: e.org, UpTo: 6, Limit: 2, Keys: []string{parley.ChannelKey("ci")}}
		e.replays(q, []uint64{1, 3}, 3)
		q.After = 3
		e.replays(q, []uint64{5}, 6)
	}},
	{"a long page is as complete as a short one", func(e *env) {
		const n = 100
		var list []*parley.Event
		var ci []uint64
		for i := range n {
			list = append(list, published(e.org, []string{"ci", "ci", "cd"}[i%3]))
			if i%3 != 2 {
				ci = append(ci, uint64(i+1))
			}
		}
		e.publish(list...)
		e.sequence()
		q := parley.ReplayQuery{Org: e.org, UpTo: n, Limit: n, Keys: []string{parley.ChannelKey("ci")}}
		e.replays(q, ci, n)
		q.Limit = 40
		e.replays(q, ci[:40], ci[39])
		q.After, q.Limit, q.UpTo = ci[39], n, 80
		e.replays(q, ci[40:54], 80)
	}},
	{"a full page after which nothing is left is complete to the end", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "ci"), published(e.org, "cd"))
		e.sequence()
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 3, Limit: 2, Keys: []string{parley.ChannelKey("ci")}}, upTo(2), 3)
	}},
	{"nothing comes of another org, nor of keys without events", func(e *env) {
		e.publish(published(e.org, "ci"))
		e.sequence()
		e.replays(parley.ReplayQuery{Org: e.other, UpTo: 1, Limit: 10, Keys: []string{parley.ChannelKey("ci")}}, nil, 1)
		e.replays(parley.ReplayQuery{Org: e.other, UpTo: 1, Limit: 10, All: true}, nil, 1)
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 1, Limit: 10, Keys: []string{parley.ChannelKey("cd")}}, nil, 1)
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 1, Limit: 10}, nil, 1)
	}},
	{"many keys of which few have news cost nothing but a look", func(e *env) {
		e.publish(published(e.org, "ci"))
		e.sequence()
		var keys []string
		for i := range 2000 {
			keys = append(keys, parley.ChannelKey(fmt.Sprint(i)))
		}
		e.replays(parley.ReplayQuery{Org: e.org, UpTo: 1, Limit: 10, Keys: append(keys, parley.ChannelKey("ci"))}, upTo(1), 1)
	}},
	{"any listener gets exactly what a naive reader of the log finds", func(e *env) {
		rapid.Check(e.T, func(t *rapid.T) { replayAgrees(e, t) })
	}},
}}

// replays asserts one page.
func (e *env) replays(q parley.ReplayQuery, want []uint64, completeTo uint64) {
	e.Helper()
	events, done, err := e.s.Replay(e.ctx, q)
	e.ok(err)
	if got := offsets(events); !slices.Equal(got, want) || done != completeTo {
		e.Fatalf("replay of %+v:\n got  %v complete to %d\n want %v complete to %d", q, got, done, want, completeTo)
	}
}

// The world of the property: few of each, so that keys meet.
var (
	people   = []parley.PrincipalID{"ann", "ben", "cat"}
	channels = []string{"ci", "cd"}
)

// replayAgrees draws a world and a listener, and compares pages of replay with a
// filter over the whole log.
func replayAgrees(e *env, t *rapid.T) {
	e = newEnv(e.T, e.s)
	var list []*parley.Conversation
	stays := map[parley.ConversationID][]parley.PrincipalID{}
	for i := range rapid.IntRange(1, 3).Draw(t, "conversations") {
		members := rapid.SliceOfNDistinct(rapid.SampledFrom(people), 0, 2, rapid.ID[parley.PrincipalID]).Draw(t, fmt.Sprint("members ", i))
		c := e.conversation(members...)
		list, stays[c.ID] = append(list, c), members
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "transactions") {
		steps := rapid.SliceOfN(stepOf(e.org, list), 0, 15).Draw(t, fmt.Sprint("events ", i))
		e.update(func(tx parley.Tx) error {
			for _, step := range steps {
				if err := step(tx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	log := e.sequence()
	q := drawQuery(e, t, list, uint64(len(log)))
	checkPages(t, e, q, wanted(q, log, stays))
}

// stepOf draws something that happens: a message, or an event of a channel or of
// some targets.
func stepOf(org parley.OrgID, list []*parley.Conversation) *rapid.Generator[func(parley.Tx) error] {
	said := rapid.Map(rapid.SampledFrom(list), func(c *parley.Conversation) func(parley.Tx) error {
		return func(tx parley.Tx) error { _, err := post(tx, org, c.ID, "ann"); return err }
	})
	told := rapid.Map(rapid.SampledFrom(channels), func(channel string) func(parley.Tx) error {
		return func(tx parley.Tx) error { return tx.AppendEvent(published(org, channel)) }
	})
	aimed := rapid.Map(rapid.SliceOfN(rapid.SampledFrom(people), 1, 3), func(who []parley.PrincipalID) func(parley.Tx) error {
		return func(tx parley.Tx) error { return tx.AppendEvent(published(org, "ci", who...)) }
	})
	return rapid.OneOf(said, told, aimed)
}

func drawQuery(e *env, t *rapid.T, list []*parley.Conversation, head uint64) parley.ReplayQuery {
	var keys []string
	for _, c := range list {
		keys = append(keys, parley.ConversationKey(c.ID))
	}
	for _, p := range people {
		keys = append(keys, parley.PrincipalKey(p))
	}
	for _, c := range channels {
		keys = append(keys, parley.ChannelKey(c))
	}
	return parley.ReplayQuery{
		Org:    e.org,
		After:  rapid.Uint64Range(0, head).Draw(t, "after"),
		UpTo:   rapid.Uint64Range(0, head).Draw(t, "up to"),
		Keys:   rapid.SliceOfN(rapid.SampledFrom(keys), 0, 4).Draw(t, "keys"),
		Member: rapid.SampledFrom(append([]parley.PrincipalID{""}, people...)).Draw(t, "member"),
		All:    rapid.IntRange(0, 9).Draw(t, "all") == 0,
		Limit:  rapid.IntRange(1, 12).Draw(t, "limit"),
	}
}

// wanted is the naive reader.
func wanted(q parley.ReplayQuery, log []*parley.Event, stays map[parley.ConversationID][]parley.PrincipalID) (list []uint64) {
	for _, ev := range log {
		hears := q.All || slices.Contains(stays[ev.Conversation], q.Member)
		for _, key := range ev.Keys(nil) {
			hears = hears || slices.Contains(q.Keys, key)
		}
		if at := ev.Position.Offset; hears && q.After < at && at <= q.UpTo {
			list = append(list, at)
		}
	}
	return list
}

// checkPages walks the pages of a replay.
func checkPages(t *rapid.T, e *env, q parley.ReplayQuery, want []uint64) {
	for {
		events, done, err := e.s.Replay(e.ctx, q)
		if err != nil {
			t.Fatalf("replay of %+v: %v", q, err)
		}
		page := want[:min(q.Limit, len(want))]
		if got := offsets(events); !slices.Equal(got, page) {
			t.Fatalf("replay of %+v: %v, want %v", q, got, page)
		}
		want = want[len(page):]
		switch {
		case len(want) == 0 && done == q.UpTo:
			return
		case len(want) == 0:
			t.Fatalf("replay of %+v: nothing is left, but complete to %d", q, done)
		case done < page[len(page)-1] || done >= want[0]:
			t.Fatalf("replay of %+v: %v are there and %v are left, but complete to %d", q, page, want, done)
		}
		q.After = done
	}
}
