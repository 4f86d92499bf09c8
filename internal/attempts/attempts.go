// Package attempts slows down those who fail.
package attempts

import (
	"sync"
	"time"
)

// Max is how many keys a Limiter remembers at most, which bounds its memory to
// about 1 MB.
const Max = 16384

// Limiter is a token bucket of failures for each key. It may be used concurrently.
type Limiter[K comparable] struct {
	rate float64 // failures a second
	most float64 // at once

	mu      sync.Mutex
	buckets map[K]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// New makes a Limiter that allows most failures at once, and then one each time
// every has passed. Both must be positive.
func New[K comparable](every time.Duration, most int) *Limiter[K] {
	return &Limiter[K]{rate: float64(time.Second) / float64(every), most: float64(most), buckets: map[K]bucket{}}
}

// Allow reports whether a key may be tried now; if not, wait says when it may. It
// takes nothing: those who succeed are never slowed down.
func (l *Limiter[K]) Allow(key K, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left(key, now)
	if left >= 1 {
		return 0, true
	}
	return time.Duration((1 - left) / l.rate * float64(time.Second)), false
}

// Failed counts one failure.
func (l *Limiter[K]) Failed(key K, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left(key, now)
	if _, ok := l.buckets[key]; !ok && len(l.buckets) >= Max {
		l.makeRoom(now)
	}
	// Those who were let in together may fail together: a debt of one bucket, no
	// more, or they would be locked out for long.
	l.buckets[key] = bucket{max(left-1, -l.most), now}
}

// Len is how many keys are remembered.
func (l *Limiter[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets)
}

func (l *Limiter[K]) left(key K, now time.Time) float64 {
	b, ok := l.buckets[key]
	if !ok {
		return l.most
	}
	return min(l.most, b.left+now.Sub(b.at).Seconds()*l.rate)
}

// makeRoom forgets the buckets that are full again, which is what an unknown key
// has too, and where all are in use a few at random.
func (l *Limiter[K]) makeRoom(now time.Time) {
	for key := range l.buckets {
		if l.left(key, now) >= l.most {
			delete(l.buckets, key)
		}
	}
	for key := range l.buckets {
		if len(l.buckets) < Max-Max/64 { // not again for the next one
			return
		}
		delete(l.buckets, key)
	}
}
