package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Mark is what a payload carries for whoever receives it. As text it has
// MarkBytes bytes, none of which JSON escapes.
type Mark struct {
	Topic uint16
	Seq   uint32 // 1, 2, 3, … in each topic
	At    uint64 // nanoseconds on the generator's clock
}

// MarkBytes is the length of a mark: a magic of four, then topic, seq and time in
// hexadecimal.
const MarkBytes = 4 + 4 + 8 + 16

const magicText = "~Pb~"

var magic = binary.LittleEndian.Uint32([]byte(magicText))

const hexDigits = "0123456789abcdef"

// Put writes the mark into the first MarkBytes bytes of dst.
func (m Mark) Put(dst []byte) {
	_ = dst[MarkBytes-1]
	copy(dst, magicText)
	putHex(dst[4:8], uint64(m.Topic))
	putHex(dst[8:16], uint64(m.Seq))
	putHex(dst[16:32], m.At)
}

func putHex(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = hexDigits[v&15]
		v >>= 4
	}
}

// markAt reads the mark that begins at b[at]; false where there is none.
func markAt(b []byte, at int) (Mark, bool) {
	if at < 0 || at+MarkBytes > len(b) {
		return Mark{}, false
	}
	b = b[at : at+MarkBytes : at+MarkBytes]
	if binary.LittleEndian.Uint32(b) != magic {
		return Mark{}, false
	}
	return Mark{
		Topic: uint16(unhex(binary.LittleEndian.Uint64(b[0:8]) >> 32 << 32)),
		Seq:   unhex(binary.LittleEndian.Uint64(b[8:16])),
		At:    uint64(unhex(binary.LittleEndian.Uint64(b[16:24])))<<32 | uint64(unhex(binary.LittleEndian.Uint64(b[24:32]))),
	}, true
}

// unhex reads eight hexadecimal digits, the first in the lowest byte, all at once.
// What is no digit gives a wrong number, never a fault.
func unhex(x uint64) uint32 {
	const low = 0x0101010101010101
	d := x&(0x0f*low) + 9*(x>>6&low)
	d = (d<<4 | d>>8) & 0x00ff00ff00ff00ff
	d = (d<<8 | d>>16) & 0x0000ffff0000ffff
	return uint32(d)<<16 | uint32(d>>32)
}

// findMark returns where the first mark from b[from] on begins, or -1.
func findMark(b []byte, from int) int {
	if from > len(b) {
		return -1
	}
	i := bytes.Index(b[from:], []byte(magicText))
	if i < 0 || from+i+MarkBytes > len(b) {
		return -1
	}
	return from + i
}

// PayloadBytes is the length of a payload.
const PayloadBytes = 256

// Payload makes a JSON object of PayloadBytes bytes that holds the fields given
// (`"id":"a","n":1`, or none), a mark and padding. The mark has no seq yet: it is
// the place of one.
func Payload(topic int, fields string) []byte {
	if fields != "" {
		fields += ","
	}
	mark := make([]byte, MarkBytes)
	Mark{Topic: uint16(topic)}.Put(mark)
	text := fmt.Sprintf(`{%s"mark":"%s","text":"`, fields, mark)
	const tail = `"}`
	for i := 0; len(text) < PayloadBytes-len(tail); i++ {
		text += string("a message of some length "[i%25])
	}
	return []byte(text + tail)
}
