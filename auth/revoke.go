package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley"
)

const (
	pollInterval = 500 * time.Millisecond // between two looks at the store's revocations
	pollTimeout  = 2 * time.Second        // for one look
	freshFor     = 5 * time.Second        // how long what a node knows is worth something
	// pollOverlap is how far each look reaches back before the one before it: the
	// clocks of those who revoke differ, and a revocation is stamped before it is
	// committed.
	pollOverlap = 5 * time.Minute
	// listInterval is between two looks at all revocations ever: a clock may be wrong
	// by more than pollOverlap.
	listInterval = time.Minute
)

// credential names one thing that can be revoked.
type credential struct {
	org parley.OrgID
	id  string
}

func credentialOf(p *parley.Principal) credential { return credential{p.Org, p.Credential} }

type listener struct {
	fn func(parley.OrgID, string)
}

// OnRevoke has fn called once for each credential that is revoked from now on,
// until the returned function is called. fn must not block: it runs on the
// goroutine that noticed, with no lock held. A Conn that registered itself asks
// Revoked once more afterwards, for the revocation that came between.
func (a *Authenticator) OnRevoke(fn func(org parley.OrgID, credential string)) (cancel func()) {
	l := &listener{fn}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listeners[l] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.listeners, l)
	}
}

// Revoked reports whether a credential was revoked, as far as this node knows.
// A token without one cannot be revoked.
func (a *Authenticator) Revoked(org parley.OrgID, id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, revoked := a.revoked[credential{org, id}]
	return id != "" && revoked
}

// Revoke withdraws a credential: it is stored, and in effect on this node at
// once. Other nodes learn of it over the bus (see Share) or by their poll. It is
// forgotten some minutes after until, when all tokens that carry it have expired;
// zero: never.
func (a *Authenticator) Revoke(ctx context.Context, org parley.OrgID, id string, until time.Time) error {
	r := parley.Revocation{Org: org, Credential: id, At: time.Now().UTC(), Until: until}
	if err := a.store.Revoke(ctx, r); err != nil {
		return fmt.Errorf("revoke credential: %w", err)
	}
	a.Apply(r)
	a.tell()
	return nil
}

// Apply puts revocations into effect on this node, whoever told of them. What is
// in effect already is not told again. A revocation is in effect from the moment
// it is known: its time is another node's clock's.
func (a *Authenticator) Apply(list ...parley.Revocation) {
	gone, listeners := a.note(list)
	for _, c := range gone {
		a.cache.drop(c)
		for _, l := range listeners {
			l.fn(c.org, c.id)
		}
	}
}

func (a *Authenticator) note(list []parley.Revocation) (gone []credential, listeners []*listener) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range list {
		c := credential{r.Org, r.Credential}
		if _, known := a.revoked[c]; known || r.Credential == "" || ended(r.Until, now) {
			continue
		}
		a.revoked[c] = r.Until
		gone = append(gone, c)
		// Of all that ever was revoked, which the first look brings, others know what
		// is old.
		if a.known.Load() != nil || now.Sub(r.At) < pollOverlap {
			a.news = append(a.news, news{r, now})
		}
	}
	for l := range a.listeners {
		listeners = append(listeners, l)
	}
	return gone, listeners
}

// ended reports whether what carries a revoked credential has expired by any clock:
// those of who revoked it and of who issued it may be wrong.
func ended(until, now time.Time) bool {
	return !until.IsZero() && now.Sub(until) > pollOverlap
}

// forget lets go of the revocations that have ended. Under mu.
func (a *Authenticator) forget(now time.Time) {
	for c, until := range a.revoked {
		if ended(until, now) {
			delete(a.revoked, c)
		}
	}
}

// Watch looks for revocations each 500 ms until ctx ends; a store that does not
// answer is asked again.
func (a *Authenticator) Watch(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		a.polling.Lock()
		err := a.poll(ctx)
		a.polling.Unlock()
		if ctx.Err() != nil {
			return
		}
		a.report(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Fresh reports whether this node knows what was revoked up to 5 s ago, from the
// store or from the other nodes. One that does not stops delivering (P6). It takes
// no lock.
func (a *Authenticator) Fresh() bool {
	known := a.known.Load()
	return known != nil && time.Since(*known) <= freshFor
}

// knows notes that all that was revoked up to a time is known. Under mu.
func (a *Authenticator) knows(upTo time.Time) {
	if known := a.known.Load(); known == nil || known.Before(upTo) {
		a.known.Store(&upTo)
	}
}

// refresh makes sure that the revocations are fresh. Callers that find them old
// wait for one poll between them, and for half a second believe what it said.
func (a *Authenticator) refresh(ctx context.Context) error {
	if a.Fresh() {
		return nil
	}
	a.polling.Lock()
	defer a.polling.Unlock()
	if a.Fresh() {
		return nil
	}
	a.mu.Lock()
	failed, failure := a.failed, a.failure
	a.mu.Unlock()
	if failure != nil && time.Since(failed) < pollInterval {
		return failure
	}
	// What one poll says is for all who wait: a caller that hangs up must not fail
	// the others.
	return a.poll(context.WithoutCancel(ctx))
}

// poll asks the store once; a.polling is held.
func (a *Authenticator) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	began := time.Now()
	a.mu.Lock()
	var since time.Time // at first, and now and then, everything ever
	whole := a.polled.IsZero() || began.Sub(a.listed) >= listInterval
	if !whole {
		since = a.polled.Add(-pollOverlap)
	}
	a.mu.Unlock()
	list, err := a.store.Revocations(ctx, since.Round(0))
	if err != nil {
		err = fmt.Errorf("read revocations: %w", err)
		a.mu.Lock()
		a.failed, a.failure = time.Now(), err
		a.mu.Unlock()
		return err
	}
	a.Apply(list...)
	a.mu.Lock()
	a.polled, a.failure = began, nil
	a.knows(began)
	if whole {
		a.listed = began
		a.forget(began)
	}
	a.mu.Unlock()
	a.tell()
	return nil
}

// report tells the log when the store stops answering and when it does again;
// only Watch calls it.
func (a *Authenticator) report(err error) {
	if down := err != nil; down != a.down {
		a.down = down
		if down {
			a.log.Warn("revocations cannot be read", "error", err)
		} else {
			a.log.Info("revocations can be read again")
		}
	}
}
