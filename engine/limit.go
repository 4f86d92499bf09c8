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
	changes  *recent[principalKey, *rate.Limiter]
	streams  *recent[principalKey, *rate.Limiter]
}

func newLimiters(bounds parley.Limits) limiters {
	bucket := func() *recent[principalKey, *rate.Limiter] {
		return newRecent[principalKey, *rate.Limiter](cacheSize)
	}
	return limiters{bounds, bucket(), bucket(), bucket(), bucket(), bucket()}
}

// message takes tokens for n messages of p's, or none.
func (l *limiters) message(p *parley.Principal, now time.Time, n int) error {
	return take(l.messages, p, now, rate.Limit(l.bounds.MessagesPerSecond), l.bounds.MessagesBurst, n)
}

// changed takes one for whatever else p changes: reactions, receipts, mutes. They
// are as many as messages may be, and take nothing from those.
func (l *limiters) changed(p *parley.Principal, now time.Time) error {
	return take(l.changes, p, now, rate.Limit(l.bounds.MessagesPerSecond), l.bounds.MessagesBurst, 1)
}

// streamed takes one for a piece of a task's text; whoever has more of them than
// messages may be tells more at a time.
func (l *limiters) streamed(p *parley.Principal, now time.Time) error {
	return take(l.streams, p, now, rate.Limit(l.bounds.MessagesPerSecond), l.bounds.MessagesBurst, 1)
}

// typed takes one for a typing command; they are as many as messages may be.
func (l *limiters) typed(p *parley.Principal, now time.Time) error {
	return take(l.typing, p, now, rate.Limit(l.bounds.MessagesPerSecond), l.bounds.MessagesBurst, 1)
}

// published takes one for a publish; services have their own number.
func (l *limiters) published(p *parley.Principal, now time.Time) error {
	perMinute := l.bounds.PublishesPerMinute
	if p.Kind == parley.KindService {
		perMinute = l.bounds.ServicePublishes
	}
	return take(l.publish, p, now, rate.Limit(perMinute)/60, perMinute, 1)
}

// take takes n tokens of p's, or none. Who lives in this process has no limit: an
// agent speaks with everybody at once.
func take(buckets *recent[principalKey, *rate.Limiter], p *parley.Principal, now time.Time, limit rate.Limit, burst, n int) error {
	if p.Class == parley.ClassInternal {
		return nil
	}
	bucket, _ := buckets.get(keyOf(p), func() *rate.Limiter { return rate.NewLimiter(limit, burst) })
	r := bucket.ReserveN(now, n)
	if !r.OK() {
		return parley.Errorf(parley.CodeRateLimited, "at most %d are taken at once", burst)
	}
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
