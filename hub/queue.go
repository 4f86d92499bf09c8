package hub

import (
	parley "github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/turn"
)

// item is one thing owed to a listener, in the order of a queue.
type item struct {
	// frames are whole frames that are shared by all who hear them, of one event or
	// of several that follow one another in memory. Nil where what says more.
	frames []byte
	// at is the Position of the last stored event in frames; zero for none. With
	// what, it is where the listener is once it was said.
	at parley.Position
	// what is *shown, *owedRun, moved or a parley.Reply.
	what any
}

// shown is an entry in one view that is spelled as it is written: it belongs to a
// run, and what is to be said depends on how much of the text was told.
type shown struct {
	*entry
	view parley.View
}

// owedRun brings a listener up to upTo of a run's text.
type owedRun struct {
	run  *run
	upTo int // forgotten: what was told of it is forgotten
}

// forgotten, as an owedRun's upTo, says that what was told of it is forgotten.
const forgotten = -1

// moved tells the cursor, where it moved without anything to hear.
type moved struct{}

// flushOnLoop is how many bytes and items a listener may be owed beyond its
// bounds, as a multiple of them, while another goroutine writes to it.
const flushOnLoop = 4

// Flushed says what came of an attempt to write at once.
type Flushed uint8

const (
	// FlushDone: all that was owed went out.
	FlushDone Flushed = iota
	// FlushBusy: it is being written by another goroutine, or cannot be at once.
	FlushBusy
	// FlushBlocked: the socket takes no more now.
	FlushBlocked
)

// Writer is the Conn of a listener as the hub sees it. Its methods may be called
// on any goroutine.
type Writer interface {
	// Wake says that Next has something. It must not block or call the listener.
	Wake()
	// Flush writes what is owed without blocking, by calls of Ready, and says what
	// came of it. What it does not write is seen to later, as by Wake.
	Flush() Flushed
}

// tell gives the live listeners that hear an entry what they are owed. On the
// loop.
func (f *feed) tell(en *entry, m *members) {
	f.telling = telling{entry: en, plain: en.plain()}
	told := uint64(0)
	f.resolve(en, m, func(l *Listener, v parley.View) {
		if l.offer(v) {
			told++
			if len(f.woken) == handful {
				f.flushMeanwhile()
			}
		}
	})
	if f.telling.plain {
		f.h.Deliveries.Add(told)
	}
}

// telling is the entry that a feed tells now, with its frames.
type telling struct {
	*entry
	plain  bool
	frames [maxDialects][parley.Views]struct {
		done  bool
		frame []byte
	}
	shown [parley.Views]*shown
}

// maxDialects bounds the dialects of a hub.
const maxDialects = 8

// frameFor is the frame of the entry that is told.
func (f *feed) frameFor(dialect int, v parley.View) []byte {
	t := &f.telling.frames[dialect][v]
	if !t.done {
		t.frame, t.done = f.telling.frame(f.h, &f.arenas[dialect][v], dialect, v), true
	}
	return t.frame
}

// itemFor is the entry that is told, for a listener; false where its dialect is
// silent about it.
func (f *feed) itemFor(dialect int, v parley.View) (item, bool) {
	t := &f.telling
	if !t.plain {
		if t.shown[v] == nil {
			t.shown[v] = &shown{t.entry, v}
		}
		return item{what: t.shown[v]}, true
	}
	frame := f.frameFor(dialect, v)
	return item{frames: frame, at: t.event.Position}, len(frame) > 0
}

// offer gives a live listener the entry that is told. It reports whether there
// was something to tell. On the loop.
func (l *Listener) offer(v parley.View) bool {
	f := l.feed
	it, ok := f.itemFor(l.dialect, v)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full() {
		l.mu.Unlock()
		how := l.out.Flush()
		l.mu.Lock()
		if l.full() && (how == FlushBlocked || l.overfull()) {
			l.fallBehind()
		}
	}
	switch {
	case l.state != live:
		if l.state == behind && f.telling.event.Class == parley.Ephemeral {
			l.feed.h.Unheard.Add(1)
		}
		return false
	case f.telling.plain && l.skipped(f.telling.event):
		if len(l.queue) == 0 {
			l.at = f.telling.event.Position
			l.forgetHistory()
		}
		return false
	}
	l.push(it)
	l.signal()
	return true
}

// full reports whether the listener is owed as much as a live one may be. Under
// mu.
func (l *Listener) full() bool {
	limits := &l.feed.h.cfg.Limits
	return l.state == live && (len(l.queue) >= limits.QueueFrames || l.owed >= limits.QueueBytes)
}

func (l *Listener) overfull() bool {
	limits := &l.feed.h.cfg.Limits
	return len(l.queue) >= flushOnLoop*limits.QueueFrames || l.owed >= flushOnLoop*limits.QueueBytes
}

// fallBehind lets go of what a live listener is owed: it is read again from its
// place. What is not stored is lost to it. On the loop, under mu.
func (l *Listener) fallBehind() {
	l.feed.h.FellBehind.Add(1)
	l.forget()
	l.state = behind
	l.signal()
}

// push owes an item. Frames that follow the last ones in memory become one with
// them. Under mu.
func (l *Listener) push(it item) {
	n := len(l.queue)
	if it.what == nil && n > 0 && l.queue[n-1].what == nil {
		last := &l.queue[n-1]
		if both, ok := adjoined(last.frames, it.frames); ok {
			last.frames = both
			if it.at.Offset != 0 {
				last.at = it.at
			}
			l.owed += len(it.frames)
			return
		}
	}
	l.owed += len(it.frames)
	if l.queue == nil {
		l.queue = queueRooms.Get().(*[queueRoom]item)[:0]
	}
	l.queue = append(l.queue, it)
}

// say owes what is no event: a live listener after what it is owed already, any
// other at once. Under mu.
func (l *Listener) say(it item) {
	switch l.state {
	case gone:
	case live:
		l.push(it)
	default:
		it.at = parley.Position{}
		l.replies = append(l.replies, it)
	}
}

// forget lets go of what is owed but replies: it will be read again from the
// listener's place. Under mu.
func (l *Listener) forget() {
	l.turn++
	for _, it := range l.queue {
		switch what := it.what.(type) {
		case *owedRun:
			if what.upTo == forgotten {
				delete(l.runs, what.run.id())
			}
		case parley.Reply:
			it.at = parley.Position{}
			l.replies = append(l.replies, it)
		}
	}
	l.queue, l.owed, l.read = nil, 0, l.at
}

// signal wakes the writer, once until it comes. On the loop, under mu: the feed
// does it when it is done with what it does now.
func (l *Listener) signal() {
	if l.state != gone && !l.signalled {
		l.signalled = true
		l.feed.woken = append(l.feed.woken, l)
	}
}

// answered notes that the writer has come, or will not. Under mu.
func (l *Listener) answered() {
	if l.signalled {
		l.signalled = false
		l.feed.owing.Add(-1)
	}
}

// signalNow does the same as signal elsewhere. Under mu.
func (l *Listener) signalNow() {
	if l.state != gone && !l.signalled {
		l.signalled = true
		l.feed.owing.Add(1)
		l.out.Wake()
	}
}

const (
	// inlineFlush is how many listeners the loop writes to by itself.
	inlineFlush = 64
	// handful is how many are seen to while an event is still being told to others:
	// what has just been looked at of them is near in memory.
	handful = 32
)

// flush sees to those who are owed something: where they are few and nothing else
// waits the loop writes by itself, which is sooner than another goroutine would;
// else they are written to in rounds, while more is gathered for them.
func (f *feed) flush() {
	own := 0
	if len(f.woken) <= inlineFlush && len(f.mailbox) == 0 {
		own = len(f.woken)
	}
	f.see(own)
}

// flushMeanwhile does the same for the first who hear an event that many hear. Where
// nothing else is to be done the loop writes its part of them at once, so that those
// who come first wait no longer because many come after them; other goroutines have
// their turn after each handful.
func (f *feed) flushMeanwhile() {
	alone := len(f.mailbox) == 0 && f.owing.Load() <= inlineFlush
	if !alone {
		f.see(0)
		return
	}
	f.see(max(1, len(f.woken)/f.h.processors))
	f.giveTurn()
}

// giveTurn lets other goroutines run, those who have something to read too: they
// bring what goes out together with this.
func (f *feed) giveTurn() {
	if f.turns == nil {
		f.turns = turn.New()
	}
	f.turns.Give()
}

func (f *feed) endTurns() {
	if f.turns != nil {
		f.turns.Close()
	}
}

// see writes to own of those who are owed something, once the others were woken.
func (f *feed) see(own int) {
	if len(f.woken) == 0 {
		return
	}
	f.owing.Add(int64(len(f.woken)))
	rest := len(f.woken) - own
	for _, l := range f.woken[:rest] {
		l.out.Wake()
	}
	for _, l := range f.woken[rest:] {
		l.out.Flush()
	}
	clear(f.woken)
	f.woken = f.woken[:0]
}
