package hub

// Owed is how many frames, at most, the listener has not handed out yet, without
// those it would read again from its place. A Conn whose client asks without
// reading the answers stops listening to it by this.
func (l *Listener) Owed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) + len(l.replies)
}
