package hub

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	parley "github.com/parley-chat/parley"
)

// lineDialect spells each event and reply as one line of tab-separated fields,
// so that tests can read what a listener was told.
type lineDialect struct {
	name string
	// ends: see EndsStreams. Such a dialect tells new conversations unasked.
	ends bool
	// plain has no frames for streams and typing.
	plain bool
}

func (d lineDialect) Name() string                          { return d.name }
func (d lineDialect) Decode([]byte) (parley.Command, error) { return parley.Ignore{}, nil }
func (d lineDialect) EndsStreams() bool                     { return d.ends }
func (d lineDialect) Speaks(parley.EventType) bool          { return true }
func (d lineDialect) Select(e *parley.Event, _ parley.PrincipalID, asked bool) bool {
	return asked || d.ends && e.Type == parley.ConversationCreated
}

func (d lineDialect) AppendEvent(dst []byte, e *parley.Event, v parley.View) []byte {
	if d.plain && (e.Class == parley.RunLogged || e.Type == parley.RunEnded || e.Type == parley.TypingStarted) {
		return dst
	}
	var conversation, cursor string
	if !e.Conversation.IsZero() {
		conversation = strconv.FormatUint(num(e.Conversation), 10)
	}
	if e.Class == parley.Durable {
		cursor = e.Position.Cursor()
	}
	dst = fmt.Appendf(dst, "%s\t%s\t%d\t%s\t%d\t%s", e.Type, cursor, e.Position.Offset, conversation, e.ChangeSeq, [...]string{"public", "internal"}[v])
	switch b := e.Body.(type) {
	case *parley.RunBody:
		return fmt.Appendf(dst, "\t%d\t0\t%q", num(b.Run), b.Text)
	case *parley.DeltaBody:
		return fmt.Appendf(dst, "\t%d\t%d\t%q", num(b.Run), b.Offset, b.Text)
	case *parley.MessageBody:
		run := uint64(0)
		if b.Run != nil {
			run = num(b.Run.ID)
		}
		return fmt.Appendf(dst, "\t%d\t%d\t%q", run, b.Seq, b.Content)
	case *parley.TypingBody:
		return fmt.Appendf(dst, "\t0\t0\t%q", b.Principal)
	case *parley.ToolBody:
		return fmt.Appendf(dst, "\t%d\t0\t\"\"", num(b.Run))
	case *parley.PublishedBody:
		return fmt.Appendf(dst, "\t0\t0\t%q", b.Data)
	}
	return append(dst, "\t0\t0\t\"\""...)
}

func (d lineDialect) AppendReply(dst []byte, r parley.Reply) []byte {
	cursor, text := "", ""
	switch r := r.(type) {
	case parley.Subscribed:
		cursor, text = r.Cursor, r.Request.Ref
	case parley.Unsubscribed:
		text = r.Request.Ref
	case parley.Authenticated:
		cursor = r.Cursor
	case parley.CursorMoved:
		cursor = r.Cursor
	case parley.History:
		return fmt.Appendf(dst, "History\t\t0\t%d\t0\t\t0\t%d\t%q", num(r.Message.Conversation), r.Message.Seq, r.Message.Content)
	case parley.Reload:
		text = r.Reason
	case parley.Pong:
	}
	name := strings.TrimPrefix(fmt.Sprintf("%T", r), "parley.")
	return fmt.Appendf(dst, "%s\t%s\t0\t\t0\t\t0\t0\t%q", name, cursor, text)
}

// frameLine is the transport of these tests: a frame ends with a newline.
func frameLine(dst, payload []byte) []byte { return append(append(dst, payload...), '\n') }

// line is a frame as a client reads it.
type line struct {
	kind         string
	cursor       string
	offset       uint64 // of a durable event
	conversation uint64
	changeSeq    uint64
	view         string
	run          uint64
	n            uint64 // a delta's offset, a message's seq
	text         string
}

// readLines reads the whole frames of data.
func readLines(t testing.TB, data []byte) []line {
	t.Helper()
	var out []line
	for rest := string(data); ; {
		text, after, whole := strings.Cut(rest, "\n")
		if !whole {
			return out
		}
		rest = after
		out = append(out, readLine(t, text))
	}
}

func readLine(t testing.TB, text string) line {
	f := strings.Split(text, "\t")
	if len(f) != 9 {
		t.Fatalf("a frame is broken: %q", text)
	}
	u := func(s string) uint64 { n, _ := strconv.ParseUint(s, 10, 64); return n }
	l := line{kind: f[0], cursor: f[1], offset: u(f[2]), conversation: u(f[3]), changeSeq: u(f[4]), view: f[5], run: u(f[6]), n: u(f[7])}
	l.text, _ = strconv.Unquote(f[8])
	return l
}

// num is the number that id made an id of.
func num[K parley.IDKind](id parley.ID[K]) (n uint64) {
	for _, b := range id[8:] {
		n = n<<8 | uint64(b)
	}
	return n
}
