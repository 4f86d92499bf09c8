package storetest

import (
	"slices"
	"sync"

	"github.com/parley-chat/parley"
)

var logCases = group{"log", []testCase{
	{"an org's events are at the offsets 1, 2, 3", func(e *env) {
		for range 3 {
			e.publish(published(e.org, "ci"), published(e.other, "ci"))
		}
		got := e.sequence()
		e.same("handed out", offsets(got), upTo(3))
		e.same("log", offsets(e.log()), upTo(3))
		for _, ev := range got {
			if ev.Position.Epoch == 0 {
				e.Errorf("offset %d has no epoch", ev.Position.Offset)
			}
		}
	}},
	{"an event comes back as it was appended", func(e *env) {
		c := e.conversation("ann")
		m := newMessage(c.ID, 1, "ann")
		m.Run = &parley.RunRef{ID: newRunID(), Status: parley.RunCompleted, After: 3}
		want := []*parley.Event{
			messageEvent(e.org, m, 2), published(e.org, "ci"), published(e.org, "ci", "ann", "ben"),
		}
		want[0].Internal = true
		kept := []parley.Event{*want[0], *want[1], *want[2]}
		e.publish(want...)
		told, read := e.sequence()[1:], e.log()[1:]
		for i := range kept {
			kept[i].Position = told[i].Position
			e.same("as told", *told[i], kept[i])
			e.same("as read", *read[i], kept[i])
		}
	}},
	{"a conversation's events are found by their change_seq", func(e *env) {
		c, other := e.conversation("ann"), e.conversation("ann")
		for seq := range uint64(4) {
			e.publish(messageEvent(e.org, newMessage(c.ID, seq+1, "ann"), seq+2), messageEvent(e.org, newMessage(other.ID, seq+1, "ann"), seq+2))
		}
		e.sequence()
		numbers := func(after, upTo uint64, limit int) (list []uint64) {
			for _, ev := range must(e.s.Changes(e.ctx, e.org, c.ID, after, upTo, limit))(e) {
				if ev.Conversation != c.ID || ev.Position.Offset == 0 {
					e.Errorf("change %d of %s at %v", ev.ChangeSeq, ev.Conversation, ev.Position)
				}
				list = append(list, ev.ChangeSeq)
			}
			return list
		}
		e.same("all", numbers(1, 100, 0), []uint64{2, 3, 4, 5})
		e.same("a range", numbers(2, 4, 0), []uint64{3, 4})
		e.same("the first", numbers(1, 100, 2), []uint64{2, 3})
		e.same("none", len(numbers(5, 100, 0)), 0)
		e.same("of another org", len(must(e.s.Changes(e.ctx, e.other, c.ID, 0, 100, 0))(e)), 0)
	}},
	{"a log that hands out bytes hands out the same events", func(e *env) {
		encoded, ok := e.s.(parley.EncodedLog)
		if !ok {
			return
		}
		e.sequence()
		c := e.conversation("ann")
		e.sequence()
		e.publish(messageEvent(e.org, newMessage(c.ID, 1, "ann"), 2), published(e.org, "ci", "ann"))
		told := must(encoded.SequenceEncoded(e.ctx, 64))(e)
		read := e.log()[1:]
		e.same("events", len(told), len(read))
		for i, ev := range told {
			e.same("head", parley.EncodedEvent{ID: ev.ID, Org: ev.Org, Position: ev.Position},
				parley.EncodedEvent{ID: read[i].ID, Org: e.org, Position: read[i].Position})
			e.same("event", *must(parley.UnmarshalEvent(ev.Data))(e), *read[i])
		}
		e.same("what is left", len(e.sequence()), 0)
	}},
	{"two events of one transaction keep their order", func(e *env) {
		first, second := published(e.org, "ci"), published(e.org, "ci")
		e.publish(first, second)
		e.sequence()
		log := e.log()
		e.same("order", []parley.EventID{log[0].ID, log[1].ID}, []parley.EventID{first.ID, second.ID})
	}},
	{"Sequence hands out at most as many as asked for", func(e *env) {
		e.sequence()
		e.publish(published(e.org, "ci"), published(e.org, "ci"), published(e.org, "ci"))
		var got []uint64
		for _, want := range []int{2, 1, 0} {
			events := must(e.s.Sequence(e.ctx, 2))(e)
			e.same("events", len(events), want)
			got = append(got, offsets(events)...)
		}
		e.same("offsets", got, upTo(3))
	}},
	{"an event is handed out once, whoever asks", handedOutOnce},
	{"conversations keep their change_seq order however many write", changeOrder},
	{"a change_seq is taken once in a conversation", func(e *env) {
		c := e.conversation("ann")
		err := e.s.Update(e.ctx, func(tx parley.Tx) error {
			return tx.AppendEvent(messageEvent(e.org, newMessage(c.ID, 1, "ann"), 1))
		})
		if err == nil {
			e.Fatal("a second event took change_seq 1")
		}
		e.same("log", len(e.sequence()), 1)
	}},
	{"the head is the last event's Position", func(e *env) {
		e.same("head of an empty log", must(e.s.Head(e.ctx, e.org))(e), parley.Position{})
		_, listed := must(e.s.Heads(e.ctx))(e)[e.org]
		e.same("an empty log among the heads", listed, false)
		e.publish(published(e.org, "ci"), published(e.org, "ci"))
		told := e.sequence()
		e.same("head", must(e.s.Head(e.ctx, e.org))(e), told[1].Position)
		e.same("among the heads", must(e.s.Heads(e.ctx))(e)[e.org], told[1].Position)
		e.same("head of another org", must(e.s.Head(e.ctx, e.other))(e), parley.Position{})
	}},
	{"a range of the log is read after its start and up to its end", func(e *env) {
		for range 6 {
			e.publish(published(e.org, "ci"))
		}
		e.sequence()
		for _, r := range []struct {
			after, upTo uint64
			limit       int
			want        []uint64
		}{
			{0, 6, 10, upTo(6)},
			{2, 4, 10, []uint64{3, 4}},
			{2, 6, 2, []uint64{3, 4}},
			{5, 100, 10, []uint64{6}},
			{6, 100, 10, []uint64{}},
			{4, 2, 10, []uint64{}},
		} {
			got := offsets(must(e.s.ReadLog(e.ctx, e.org, r.after, r.upTo, r.limit))(e))
			if !slices.Equal(got, r.want) {
				e.Errorf("after %d up to %d, at most %d: %v, want %v", r.after, r.upTo, r.limit, got, r.want)
			}
		}
		e.same("another org's", len(must(e.s.ReadLog(e.ctx, e.other, 0, 100, 10))(e)), 0)
	}},
	{"an offset is located with its epoch", func(e *env) {
		e.publish(published(e.org, "ci"), published(e.org, "ci"))
		for _, ev := range e.sequence() {
			e.same("Position", must(e.s.Locate(e.ctx, e.org, ev.Position.Offset))(e), ev.Position)
		}
		e.same("offset 0", must(e.s.Locate(e.ctx, e.org, 0))(e), parley.Position{})
	}},
	{"the last offset is known for every key", func(e *env) {
		c := e.conversation("ann") // 1
		e.publish(published(e.org, "ci"), published(e.org, "", "ann", "ben"), published(e.org, "", "ann"))
		e.sequence()
		for key, want := range map[string]uint64{
			parley.ConversationKey(c.ID): 1, parley.ChannelKey("ci"): 2, parley.PrincipalKey("ben"): 3,
			parley.PrincipalKey("ann"): 4, parley.ChannelKey("other"): 0,
		} {
			e.same(key, must(e.s.LastOffset(e.ctx, e.org, key))(e), want)
			e.same(key+" of another org", must(e.s.LastOffset(e.ctx, e.other, key))(e), uint64(0))
		}
	}},
}}

// handedOutOnce has several relays ask while several writers write.
func handedOutOnce(e *env) {
	const writers, each, relays = 4, 20, 3
	e.sequence()
	var mu sync.Mutex
	seen := map[parley.EventID]int{}
	failed := make(chan error, writers*each+relays)
	written := make(chan struct{})
	var writing, relaying sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range each {
				failed <- e.s.Update(e.ctx, func(tx parley.Tx) error { return tx.AppendEvent(published(e.org, "ci")) })
			}
		})
	}
	relay := func() error {
		for last := false; ; {
			events, err := e.s.Sequence(e.ctx, 7)
			if err != nil || last && len(events) == 0 {
				return err
			}
			mu.Lock()
			for _, ev := range events {
				seen[ev.ID]++
			}
			mu.Unlock()
			select {
			case <-written:
				last = true
			default:
			}
		}
	}
	for range relays {
		relaying.Go(func() { failed <- relay() })
	}
	writing.Wait()
	close(written)
	relaying.Wait()
	for range writers*each + relays {
		e.ok(<-failed)
	}
	e.same("events handed out", len(seen), writers*each)
	for id, n := range seen {
		if n != 1 {
			e.Errorf("%s was handed out %d times", id, n)
		}
	}
}

// changeOrder has eight writers post to three conversations, while a relay reads.
func changeOrder(e *env) {
	const writers, each = 8, 15
	list := []*parley.Conversation{e.conversation("ann"), e.conversation("ann"), e.conversation("ann")}
	told := e.sequence()
	failed := make(chan error, writers*each)
	for w := range writers {
		go func() {
			for i := range each {
				failed <- e.s.Update(e.ctx, func(tx parley.Tx) error {
					_, err := post(tx, e.org, list[(w+i)%len(list)].ID, "ann")
					return err
				})
			}
		}()
	}
	for range writers * each {
		e.ok(<-failed)
		told = append(told, must(e.s.Sequence(e.ctx, 5))(e)...)
	}
	told = append(told, e.sequence()...)
	e.same("offsets as told", offsets(told), upTo(len(list)+writers*each))
	e.same("offsets as read", offsets(e.log()), offsets(told))
	for _, c := range list {
		var changes []uint64
		for _, ev := range told {
			if ev.Conversation == c.ID {
				changes = append(changes, ev.ChangeSeq)
			}
		}
		e.same("change_seq", changes, upTo(1+writers*each/len(list)))
	}
}
