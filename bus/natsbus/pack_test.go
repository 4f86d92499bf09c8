package natsbus

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func unpack(wire []byte) (list [][]byte, err error) {
	for m, err := range messages(wire) {
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
	return list, nil
}

func TestPack(t *testing.T) {
	for name, c := range map[string]struct {
		messages []string
		asItIs   bool // the one message is what travels
	}{
		"one":                        {[]string{`{"id":"evt_1"}`}, true},
		"an empty one":               {[]string{""}, true},
		"one that looks like a pack": {[]string{"\xff\x01\x00"}, false},
		"two":                        {[]string{"a", "b"}, false},
		"many":                       {[]string{"", "a", "\xff", "", string(make([]byte, 300)), "z"}, false},
	} {
		var p pack
		for range 2 { // a pack is used again
			p = pack{buf: p.buf[:0]}
			for _, m := range c.messages {
				p.add([]byte(m))
			}
			wire := p.wire()
			if asItIs := len(c.messages) == 1 && string(wire) == c.messages[0]; asItIs != c.asItIs {
				t.Errorf("%s travels as %q", name, wire)
			}
			list, err := unpack(wire)
			if err != nil || !slices.EqualFunc(list, c.messages, func(m []byte, s string) bool { return string(m) == s }) {
				t.Errorf("%s is read as %q, error %v", name, list, err)
			}
		}
	}
}

func TestDamagedPacksAreNoticed(t *testing.T) {
	for _, wire := range []string{"\xff", "\xff\x02\x01a", "\xff\x01\x02a", "\xff\x01\x01a\x80", "\xff\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"} {
		if list, err := unpack([]byte(wire)); !errors.Is(err, errBadPack) {
			t.Errorf("%q is read as %q, error %v", wire, list, err)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte("\xff\x01\x01a\x00\x02bc"))
	f.Add([]byte(`{"id":"evt_1"}`))
	f.Fuzz(func(t *testing.T, wire []byte) {
		list, err := unpack(wire)
		if err != nil || len(list) == 0 {
			return
		}
		var p pack
		for _, m := range list {
			p.add(m)
		}
		again, err := unpack(p.wire())
		if err != nil || !slices.EqualFunc(list, again, bytes.Equal) {
			t.Fatalf("%q came back as %q, error %v", list, again, err)
		}
	})
}
