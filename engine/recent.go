package engine

import "sync"

// cacheSize is how many principals are remembered at least: whose names are
// stored, and how fast each may go on.
const cacheSize = 1 << 14

// recent is a bounded map that keeps at least the last max keys that were used,
// at most twice as many: two generations, the older of which is dropped when the
// younger is full. It may be used concurrently.
type recent[K comparable, V any] struct {
	max int

	mu         sync.Mutex
	young, old map[K]V
}

func newRecent[K comparable, V any](max int) *recent[K, V] {
	return &recent[K, V]{max: max, young: map[K]V{}}
}

// get returns the value of a key; where there is none and make is not nil, the
// one it makes, which is kept. make must not block.
func (r *recent[K, V]) get(k K, make func() V) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.young[k]
	if ok {
		return v, true
	}
	v, ok = r.old[k]
	if !ok {
		if make == nil {
			return v, false
		}
		v = make()
	}
	r.add(k, v)
	return v, true
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(k, v)
}

func (r *recent[K, V]) add(k K, v V) {
	if len(r.young) >= r.max {
		r.old, r.young = r.young, map[K]V{}
	}
	r.young[k] = v
}
