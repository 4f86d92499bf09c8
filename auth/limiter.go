package auth

import (
	"net/netip"
	"time"

	"github.com/parley-chat/parley/internal/attempts"
	"github.com/parley-chat/parley/internal/webreq"
)

// FailureLimiter slows down those who guess: a token bucket of failed
// authentications for each address, IPv6 by /64. It may be used concurrently, and
// its memory is bounded to about 1 MB.
//
//	if wait, ok := l.Allow(ip); !ok { refuse with 429 and wait }
//	if _, err := a.Authenticate(ctx, token); err is CodeUnauthenticated { l.Failed(ip) }
type FailureLimiter struct {
	networks *attempts.Limiter[netip.Prefix]
}

// NewFailureLimiter makes one that allows perSecond failures from each address.
// It panics unless perSecond is positive: the configuration has checked that.
func NewFailureLimiter(perSecond int) *FailureLimiter {
	if perSecond <= 0 {
		panic("auth: the limit of failed authentications must be positive")
	}
	return &FailureLimiter{attempts.New[netip.Prefix](max(time.Second/time.Duration(perSecond), 1), perSecond)}
}

// Allow reports whether an address may try now; if not, wait says when it may.
// It takes nothing: those who succeed are never slowed down.
func (l *FailureLimiter) Allow(ip netip.Addr) (wait time.Duration, ok bool) {
	return l.networks.Allow(webreq.Network(ip), time.Now())
}

// Failed counts one failure of an address.
func (l *FailureLimiter) Failed(ip netip.Addr) { l.networks.Failed(webreq.Network(ip), time.Now()) }
