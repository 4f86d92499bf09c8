package natsbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/parley-chat/parley"
)

// A stored batch is one byte of version and then, for each record, the run's id
// (16 bytes), the length of the event (uvarint) and the event. A reader that
// wants one run skips the others without looking at them.
const batchVersion = 1

const idLen = len(parley.RunID{})

var errBadBatch = errors.New("natsbus: not a batch of run records")

// encodedLen is how many bytes a record takes in a batch.
func encodedLen(r parley.RunRecord) int {
	var b [binary.MaxVarintLen64]byte
	return idLen + binary.PutUvarint(b[:], uint64(len(r.Event))) + len(r.Event)
}

// encodeBatches writes records into as few batches of at most most bytes each as
// their order allows. ErrTooLarge where a single record does not fit.
func encodeBatches(records []parley.RunRecord, most int) ([][]byte, error) {
	var done [][]byte
	var batch []byte
	for i, r := range records {
		n := encodedLen(r)
		if 1+n > most {
			return nil, fmt.Errorf("%w: a record of %d bytes of %s", ErrTooLarge, len(r.Event), r.Run)
		}
		if batch != nil && len(batch)+n > most {
			done, batch = append(done, batch), nil
		}
		if batch == nil {
			batch = newBatch(records[i:], most)
		}
		batch = append(batch, r.Run[:]...)
		batch = binary.AppendUvarint(batch, uint64(len(r.Event)))
		batch = append(batch, r.Event...)
	}
	if batch != nil {
		done = append(done, batch)
	}
	return done, nil
}

// newBatch begins a batch with room for what will fit of records.
func newBatch(records []parley.RunRecord, most int) []byte {
	size := 1
	for _, r := range records {
		if size += encodedLen(r); size >= most {
			size = most
			break
		}
	}
	return append(make([]byte, 0, size), batchVersion)
}

// recordsOf lists the records of one run within a batch. The events lie within
// data. errBadBatch ends the list where data is damaged or of a later version.
func recordsOf(data []byte, run parley.RunID) iter.Seq2[parley.RunRecord, error] {
	return func(yield func(parley.RunRecord, error) bool) {
		if len(data) == 0 || data[0] != batchVersion {
			yield(parley.RunRecord{}, errBadBatch)
			return
		}
		for rest := data[1:]; len(rest) > 0; {
			if len(rest) < idLen {
				yield(parley.RunRecord{}, errBadBatch)
				return
			}
			id := parley.RunID(rest[:idLen])
			size, n := binary.Uvarint(rest[idLen:])
			if n <= 0 || size > uint64(len(rest)-idLen-n) {
				yield(parley.RunRecord{}, errBadBatch)
				return
			}
			start, end := idLen+n, idLen+n+int(size)
			if id == run && !yield(parley.RunRecord{Run: id, Event: rest[start:end:end]}, nil) {
				return
			}
			rest = rest[end:]
		}
	}
}
