package dialecttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/parley-chat/parley"
)

// checkNames: the spelling table is complete and Speaks says the same.
func checkNames(t *testing.T, d parley.Dialect) {
	if d.Name() == "" {
		t.Error("the dialect has no name")
	}
	namer, ok := d.(Namer)
	if !ok {
		t.Fatalf("%T has no Names: the matrix needs its spelling table", d)
	}
	names := namer.Names()
	for _, spec := range parley.EventSpecs() {
		name, ok := names[spec.Type]
		if !ok {
			t.Errorf("%s has no entry in names.go: spell it, or say that it is not spoken", spec.Type)
		}
		if d.Speaks(spec.Type) != (name != "") {
			t.Errorf("Speaks(%s) is %t but its name is %q", spec.Type, d.Speaks(spec.Type), name)
		}
	}
	if d.Speaks("order.shipped") != (names[AnyCustom] != "") {
		t.Errorf("Speaks says %t of custom types, Names %q", d.Speaks("order.shipped"), names[AnyCustom])
	}
	for name := range names {
		if _, ok := parley.SpecOf(name); !ok && name != AnyCustom {
			t.Errorf("%s is in names.go but not in parley.EventSpecs", name)
		}
	}
}

// checkFrames: what holds of every frame that tells an event.
func checkFrames(t *testing.T, d parley.Dialect) {
	told := map[parley.EventType]bool{}
	for _, s := range Events() {
		for view := range parley.View(parley.Views) {
			frame := d.AppendEvent(nil, s.Event, view)
			told[s.Event.Type] = told[s.Event.Type] || len(frame) > 0
			t.Run(fmt.Sprintf("%s in view %d", s.Name, view), func(t *testing.T) { checkFrame(t, d, s.Event, view, frame) })
		}
	}
	for typ, any := range told {
		if any != d.Speaks(typ) {
			t.Errorf("Speaks(%s) is %t, but a frame is made: %t", typ, d.Speaks(typ), any)
		}
	}
}

func checkFrame(t *testing.T, d parley.Dialect, e *parley.Event, view parley.View, frame []byte) {
	onlyAppends(t, frame, func(dst []byte) []byte { return d.AppendEvent(dst, e, view) })
	if e.Internal && view == parley.ViewPublic && len(frame) > 0 {
		t.Fatalf("the public view tells an internal event: %s", frame)
	}
	if len(frame) == 0 {
		return
	}
	fields := wellFormed(t, frame)
	for _, secret := range []string{SecretOrigin, SecretClientMsgID, SecretSource} {
		if strings.Contains(string(frame), secret) {
			t.Errorf("the frame tells %q to everyone: %s", secret, frame)
		}
	}
	want := ""
	if e.Class == parley.Durable {
		want = e.Position.Cursor()
	}
	if got := cursorOf(t, fields); got != want {
		t.Errorf("the cursor is %q, want %q: %s", got, want, frame)
	}
	early := *e
	early.Position = parley.Position{}
	if got := cursorOf(t, wellFormed(t, d.AppendEvent(nil, &early, view))); got != "" {
		t.Errorf("an event without a Position has the cursor %q, which means the beginning of the log", got)
	}
}

// checkReplies: what holds of every frame that says a reply.
func checkReplies(t *testing.T, d parley.Dialect) {
	for _, s := range Replies() {
		t.Run(s.Name, func(t *testing.T) {
			frame := d.AppendReply(nil, s.Reply)
			onlyAppends(t, frame, func(dst []byte) []byte { return d.AppendReply(dst, s.Reply) })
			if len(frame) == 0 {
				return
			}
			wellFormed(t, frame)
			if strings.Contains(string(frame), SecretOrigin) {
				t.Errorf("the frame tells the Conn's own id: %s", frame)
			}
		})
	}
}

// onlyAppends checks that encoding is deterministic and leaves what dst holds,
// and what lies behind its length in another's buffer, as it was.
func onlyAppends(t *testing.T, frame []byte, encode func(dst []byte) []byte) {
	t.Helper()
	const prefix = "what was there before"
	for _, spare := range []int{0, 1, 64 << 10} {
		dst := append(make([]byte, 0, len(prefix)+spare), prefix...)
		got := encode(dst)
		if !bytes.HasPrefix(got, []byte(prefix)) || !bytes.Equal(dst, []byte(prefix)) {
			t.Fatalf("with %d bytes to spare what dst held is not kept: %.80s", spare, got)
		}
		if !bytes.Equal(got[len(prefix):], frame) {
			t.Fatalf("encoding twice differs\n%s\n%s", got[len(prefix):], frame)
		}
	}
}

// wellFormed checks that a frame is one JSON object on one line, valid UTF-8, no
// key twice, and returns its fields.
func wellFormed(t *testing.T, frame []byte) map[string]json.RawMessage {
	t.Helper()
	if !utf8.Valid(frame) {
		t.Fatalf("not UTF-8: %q", frame)
	}
	if bytes.ContainsAny(frame, "\r\n\u2028\u2029") {
		t.Fatalf("more than one line: %q", frame)
	}
	if len(frame) == 0 || frame[0] != '{' {
		t.Fatalf("not an object: %q", frame)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(frame, &fields); err != nil {
		t.Fatalf("not JSON: %v: %s", err, frame)
	}
	if err := uniqueKeys(json.NewDecoder(bytes.NewReader(frame))); err != nil {
		t.Fatalf("%v: %s", err, frame)
	}
	return fields
}

// uniqueKeys reads one value and fails where an object has a key twice.
func uniqueKeys(dec *json.Decoder) error {
	open, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := open.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[any]bool{}
	for dec.More() {
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			if seen[key] {
				return fmt.Errorf("the key %q comes twice", key)
			}
			seen[key] = true
		}
		if err := uniqueKeys(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func cursorOf(t *testing.T, fields map[string]json.RawMessage) string {
	t.Helper()
	raw, ok := fields["cursor"]
	if !ok {
		return ""
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || s == "" {
		t.Fatalf("the cursor is %s, not a text", raw)
	}
	return s
}

// checkConcurrent: a dialect keeps nothing between calls (run with -race).
func checkConcurrent(t *testing.T, d parley.Dialect) {
	events, replies := Events(), Replies()
	encode := func() []byte {
		var out []byte
		for _, s := range events {
			out = d.AppendEvent(out, s.Event, parley.ViewInternal)
		}
		for _, s := range replies {
			out = d.AppendReply(out, s.Reply)
		}
		return out
	}
	want := encode()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if !bytes.Equal(encode(), want) {
				t.Error("frames differ when made concurrently")
			}
		})
	}
	wg.Wait()
}

// checkAllocations: the hot path allocates nothing where dst is large enough.
func checkAllocations(t *testing.T, d parley.Dialect) {
	buf := make([]byte, 0, 64<<10)
	for _, s := range Events() {
		if n := testing.AllocsPerRun(20, func() { d.AppendEvent(buf, s.Event, parley.ViewInternal) }); n > 0 {
			t.Errorf("AppendEvent of %s allocates %v times", s.Name, n)
		}
	}
}

// Bench measures AppendEvent for the events that are told most.
func Bench(b *testing.B, d parley.Dialect) {
	for _, name := range []string{"message.created", "message.stream.delta", "typing.started", "order.shipped"} {
		b.Run(name, func(b *testing.B) {
			e := Event(name)
			buf := d.AppendEvent(nil, e, parley.ViewPublic)
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				buf = d.AppendEvent(buf[:0], e, parley.ViewPublic)
			}
		})
	}
}
