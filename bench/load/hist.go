package load

import (
	"math/bits"
	"time"
)

// Hist is a histogram of durations with buckets of at most 1.6 % of their value,
// from nanoseconds to hours. Its zero value is empty. It is not safe for
// concurrent use.
type Hist struct {
	buckets [64 << subBits]uint64
	count   uint64
	max     int64
}

// subBits says how many buckets there are to each power of two, and so how exact
// a quantile is.
const subBits = 6

// Add counts one duration; a negative one counts as 0.
func (h *Hist) Add(ns int64) {
	ns = max(ns, 0)
	h.buckets[bucketOf(uint64(ns))]++
	h.count++
	h.max = max(h.max, ns)
}

func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// highest is the largest value that falls into a bucket.
func highest(bucket int) uint64 {
	if bucket < 2<<subBits {
		return uint64(bucket)
	}
	shift := bucket>>subBits - 1
	mantissa := uint64(bucket - shift<<subBits)
	return (mantissa+1)<<shift - 1
}

// Count is how many durations were counted.
func (h *Hist) Count() uint64 { return h.count }

// Max is the largest; 0 where there are none.
func (h *Hist) Max() time.Duration { return time.Duration(h.max) }

// Quantile is the duration that a share q (0 to 1) of all does not exceed; 0 where
// there are none.
func (h *Hist) Quantile(q float64) time.Duration {
	want := uint64(q * float64(h.count))
	var seen uint64
	for i, n := range h.buckets {
		seen += n
		if n > 0 && seen > want || seen == h.count && h.count > 0 {
			return time.Duration(min(highest(i), uint64(h.max)))
		}
	}
	return 0
}

// Merge adds what another counted.
func (h *Hist) Merge(o *Hist) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.count += o.count
	h.max = max(h.max, o.max)
}

// Reset empties it.
func (h *Hist) Reset() { *h = Hist{} }
