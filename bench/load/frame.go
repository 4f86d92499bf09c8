package load

import (
	"encoding/binary"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpContinuation = 0
	OpText         = 1
	OpBinary       = 2
	OpClose        = 8
	OpPing         = 9
	OpPong         = 10
)

// maskKey is the key of every frame that is sent. It protects nothing here, but a
// server has to undo it as it would any other.
const maskKey = 0x5ac39671

// AppendFrame appends a client's frame: final, masked.
func AppendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = binary.LittleEndian.AppendUint32(dst, maskKey)
	at := len(dst)
	dst = append(dst, payload...)
	mask(dst[at:])
	return dst
}

func mask(b []byte) {
	const wide = maskKey<<32 | maskKey
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(uint32(maskKey) >> (8 * (i % 4)))
	}
}

// header is the head of a server's frame.
type header struct {
	opcode byte
	final  bool
	head   int // bytes of the head itself
	length int // bytes of payload
}

// parseHeader reads the head of a frame; false where more bytes are needed. A
// masked frame is an error: no server may send one.
func parseHeader(b []byte) (h header, ok bool, err error) {
	if len(b) < 2 {
		return h, false, nil
	}
	h.opcode, h.final, h.head = b[0]&15, b[0]&0x80 != 0, 2
	switch n := b[1]; {
	case n < 126:
		h.length = int(n)
	case n == 126:
		if len(b) < 4 {
			return h, false, nil
		}
		h.head, h.length = 4, int(b[2])<<8|int(b[3])
	case n == 127:
		if len(b) < 10 {
			return h, false, nil
		}
		n := binary.BigEndian.Uint64(b[2:])
		if n > maxFrame {
			return h, false, fmt.Errorf("a frame of %d bytes", n)
		}
		h.head, h.length = 10, int(n)
	default:
		return h, false, fmt.Errorf("a masked frame from a server")
	}
	if b[0]&0x70 != 0 {
		return h, false, fmt.Errorf("a frame with reserved bits set: no extension was asked for")
	}
	return h, true, nil
}

// maxFrame bounds what a server may send at once, in bytes.
const maxFrame = 64 << 20
