package natsbus

import "sync"

const (
	// chunkBytes is how much of the messages' bytes lies in one piece, at most and
	// unless a message is larger.
	chunkBytes = 64 << 10
	// firstChunk is the size of a batch's first piece.
	firstChunk = 1 << 10
	// keptMessages is up to how many messages a batch is used again.
	keptMessages = 1 << 10
)

// delivery is what waits for a subscription: a message of this process, or what
// came in one NATS message.
type delivery struct {
	subject, reply string
	data           []byte
	remote         bool // data may be a pack
}

// batch is what came for a subscription while it was busy.
type batch struct {
	list  []delivery
	chunk []byte // what of the data of this process's messages was copied last
}

func (q *batch) add(d delivery) {
	if !d.remote {
		d.data = q.copy(d.data)
	}
	q.list = append(q.list, d)
}

// copy makes a copy that lives as long as the batch is not used again.
func (q *batch) copy(data []byte) []byte {
	if len(q.chunk)+len(data) > cap(q.chunk) {
		size := max(firstChunk, min(2*cap(q.chunk), chunkBytes), len(data))
		q.chunk = make([]byte, 0, size) // what is in the old one stays where it is
	}
	start := len(q.chunk)
	q.chunk = append(q.chunk, data...)
	return q.chunk[start:len(q.chunk):len(q.chunk)]
}

// batches are those that nobody uses, so that a subscription that is idle holds
// none.
type batches struct{ pool sync.Pool }

func (b *batches) get() *batch {
	if q, ok := b.pool.Get().(*batch); ok {
		return q
	}
	return new(batch)
}

// put takes back a batch whose messages nobody reads any more.
func (b *batches) put(q *batch) {
	if cap(q.list) > keptMessages || cap(q.chunk) > chunkBytes {
		return
	}
	clear(q.list)
	q.list, q.chunk = q.list[:0], q.chunk[:0]
	b.pool.Put(q)
}
