package natsbus

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-chat/parley"
)

// Whatever is encoded comes back run by run, in order, in batches that keep to
// the limit.
func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 300
		var records []parley.RunRecord
		byRun := map[parley.RunID][]string{}
		for range rapid.IntRange(0, 40).Draw(t, "records") {
			run := parley.RunID{rapid.ByteRange(1, 4).Draw(t, "run")}
			event := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "event")
			records = append(records, parley.RunRecord{Run: run, Event: event})
			byRun[run] = append(byRun[run], string(event))
		}
		batches, err := encodeBatches(records, most)
		if err != nil {
			t.Fatal(err)
		}
		for run, want := range byRun {
			var got []string
			for _, batch := range batches {
				if len(batch) > most || len(batch) != cap(batch) && len(batches) == 1 {
					t.Fatalf("a batch of %d bytes, room for %d", len(batch), cap(batch))
				}
				for rec, err := range recordsOf(batch, run) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, string(rec.Event))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s reads %q, want %q", run, got, want)
			}
		}
	})
}

func TestBatchTooLarge(t *testing.T) {
	event := make([]byte, 100)
	if _, err := encodeBatches([]parley.RunRecord{{Event: event}}, 1+idLen+1+len(event)); err != nil {
		t.Errorf("a record that just fits: %v", err)
	}
	if _, err := encodeBatches([]parley.RunRecord{{Event: event}}, idLen+1+len(event)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record one byte too large: %v", err)
	}
}

// Damaged bytes are an error or other records, never a panic.
func FuzzRecordsOf(f *testing.F) {
	whole, err := encodeBatches([]parley.RunRecord{{Run: parley.RunID{1}, Event: []byte("one")}, {Run: parley.RunID{2}}}, 1000)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[0])
	f.Add(whole[0][:len(whole[0])-1])
	f.Add([]byte{})
	f.Add([]byte{batchVersion})
	f.Add([]byte{batchVersion + 1})
	f.Add(append(bytes.Repeat([]byte{batchVersion}, 1+idLen), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01))
	f.Fuzz(func(t *testing.T, data []byte) {
		size := 0
		for rec, err := range recordsOf(data, parley.RunID{1}) {
			if err != nil {
				return
			}
			size += encodedLen(rec)
		}
		if size >= max(1, len(data)) {
			t.Errorf("%d bytes of records within %d", size, len(data))
		}
	})
}

func TestDamagedBatchIsAnError(t *testing.T) {
	whole, err := encodeBatches([]parley.RunRecord{{Run: parley.RunID{1}, Event: []byte("one")}}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole[0] {
		if n == 1 {
			continue // a batch without records
		}
		var last error
		for _, err := range recordsOf(whole[0][:n], parley.RunID{1}) {
			last = err
		}
		if !errors.Is(last, errBadBatch) {
			t.Errorf("the first %d bytes: %v", n, last)
		}
	}
}
