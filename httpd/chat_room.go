package httpd

import (
	"bytes"
	"context"
	"slices"

	"github.com/parley-chat/parley"
)

// Bounds of one answer besides its number of items. It stops before the first item
// for which there is no room, and has one at least.
const (
	answerBytes = 2 << 20 // of JSON, about
	// itemBytes is what an item has besides its texts, about.
	itemBytes = 512
	// readAtOnce is how many items whose texts may be large are read at once, and
	// reactionsAtOnce how many reactions: what does not fit was read in vain.
	readAtOnce      = 64
	reactionsAtOnce = 10000
)

// room is how much more one answer may tell.
type room struct{ items, bytes int }

func (r *room) full() bool { return r.items <= 0 || r.bytes <= 0 }

// take is what there is room for of some messages: the first, or the last where
// newest is set.
func (r *room) take(messages []parley.Message, newest bool) []parley.Message {
	n := 0
	for ; n < len(messages) && !r.full(); n++ {
		m := &messages[n]
		if newest {
			m = &messages[len(messages)-1-n]
		}
		r.items--
		r.bytes -= messageSize(m)
	}
	return end(messages, n, newest)
}

// end is the first n of some messages, or the last where newest is set.
func end(messages []parley.Message, n int, newest bool) []parley.Message {
	if newest {
		return messages[len(messages)-n:]
	}
	return messages[:n]
}

// messageSize is how long a message is in JSON, about, without its reactions.
func messageSize(m *parley.Message) int {
	return itemBytes*(1+len(m.Attachments)) + jsonSize(m.Content) + jsonSize(m.ContentMeta)
}

// jsonSize is how long a text is in JSON, about.
func jsonSize(text string) int {
	n := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c == '<', c == '>', c == '&':
			n += 5
		case c == '"', c == '\\':
			n++
		}
	}
	return n
}

// rawSize is how long JSON is within an answer, where no text looks like HTML.
func rawSize(text []byte) int {
	n := len(text)
	for _, c := range []string{"<", ">", "&"} {
		n += 5 * bytes.Count(text, []byte(c))
	}
	return n
}

// fitting reads what the principal may see of from <= seq <= to, ascending, as much as
// there is room for: the first of them, or the last where newest is set. cut reports
// that the room, and not the messages, came to its end.
func (s *Server) fitting(ctx context.Context, v *sight, from, to uint64, r room, newest bool) (all []parley.Message, cut bool, err error) {
	var parts [][]parley.Message
	for from <= to {
		if r.full() {
			cut = true
			break
		}
		n := min(r.items, readAtOnce)
		part, err := s.messages(ctx, v, from, to, n, newest)
		if err != nil {
			return nil, false, err
		}
		if len(part) > 0 {
			from, to = after(part, from, to, newest)
		}
		fits := r.take(part, newest)
		parts = append(parts, fits)
		if cut = len(fits) < len(part); cut || len(part) < n {
			break
		}
	}
	if newest {
		slices.Reverse(parts)
	}
	return slices.Concat(parts...), cut, nil
}

// after is the range that is left once a part of it was read.
func after(part []parley.Message, from, to uint64, newest bool) (uint64, uint64) {
	if newest {
		return from, part[0].Seq - 1
	}
	return part[len(part)-1].Seq + 1, to
}

// told is what one answer tells of a conversation.
type told struct {
	messages []shown
	last     uint64 // seq of the last; 0 for none
	cut      bool   // there may be more
}

// tell shows what the principal may see of from <= seq <= to, ascending, as much as
// there is room for, which it takes: the first, or the last where newest is set.
func (s *Server) tell(ctx context.Context, v *sight, from, to uint64, r *room, newest bool) (told, error) {
	messages, cut, err := s.fitting(ctx, v, from, to, *r, newest)
	if err != nil {
		return told{}, err
	}
	list, err := s.show(ctx, v, messages)
	for err == errManyReactions {
		cut = true
		messages = end(messages, len(messages)/2, newest)
		list, err = s.show(ctx, v, messages)
	}
	if err != nil {
		return told{}, err
	}
	t := told{messages: list, cut: cut}
	for i := range messages {
		r.items--
		r.bytes -= messageSize(&messages[i])
		if full, ok := list[i].(chatMessage); ok {
			r.bytes -= reactionsSize(full.Reactions)
		}
		t.last = messages[i].Seq
	}
	return t, nil
}

func reactionsSize(list []chatReaction) (n int) {
	for i := range list {
		for _, id := range list[i].UserIDs {
			n += len(id) + 3
		}
	}
	return n
}
