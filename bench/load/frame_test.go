package load

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"
)

func TestFramesAreReadByAServer(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 125, 126, 127, 65535, 65536} {
		payload := bytes.Repeat([]byte("abcdefghijk"), n/11+1)[:n]
		f, err := ws.ReadFrame(bytes.NewReader(AppendFrame(nil, OpText, payload)))
		if err != nil {
			t.Fatal(err)
		}
		masked := f.Header.Masked
		f = ws.UnmaskFrame(f)
		if !f.Header.Fin || !masked || f.Header.OpCode != ws.OpText || !bytes.Equal(f.Payload, payload) {
			t.Errorf("%d bytes came as %+v, %d bytes", n, f.Header, len(f.Payload))
		}
	}
}

func TestHeadersOfAServerAreRead(t *testing.T) {
	for _, n := range []int{0, 125, 126, 65535, 65536} {
		b := ws.MustCompileFrame(ws.NewBinaryFrame(make([]byte, n)))
		h, ok, err := parseHeader(b)
		if err != nil || !ok || h.length != n || h.opcode != OpBinary || !h.final || h.head+n != len(b) {
			t.Errorf("%d bytes: %+v, %v, %v", n, h, ok, err)
		}
		for cut := range h.head {
			if _, ok, err := parseHeader(b[:cut]); ok || err != nil {
				t.Errorf("%d of %d bytes of a head: %v, %v", cut, h.head, ok, err)
			}
		}
	}
	for name, b := range map[string][]byte{
		"a masked frame": AppendFrame(nil, OpText, []byte("x")),
		"reserved bits":  {0xc1, 1, 'x'},
		"a huge one":     {0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, _, err := parseHeader(b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
