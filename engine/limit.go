package engine

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/parley-chat/parley"
)

// limiters are the token buckets of design.md section 11, one of each sort per
// principal. A principal who is forgotten (see recent) begins with a full one.
type limiters struct {
	bounds   parley.Limits
	messages *recent[principalKey, *rate.Limiter]
	typing   *recent[principalKey, *rate.Limiter]
	publish  *recent[principalKey, *rate.Limiter]
}

func newLimiters(bounds parley.Limits) limiters {
	bucket := func() *recent[principalKey, *rate.Limiter] {
		return newRecent[principalKey, *rate.Limiter](cacheSize)
	}
	return limiters{bounds, bucket(), bucket(), bucket()}
}

// message takes a token for a message of p's.
func (l *limiters) message(p *parley.Principal, now time.Time) error {
	return take(l.messages, p, now, rate.Limit(l.bounds.MessagesPerSecond), l.bounds.MessagesBurst)
}

// typed takes one for a typing command; they are as many as messages may be.
func (l *limiters) typed(p *parley.Principal, now time.Time) error {
	return take(l.typing, p, now, rate.Limit(l.bounds.MessagesPerSecond), l.bounds.MessagesBurst)
}

// published takes one for a publish; services have their own number.
func (l *limiters) published(p *parley.Principal, now time.Time) error {
	perMinute := l.bounds.PublishesPerMinute
	if p.Kind == parley.KindService {
		perMinute = l.bounds.ServicePublishes
	}
	return take(l.publish, p, now, rate.Limit(perMinute)/60, perMinute)
}

// take takes a token of p's. Who lives in this process has no limit: an agent
// speaks with everybody at once.
func take(buckets *recent[principalKey, *rate.Limiter], p *parley.Principal, now time.Time, limit rate.Limit, burst int) error {
	if p.Class == parley.ClassInternal {
		return nil
	}
	bucket, _ := buckets.get(keyOf(p), func() *rate.Limiter { return rate.NewLimiter(limit, burst) })
	r := bucket.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	return &parley.Error{
		Code: parley.CodeRateLimited, Message: "too many requests; try again later",
		RetryAfter: wait.Round(time.Millisecond),
	}
}
