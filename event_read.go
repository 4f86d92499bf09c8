package parley

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// UnmarshalEvent reads what MarshalEvent wrote. Fields it does not know are
// ignored, so that two releases can share a bus. It keeps nothing of data.
func UnmarshalEvent(data []byte) (*Event, error) {
	// What this release writes is read in one pass; whatever looks otherwise is left
	// to encoding/json, which reads the same from the same bytes.
	if e, ok := readEvent(data); ok {
		return e, nil
	}
	return unmarshalEvent(data)
}

// unmarshalEvent reads an event in any spelling of JSON.
func unmarshalEvent(data []byte) (*Event, error) {
	var body json.RawMessage
	w := wireEvent{Body: &body}
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("unmarshal event: %w", err)
	}
	e := &Event{
		w.ID, w.Org, w.Type, w.Class, w.Time, w.Actor, w.ActorKind, w.Conversation, w.ChangeSeq,
		w.Targets, w.Channel, w.Internal, w.Position, nil,
	}
	e.Body = newBody(e.Type)
	if err := json.Unmarshal(body, e.Body); err != nil {
		return nil, fmt.Errorf("unmarshal body of %s %s: %w", w.Type, w.ID, err)
	}
	return e, nil
}

// newBody returns a fresh body of a type to decode into.
func newBody(t EventType) Body {
	if spec, ok := eventSpecs[t]; ok {
		return spec.New()
	}
	return newPublished()
}

// eventReader reads the one spelling that AppendEvent writes: these fields in
// this order, no blanks between them. Its methods report false where the text is
// another, and are not called again then.
type eventReader struct {
	data []byte
	i    int
}

// span is a string within eventReader.data, without its quotes; zero for none.
type span struct{ from, to int }

// rawDepth bounds how deep a RawJSON may nest that is read here.
const rawDepth = 256

func readEvent(data []byte) (*Event, bool) {
	r, e := eventReader{data: data}, new(Event)
	var org, typ, actor, kind, channel span
	var class uint64
	var targets []span
	ok := r.skip(`{"id":`) && readID(&r, &e.ID) &&
		r.skip(`,"org":`) && r.span(&org) &&
		r.skip(`,"type":`) && r.span(&typ) &&
		r.skip(`,"class":`) && r.uint(&class) && class <= 0xff &&
		r.skip(`,"time":`) && r.text(&e.Time) &&
		(!r.skip(`,"actor":`) || r.span(&actor)) &&
		(!r.skip(`,"actor_kind":`) || r.span(&kind)) &&
		(!r.skip(`,"conversation":`) || readID(&r, &e.Conversation)) &&
		(!r.skip(`,"change_seq":`) || r.uint(&e.ChangeSeq)) &&
		(!r.skip(`,"targets":[`) || r.spans(&targets)) &&
		(!r.skip(`,"channel":`) || r.span(&channel))
	if !ok {
		return nil, false
	}
	e.Internal = r.skip(`,"internal":true`)
	if r.skip(`,"position":{`) && !r.position(&e.Position) {
		return nil, false
	}
	// All short strings share one copy.
	head := string(data[:r.i])
	e.Class = Class(class)
	e.Org, e.Channel = OrgID(org.of(head)), channel.of(head)
	e.Actor, e.ActorKind = PrincipalID(actor.of(head)), PrincipalKind(kind.of(head))
	if targets != nil {
		e.Targets = make([]PrincipalID, len(targets))
		for i, t := range targets {
			e.Targets[i] = PrincipalID(t.of(head))
		}
	}
	if spec, known := eventSpecs[EventType(typ.of(head))]; known {
		e.Type, e.Body = spec.Type, spec.New()
	} else {
		e.Type, e.Body = EventType(typ.of(head)), new(PublishedBody)
	}
	return e, r.skip(`,"body":`) && r.body(e.Body) && r.skip(`}`) && r.i == len(data)
}

func (s span) of(text string) string { return text[s.from:s.to] }

func (r *eventReader) body(body Body) bool {
	switch b := body.(type) {
	case *PublishedBody:
		return r.skip(`{"data":`) && r.raw(&b.Data) &&
			(!r.skip(`,"resource_id":`) || r.string(&b.ResourceID)) && r.skip(`}`)
	case *TypingBody:
		return r.skip(`{"principal":`) && r.string((*string)(&b.Principal)) &&
			r.skip(`,"kind":`) && r.string((*string)(&b.Kind)) &&
			(!r.skip(`,"name":`) || r.string(&b.Name)) &&
			(!r.skip(`,"origin":`) || r.string(&b.Origin)) && r.skip(`}`)
	case *DeltaBody:
		return r.skip(`{"run":`) && readID(r, &b.Run) &&
			r.skip(`,"message":`) && readID(r, &b.Message) &&
			r.skip(`,"agent":`) && r.string((*string)(&b.Agent)) &&
			r.skip(`,"epoch":`) && r.uint(&b.Epoch) &&
			r.skip(`,"rseq":`) && r.uint(&b.RSeq) &&
			r.skip(`,"offset":`) && r.int(&b.Offset) &&
			r.skip(`,"text":`) && r.string(&b.Text) && r.skip(`}`)
	case *MessageBody:
		return r.message(&b.Message)
	}
	// The others are an object too, the last of the event.
	from, to := r.i, len(r.data)-1
	if from >= to || r.data[from] != '{' || json.Unmarshal(r.data[from:to], body) != nil {
		return false
	}
	r.i = to
	return true
}

// message reads the body of a message without HiddenFrom, which few have.
func (r *eventReader) message(m *Message) bool {
	ok := r.skip(`{"id":`) && readID(r, &m.ID) &&
		r.skip(`,"conversation":`) && readID(r, &m.Conversation) &&
		r.skip(`,"seq":`) && r.uint(&m.Seq) &&
		r.skip(`,"sender":`) && r.string((*string)(&m.Sender)) &&
		r.skip(`,"sender_kind":`) && r.string((*string)(&m.SenderKind)) &&
		(!r.skip(`,"sender_name":`) || r.string(&m.SenderName)) &&
		r.skip(`,"content":`) && r.string(&m.Content) &&
		r.skip(`,"content_type":`) && r.string(&m.ContentType) &&
		(!r.skip(`,"content_meta":`) || r.string(&m.ContentMeta)) &&
		(!r.skip(`,"attachments":[`) || r.files(&m.Attachments)) &&
		(!r.skip(`,"reply_to":`) || readID(r, &m.ReplyTo)) &&
		(!r.skip(`,"thread_id":`) || readID(r, &m.ThreadID)) &&
		(!r.skip(`,"thread_role":`) || r.string(&m.ThreadRole)) &&
		(!r.skip(`,"task_id":`) || r.string(&m.TaskID)) &&
		(!r.skip(`,"client_msg_id":`) || r.string(&m.ClientMsgID)) &&
		r.skip(`,"created_at":`) && r.text(&m.CreatedAt) &&
		(!r.skip(`,"edited_at":`) || r.text(&m.EditedAt)) &&
		(!r.skip(`,"edit_count":`) || r.int(&m.EditCount))
	if !ok {
		return false
	}
	m.Internal, m.Forwarded = r.skip(`,"internal":true`), r.skip(`,"forwarded":true`)
	if r.skip(`,"source":{"conversation":`) {
		m.Source = new(Source)
		if !r.source(m.Source) {
			return false
		}
	}
	m.Deleted = r.skip(`,"deleted":true`)
	if r.skip(`,"run":{"id":`) {
		m.Run = new(RunRef)
		if !readID(r, &m.Run.ID) || !r.skip(`,"status":`) || !r.string((*string)(&m.Run.Status)) ||
			!r.skip(`,"after":`) || !r.uint(&m.Run.After) || !r.skip(`}`) {
			return false
		}
	}
	return (!r.skip(`,"origin":`) || r.string(&m.Origin)) && r.skip(`}`)
}

// files reads the files of an array, one at least, that was begun.
func (r *eventReader) files(list *[]File) bool {
	for {
		var f File
		var size uint64
		if !r.skip(`{"id":`) || !readID(r, &f.ID) || !r.skip(`,"name":`) || !r.string(&f.Name) ||
			!r.skip(`,"content_type":`) || !r.string(&f.ContentType) ||
			!r.skip(`,"size":`) || !r.uint(&size) || size > 1<<63-1 || !r.skip(`}`) {
			return false
		}
		f.Size = int64(size)
		*list = append(*list, f)
		if !r.skip(`,`) {
			return r.skip(`]`)
		}
	}
}

// source reads a Source, whose first key was read.
func (r *eventReader) source(s *Source) bool {
	return readID(r, &s.Conversation) && r.skip(`,"message":`) && readID(r, &s.Message) &&
		r.skip(`,"sender":`) && r.string((*string)(&s.Sender)) &&
		(!r.skip(`,"sender_name":`) || r.string(&s.SenderName)) && r.skip(`}`)
}

// skip goes past s, if it comes next.
func (r *eventReader) skip(s string) bool {
	end := r.i + len(s)
	if end > len(r.data) || string(r.data[r.i:end]) != s {
		return false
	}
	r.i = end
	return true
}

// span reads a string without escapes and leaves it where it is.
func (r *eventReader) span(s *span) bool {
	if r.i >= len(r.data) || r.data[r.i] != '"' {
		return false
	}
	from, i := r.i+1, r.i+1
	ascii := byte(0)
	for i < len(r.data) && !stopsString[r.data[i]] {
		ascii |= r.data[i]
		i++
	}
	if i >= len(r.data) || r.data[i] != '"' || ascii >= utf8.RuneSelf && !utf8.Valid(r.data[from:i]) {
		return false
	}
	*s = span{from, i}
	r.i = i + 1
	return true
}

// spans reads the strings of an array, one at least, that was begun.
func (r *eventReader) spans(list *[]span) bool {
	for {
		var s span
		if !r.span(&s) {
			return false
		}
		*list = append(*list, s)
		if !r.skip(`,`) {
			return r.skip(`]`)
		}
	}
}

// string reads any string.
func (r *eventReader) string(s *string) bool {
	var plain span
	if r.span(&plain) {
		*s = string(r.data[plain.from:plain.to])
		return true
	}
	if r.i >= len(r.data) || r.data[r.i] != '"' {
		return false
	}
	end, ok := scanString(r.data, r.i)
	if !ok {
		return false
	}
	quoted := r.data[r.i:end]
	r.i = end
	return unescape(quoted, s) || json.Unmarshal(quoted, s) == nil
}

// unescape reads a quoted string that has none but the short escapes.
func unescape(quoted []byte, s *string) bool {
	inner := quoted[1 : len(quoted)-1]
	if !utf8.Valid(inner) {
		return false
	}
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c == '\\' {
			i++
			switch c = inner[i]; c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'u':
				return false
			}
		}
		out = append(out, c)
	}
	*s = string(out)
	return true
}

// raw reads any value and keeps a copy.
func (r *eventReader) raw(raw *RawJSON) bool {
	end, ok := scanValue(r.data, r.i, rawDepth)
	if ok {
		*raw = append(RawJSON(nil), r.data[r.i:end]...)
		r.i = end
	}
	return ok
}

// text reads what has a text form of its own.
func (r *eventReader) text(into interface{ UnmarshalText([]byte) error }) bool {
	var s span
	return r.span(&s) && into.UnmarshalText(r.data[s.from:s.to]) == nil
}

func readID[K IDKind](r *eventReader, id *ID[K]) bool {
	var s span
	return r.span(&s) && id.UnmarshalText(r.data[s.from:s.to]) == nil
}

func (r *eventReader) uint(n *uint64) bool {
	end, ok := scanDigits(r.data, r.i)
	digits := r.data[r.i:end]
	if !ok || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	*n = 0
	for _, c := range digits {
		if *n > (1<<64-1-9)/10 {
			return false
		}
		*n = *n*10 + uint64(c-'0')
	}
	r.i = end
	return true
}

func (r *eventReader) int(n *int) bool {
	negative := r.skip(`-`)
	var u uint64
	if !r.uint(&u) || u > 1<<31-1 {
		return false
	}
	if *n = int(u); negative {
		*n = -*n
	}
	return true
}

// position reads a Position, whose object was begun.
func (r *eventReader) position(p *Position) bool {
	if r.skip(`"epoch":`) && !(r.uint((*uint64)(&p.Epoch)) && r.skip(`,`)) {
		return false
	}
	return r.skip(`"offset":`) && r.uint(&p.Offset) && r.skip(`}`)
}
