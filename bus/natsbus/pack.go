package natsbus

import (
	"encoding/binary"
	"errors"
	"iter"
)

// What one process says on a subject in a burst travels as one NATS message, a
// pack: two bytes that say so, and then for each message its length (uvarint) and
// its bytes. A message that is alone travels as it is, unless it begins with
// packMark, as no text does: that one is a pack of one.
const (
	packMark    = 0xff
	packVersion = 1
	packHead    = 2
	// packOver is the most that a pack of one has more than its message.
	packOver = packHead + binary.MaxVarintLen32
)

var errBadPack = errors.New("natsbus: not a pack of messages")

// pack is a pack in the making.
type pack struct {
	subject string
	buf     []byte
	count   int
	first   int // where the first message begins in buf
}

func (p *pack) add(data []byte) {
	if p.count == 0 {
		p.buf = append(p.buf[:0], packMark, packVersion)
	}
	p.buf = binary.AppendUvarint(p.buf, uint64(len(data)))
	if p.count == 0 {
		p.first = len(p.buf)
	}
	p.buf = append(p.buf, data...)
	p.count++
}

// wire is what travels.
func (p *pack) wire() []byte {
	if alone := p.buf[p.first:]; p.count == 1 && (len(alone) == 0 || alone[0] != packMark) {
		return alone
	}
	return p.buf
}

// marked is how a message travels that goes by itself and at once.
func marked(data []byte) []byte {
	if len(data) == 0 || data[0] != packMark {
		return data
	}
	var p pack
	p.add(data)
	return p.wire()
}

// messages lists what wire holds, in order. The messages lie within it. errBadPack
// ends the list where it is damaged or of a later version.
func messages(wire []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if len(wire) == 0 || wire[0] != packMark {
			yield(wire, nil)
			return
		}
		if len(wire) < packHead || wire[1] != packVersion {
			yield(nil, errBadPack)
			return
		}
		for rest := wire[packHead:]; len(rest) > 0; {
			size, n := binary.Uvarint(rest)
			if n <= 0 || size > uint64(len(rest)-n) {
				yield(nil, errBadPack)
				return
			}
			end := n + int(size)
			if !yield(rest[n:end:end], nil) {
				return
			}
			rest = rest[end:]
		}
	}
}
