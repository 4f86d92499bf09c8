package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/parley-chat/parley/internal/webreq"
)

// FailureLimiter slows down those who guess: a token bucket of failed
// authentications for each address, IPv6 by /64. It may be used concurrently.
//
//	if wait, ok := l.Allow(ip); !ok { refuse with 429 and wait }
//	if _, err := a.Authenticate(ctx, token); err is CodeUnauthenticated { l.Failed(ip) }
type FailureLimiter struct {
	rate float64 // failures per second, and how many at once

	mu      sync.Mutex
	buckets map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// maxBuckets bounds the memory of a FailureLimiter to about 1 MB.
const maxBuckets = 16384

// NewFailureLimiter makes one that allows perSecond failures from each address.
// It panics unless perSecond is positive: the configuration has checked that.
func NewFailureLimiter(perSecond int) *FailureLimiter {
	if perSecond <= 0 {
		panic("auth: the limit of failed authentications must be positive")
	}
	return &FailureLimiter{rate: float64(perSecond), buckets: map[netip.Prefix]bucket{}}
}

// Allow reports whether an address may try now; if not, wait says when it may.
// It takes nothing: those who succeed are never slowed down.
func (l *FailureLimiter) Allow(ip netip.Addr) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left(webreq.Network(ip), time.Now())
	if left >= 1 {
		return 0, true
	}
	return time.Duration((1 - left) / l.rate * float64(time.Second)), false
}

// Failed counts one failure of an address.
func (l *FailureLimiter) Failed(ip netip.Addr) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	n := webreq.Network(ip)
	left := l.left(n, now)
	if _, ok := l.buckets[n]; !ok && len(l.buckets) >= maxBuckets {
		l.makeRoom(now)
	}
	// Those who were let in together may fail together: a debt of one bucket, no
	// more, or they would be locked out for long.
	l.buckets[n] = bucket{max(left-1, -l.rate), now}
}

func (l *FailureLimiter) left(n netip.Prefix, now time.Time) float64 {
	b, ok := l.buckets[n]
	if !ok {
		return l.rate
	}
	return min(l.rate, b.left+now.Sub(b.at).Seconds()*l.rate)
}

// makeRoom forgets the buckets that are full again, which is what an unknown
// address has too, and where all are in use a few at random.
func (l *FailureLimiter) makeRoom(now time.Time) {
	for n := range l.buckets {
		if l.left(n, now) >= l.rate {
			delete(l.buckets, n)
		}
	}
	for n := range l.buckets {
		if len(l.buckets) < maxBuckets-maxBuckets/64 { // not again for the next one
			return
		}
		delete(l.buckets, n)
	}
}
