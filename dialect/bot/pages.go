package bot

import (
	"maps"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/jsonr"
	"github.com/parley-chat/parley/internal/jsonw"
)

// Pages is the codec of dialect 1b, contracts.md section 2.2: what the web pages
// that shipped with the bot surface speak. It holds no state.
//
// Such a page talks with one agent in one session, both named in its URL, so the
// Conn subscribes it to that session; the page itself says no more than messages.
// It has no frames for typing, tools or the life of sessions. Frames are made once
// for all listeners, so user_id, the listener's own, is left empty, and the
// greeting names nobody. A media_url beside the text is not kept.
type Pages struct{}

var _ parley.Dialect = (*Pages)(nil)

// NewPages returns the codec of dialect 1b.
func NewPages() *Pages { return &Pages{} }

// Name is "pages".
func (*Pages) Name() string { return "pages" }

// EndsStreams: as in dialect 1a, one complete frame ends an answer.
func (*Pages) EndsStreams() bool { return true }

// The kinds of message that matter here, of the six in contracts.md 2.2.
const (
	pageSpeaks    = 1
	agentSpeaks   = 2
	lastPageTypes = 5
)

// Decode reads a page's frame. An empty one, which a page sends once it is open,
// and kinds of message that ask for nothing are ignored.
func (*Pages) Decode(text []byte) (parley.Command, error) {
	o, err := jsonr.Parse(text)
	if err != nil {
		return nil, malformed(err)
	}
	kind, ok, err := o.Uint("message_type")
	switch {
	case err != nil:
		return nil, malformed(err)
	case !ok:
		return nil, missing("message_type")
	case kind == agentSpeaks || kind > lastPageTypes:
		return nil, parley.Errorf(parley.CodeInvalidFormat, "a page does not send messages of type %d", kind)
	case kind != pageSpeaks:
		return parley.Ignore{}, nil
	}
	content, _, err := o.Text("content")
	if err != nil {
		return nil, malformed(err)
	}
	if media, _, _ := o.Text("media_url"); content == "" && media != "" {
		return nil, &parley.Error{Code: parley.CodeInvalidArgument, Field: "content", Message: "media without text cannot be sent here"}
	}
	if content == "" {
		return parley.Ignore{}, nil
	}
	f := frame{flat: o}
	id, err := f.session()
	return parley.PostMessage{Conversation: id, Content: content}, err
}

// pageNames is how each event is spelled; all of them are one frame of one shape.
var pageNames = func() map[parley.EventType]string {
	m := map[parley.EventType]string{}
	for t := range names {
		m[t] = ""
	}
	m[parley.MessageCreated] = "message_type 2, is_complete"
	m[parley.StreamDelta] = "message_type 2"
	m[parley.RunEnded] = "message_type 2, is_complete"
	return m
}()

// Names returns how each built-in event is spelled; empty is "not spoken".
func (*Pages) Names() map[parley.EventType]string { return maps.Clone(pageNames) }

// Speaks reports whether events of the type have a frame; custom ones have none.
func (*Pages) Speaks(t parley.EventType) bool { return pageNames[t] != "" }

// AppendEvent tells what agents and back ends say. A page shows every frame as
// the agent's words, so what people say is not told. The last frame of an answer
// holds its whole text: one kind of page replaces what it has by it, the other
// has it already.
func (*Pages) AppendEvent(dst []byte, e *parley.Event, v parley.View) []byte {
	if e.Internal && v != parley.ViewInternal || pageNames[e.Type] == "" {
		return dst
	}
	switch b := e.Body.(type) {
	case *parley.MessageBody:
		return appendPageMessage(dst, &b.Message, e.Position)
	case *parley.DeltaBody:
		return appendResponse(dst, response{b.Agent, e.Conversation, b.Message, b.Text, false}, e.Position)
	case *parley.RunBody:
		return appendResponse(dst, response{b.Agent, e.Conversation, b.Message, b.Text, true}, e.Position)
	}
	return dst
}

func appendPageMessage(dst []byte, m *parley.Message, at parley.Position) []byte {
	if m.SenderKind == parley.KindUser || m.Deleted {
		return dst
	}
	return appendResponse(dst, response{m.Sender, m.Conversation, m.ID, m.Content, true}, at)
}

// response is what differs between the frames a page hears.
type response struct {
	agent    parley.PrincipalID
	session  parley.ConversationID
	message  parley.MessageID // zero for what is no message
	content  string
	complete bool
}

func appendResponse(dst []byte, r response, at parley.Position) []byte {
	dst = append(dst, `{"bot_id":`...)
	dst = jsonw.String(dst, string(r.agent))
	dst = append(dst, `,"user_id":"","session_id":"`...)
	if !r.session.IsZero() {
		dst = r.session.AppendUUID(dst)
	}
	dst = append(dst, `","channel":"web"`...)
	dst = jsonw.Text(dst, "content", r.content)
	dst = append(dst, `,"message_type":2`...)
	if !r.message.IsZero() {
		dst = appendID(dst, "stream_token", r.message)
	}
	dst = jsonw.Key(dst, "is_complete")
	dst = jsonw.Bool(dst, r.complete)
	dst = append(dst, `,"context_length":0,"context_max_length":0`...)
	return appendEnd(dst, at)
}

// AppendReply greets, which pages wait for, tells history, and says failures in
// words, as the agent would, for want of an error frame.
func (*Pages) AppendReply(dst []byte, r parley.Reply) []byte {
	switch r := r.(type) {
	case parley.Greeting:
		return append(dst, `{"type":"connected","message":"connected"}`...)
	case parley.History:
		return appendPageMessage(dst, r.Message, parley.Position{})
	case parley.Failure:
		if r.Err == nil {
			return dst
		}
		session, _ := about(r.Command)
		return appendResponse(dst, response{session: session, content: r.Err.Message, complete: true}, parley.Position{})
	}
	return dst
}
