package conn

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/parley-chat/parley"
)

// AppendText appends payload to dst as one unmasked WebSocket text frame. It is
// the Frame of a hub.Config.
func AppendText(dst, payload []byte) []byte { return appendFrame(dst, ws.OpText, payload) }

func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = append(dst, 126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return append(dst, payload...)
}

// appendClose appends a close frame. Reasons are our own short ASCII sentences.
func appendClose(dst []byte, code parley.CloseCode, reason string) []byte {
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, maxControlPayload), uint16(code))
	payload = append(payload, reason[:min(len(reason), maxControlPayload-2)]...)
	return appendFrame(dst, ws.OpClose, payload)
}

// closeAnswer is the code that answers a client's close frame: its own, or what
// is wrong with it (RFC 6455, 5.5.1 and 7.4).
func closeAnswer(payload []byte) parley.CloseCode {
	const normal, protocolError, notUTF8 = 1000, 1002, 1007
	switch len(payload) {
	case 0:
		return normal
	case 1:
		return protocolError
	}
	code := parley.CloseCode(binary.BigEndian.Uint16(payload))
	switch {
	case code < 1000, code >= 1015 && code < 3000, code > 4999:
		return protocolError
	case code == 1004, code == 1005, code == 1006: // reserved: never on the wire
		return protocolError
	case !utf8.Valid(payload[2:]):
		return notUTF8
	}
	return code
}
