package hub

import (
	"context"
	"time"

	parley "github.com/parley-chat/parley"
)

const (
	loadTimeout = 2 * time.Second
	maxLoads    = 1024 // conversations read at once for events that are not stored
)

// load is a conversation that is being read off the loop: what it says of who
// hears what is needed by those who wait. There is one at a time of each.
type load struct {
	// through is the change_seq up to which what is read holds at least, because the
	// log has come there already.
	through uint64
	held    []*parley.Event // events that are not stored
	then    []func(error)   // called on the loop, after held was told
}

// membersOf returns what is known of the event's conversation before it is
// applied or told, nil for an event that has none; false where the conversation
// must be loaded first.
func (f *feed) membersOf(e *parley.Event) (m *members, known bool) {
	if e.Conversation.IsZero() {
		return nil, true
	}
	m = f.peek(e.Conversation)
	switch {
	case m != nil: // what came between may have been erased
		return m, e.Class != parley.Durable || e.ChangeSeq <= m.through+1
	case e.Type == parley.ConversationCreated:
		m = &members{}
		f.remember(e.Conversation, m)
		return m, true
	}
	return nil, false
}

// load reads a conversation off the loop, or joins who does so already: what is
// added to the load is seen to when it is done. place says that the feed's place
// in the conversation is to be found too; else the log's next event will say.
func (f *feed) load(id parley.ConversationID, place bool) *load {
	if ld := f.loads[id]; ld != nil {
		return ld
	}
	ld := &load{}
	f.loads[id] = ld
	f.wg.Go(func() {
		ctx, cancel := context.WithTimeout(f.ctx, loadTimeout)
		defer cancel()
		r, err := readRoll(ctx, f.h.cfg.Store, f.org, id)
		var at lastEvent
		if err == nil && place {
			at, err = f.placeOf(ctx, id, r.through)
		}
		f.post(func() { f.loaded(id, ld, &r, at, err) })
	})
	return ld
}

// lastEvent is the last event of a conversation in the log; zero for none.
type lastEvent struct{ offset, changeSeq uint64 }

// loaded takes in what was read of a conversation and goes on with what waited
// for it.
func (f *feed) loaded(id parley.ConversationID, ld *load, r *roll, last lastEvent, err error) {
	if f.loads[id] != ld {
		return // the log was restored meanwhile
	}
	delete(f.loads, id)
	if err == nil {
		r.through = max(r.through, ld.through)
		if last.offset > f.applied.Offset {
			last.changeSeq = 0 // that event is still to come, and will say
		}
		f.adopt(id, r, last.changeSeq)
		for _, e := range ld.held {
			f.live(e)
		}
	}
	for _, then := range ld.then {
		then(err)
	}
}

// adopt remembers what was read of a conversation, unless more is known by now.
func (f *feed) adopt(id parley.ConversationID, r *roll, applied uint64) {
	m := f.conversations[id]
	if m == nil {
		m = &members{applied: applied}
		f.remember(id, m)
		m.take(f, r)
	} else if r.through >= m.through {
		m.take(f, r)
	}
}

// placeOf finds the last event of a conversation, which has come to the
// change_seq through.
func (f *feed) placeOf(ctx context.Context, id parley.ConversationID, through uint64) (last lastEvent, err error) {
	last.offset, err = f.h.cfg.Store.LastOffset(ctx, f.org, parley.ConversationKey(id))
	if err != nil || last.offset == 0 {
		return lastEvent{}, err
	}
	events, err := f.h.cfg.Store.ReadLog(ctx, f.org, last.offset-1, last.offset, 1)
	if err != nil {
		return lastEvent{}, err
	}
	last.changeSeq = through
	for _, e := range events {
		last.changeSeq = e.ChangeSeq
	}
	return last, nil
}

// peek returns what is known of a conversation, or nil.
func (f *feed) peek(id parley.ConversationID) *members {
	m := f.conversations[id]
	if m != nil {
		m.used = f.h.cfg.Now()
	}
	return m
}

func (f *feed) remember(id parley.ConversationID, m *members) {
	m.used = f.h.cfg.Now()
	if len(f.conversations) >= maxConversations {
		// Of a handful met by chance, the one unused for longest makes room.
		var oldest parley.ConversationID
		n := 0
		for other, o := range f.conversations {
			if len(o.held) == 0 && o.recent.empty() && (oldest.IsZero() || o.used.Before(f.conversations[oldest].used)) && !f.runsIn(other) {
				oldest = other
			}
			if n++; n == 8 {
				break
			}
		}
		if o := f.conversations[oldest]; o != nil {
			o.drop(f)
			delete(f.conversations, oldest)
		}
	}
	f.conversations[id] = m
}

// runsIn reports whether a run is open in the conversation: who was told of it is
// asked of the conversation until it ends.
func (f *feed) runsIn(id parley.ConversationID) bool {
	for _, r := range f.runs {
		if r.start.Conversation == id {
			return true
		}
	}
	return false
}
