package load

import "bytes"

// Scan says how messages are found in what a server sends.
type Scan struct {
	// Key, where it is not nil, is a text that comes right before the sequence
	// number in decimal, on surfaces that tell of a message without its text; the
	// time is then the generator's note of when it was sent. Nil: the mark.
	Key []byte
	// Cursor is the text before the place that a server names for coming back, up to
	// a quotation mark: see Conn.Cursor. Nil: nobody wants to come back.
	Cursor []byte
	// KeepAlive answers what a server asks in a frame of its own protocol to see
	// whether the client lives: the payload to send back, nil for nothing. It is
	// called with every payload that is not just messages.
	KeepAlive func(payload []byte) []byte
}

// scanner finds the messages in a payload. Servers send the same again and again,
// so it looks first where the last one was.
type scanner struct {
	Scan
	first  int // where in a payload the first mark was
	stride int // from one mark to the next in one payload
	tail   int // from the last mark to the end
}

// next finds the mark after the one at prev (-1: the first). It returns -1 where
// there is none. plain is false where the payload is not of the known shape, and
// something else may be in it besides.
func (s *scanner) next(b []byte, prev int) (at int, m Mark, plain bool) {
	guess := s.first
	if prev >= 0 {
		if len(b)-prev == s.tail {
			return -1, Mark{}, true
		}
		guess = prev + s.stride
	}
	if m, ok := markAt(b, guess); ok && guess > prev {
		return guess, m, true
	}
	from := 0
	if prev >= 0 {
		from = prev + MarkBytes
	}
	at = findMark(b, from)
	if at < 0 {
		if prev >= 0 {
			s.tail = len(b) - prev
		}
		return -1, Mark{}, false
	}
	if prev < 0 {
		s.first = at
	} else {
		s.stride = at - prev
	}
	m, _ = markAt(b, at)
	return at, m, false
}

// keyed reads the number after Key; false where the payload has none.
func (s *scanner) keyed(b []byte) (seq uint32, ok bool) {
	at := max(s.first, 0)
	if at+len(s.Key) > len(b) || !bytes.Equal(b[at:at+len(s.Key)], s.Key) {
		if at = bytes.Index(b, s.Key); at < 0 {
			return 0, false
		}
		s.first = at
	}
	for _, c := range b[at+len(s.Key):] {
		if c < '0' || c > '9' {
			break
		}
		seq, ok = seq*10+uint32(c-'0'), true
	}
	return seq, ok
}
