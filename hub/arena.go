package hub

const (
	// chunkBytes is how much memory an arena takes at once, when it is in use: what one
	// listener that does not read can keep from being let go, besides what it is owed.
	// It begins with firstChunk, and takes twice as much each time.
	chunkBytes = 32 << 10
	firstChunk = 2 << 10
	// frameHeader is the most that a frame adds to its payload, in bytes.
	frameHeader = 16
)

// arena is where a feed puts the frames of one dialect and view, one after the
// other: those who hear all of them are written to from it as it is, without a
// copy. What is in it is never changed; a chunk goes when nobody refers to it.
type arena struct {
	chunk   []byte
	scratch []byte // the payload that is framed next
	single  bool   // it is for one frame, which takes no more room than its own
}

// add frames what is in scratch.
func (a *arena) add(frame func(dst, payload []byte) []byte) []byte {
	need := len(a.scratch) + frameHeader
	if cap(a.chunk)-len(a.chunk) < need {
		if a.single || need > chunkBytes/4 {
			return frame(make([]byte, 0, need), a.scratch)
		}
		a.chunk = make([]byte, 0, max(min(2*cap(a.chunk), chunkBytes), firstChunk, 4*need))
	}
	from := len(a.chunk)
	a.chunk = frame(a.chunk, a.scratch)
	return a.chunk[from:]
}

// adjoined returns a and b as one slice where b follows a in memory, which it does
// where both were put into one chunk, one after the other.
func adjoined(a, b []byte) ([]byte, bool) {
	n := len(a)
	if n == 0 || cap(a) < n+len(b) || &a[:n+1][n] != &b[0] {
		return nil, false
	}
	return a[:n+len(b)], true
}
