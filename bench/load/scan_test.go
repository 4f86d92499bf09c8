package load

import (
	"fmt"
	"slices"
	"testing"
)

// line is a message as some server might frame it.
func line(prefix string, seq uint32) string {
	b := make([]byte, MarkBytes)
	Mark{Topic: 1, Seq: seq, At: 9}.Put(b)
	return prefix + string(b) + "tail\r\n"
}

func TestScannerFindsEveryMessage(t *testing.T) {
	s := scanner{first: -1}
	for _, c := range []struct {
		name, payload string
		want          []uint32
		plain         bool
	}{
		{"the first of a shape is searched", line("MSG ", 1), []uint32{1}, false},
		{"the next is where it was", line("MSG ", 2), []uint32{2}, true},
		{"several in one payload", line("MSG ", 3) + line("MSG ", 4) + line("MSG ", 5), []uint32{3, 4, 5}, false},
		{"and again", line("MSG ", 6) + line("MSG ", 7), []uint32{6, 7}, true},
		{"something between them", line("MSG ", 8) + "PING\r\n" + line("MSG ", 9), []uint32{8, 9}, false},
		{"something after them", line("MSG ", 10) + "PING\r\n", []uint32{10}, false},
		{"another prefix", line("LONGER ", 11), []uint32{11}, false},
		{"none", "PONG\r\n", nil, false},
		{"a mark that is cut off", line("MSG ", 12)[:20], nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []uint32
			plain := true
			for at, m, known := s.next([]byte(c.payload), -1); ; at, m, known = s.next([]byte(c.payload), at) {
				plain = plain && known
				if at < 0 {
					break
				}
				got = append(got, m.Seq)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found %v, want %v", got, c.want)
			}
			if plain && !c.plain {
				t.Error("what is not just messages passes for them")
			}
		})
	}
}

func TestScannerReadsANumberAfterAKey(t *testing.T) {
	s := scanner{Scan: Scan{Key: []byte(`"seq_num":`)}, first: -1}
	for seq := range uint32(12) {
		got, ok := s.keyed(fmt.Appendf(nil, `{"x":%d,"seq_num":%d}`, seq, seq))
		if !ok || got != seq {
			t.Errorf("read %d, %v; want %d", got, ok, seq)
		}
	}
	for _, text := range []string{"", "{}", `"seq_num":`, `"seq_num":x`} {
		if got, ok := s.keyed([]byte(text)); ok {
			t.Errorf("read %d in %q", got, text)
		}
	}
}
