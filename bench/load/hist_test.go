package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistIsWithinItsErrorOfTheExactQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var h Hist
	var exact []int64
	for range 50_000 {
		v := int64(r.ExpFloat64() * float64(time.Millisecond))
		h.Add(v)
		exact = append(exact, v)
	}
	slices.Sort(exact)
	for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
		want := exact[min(int(q*float64(len(exact))), len(exact)-1)]
		got := int64(h.Quantile(q))
		if got < want || float64(got-want) > 0.017*float64(want)+1 {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if h.Count() != 50_000 || int64(h.Max()) != exact[len(exact)-1] {
		t.Errorf("count %d, max %s", h.Count(), h.Max())
	}
}

func TestHistTakesEveryValue(t *testing.T) {
	for shift := range 63 {
		for _, v := range []uint64{1 << shift, 1<<shift - 1, 1<<shift + 1} {
			b := bucketOf(v)
			if v > highest(b) || b > 0 && v <= highest(b-1) {
				t.Fatalf("%d is in bucket %d, which ends at %d", v, b, highest(b))
			}
		}
	}
	var h Hist
	h.Add(-5)
	if h.Quantile(0.5) != 0 || new(Hist).Quantile(0.99) != 0 {
		t.Error("nothing is not 0")
	}
}
