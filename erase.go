package parley

// What is left of an event whose words were erased: its id, type, time, numbers and
// Position, and who did it to what. A client that comes back over it is told it in
// order, once, as a tombstone; no number is missing (P2, P3).

// Empty takes away what a message says: it keeps its id, seq, sender and times.
func (m *Message) Empty() {
	m.Content, m.ContentMeta, m.Source, m.Attachments, m.Deleted = "", "", nil, nil, true
}

// Anonymize takes away, of a message that was emptied, what else its sender wrote.
// Whoever sends again under its ClientMsgID says something new.
func (m *Message) Anonymize() {
	m.SenderName, m.ClientMsgID, m.TaskID, m.Origin = "", "", "", ""
}

// ForgetMessage returns the event without what a deleted message said: e itself
// where it tells nothing of that, else another event; e is not changed.
func ForgetMessage(e *Event, id MessageID) *Event {
	switch b := e.Body.(type) {
	case *MessageBody:
		if b.ID == id && !b.Deleted {
			emptied := *b
			emptied.Empty()
			return e.saying(&emptied)
		}
	case *RunBody:
		if b.Message == id && b.Text != "" {
			emptied := *b
			emptied.Text = ""
			return e.saying(&emptied)
		}
	}
	return e
}

// saying is the event with another body.
func (e *Event) saying(b Body) *Event {
	other := *e
	other.Body = b
	return &other
}

// NameInEvents is how an id stands in an event as MarshalEvent writes it: one that
// does not hold these bytes has nothing to do with the principal.
func NameInEvents(id PrincipalID) []byte { return appendString(nil, string(id)) }
