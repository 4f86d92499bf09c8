package conn

import (
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

const (
	// namesPerSecond is how many names (conversations, runs, patterns) one principal
	// may ask to hear, over all its Conns: each may cost a look into the store.
	namesPerSecond = 2000
	// maxBudgets is how many principals are remembered before those are looked for
	// that need not be: most buckets are full again before the next one asks.
	maxBudgets = 256
)

// budgets are token buckets of names, one for each principal that has asked
// lately. Safe for concurrent use.
type budgets struct {
	burst float64 // names at once: what one Conn may hold, or a second's worth

	mu   sync.Mutex
	left map[person]budget
	// sweep is the size at which those that are full again are looked for.
	sweep int
}

type person struct {
	org parley.OrgID
	id  parley.PrincipalID
}

type budget struct {
	left float64
	at   time.Time
}

func newBudgets(limits *parley.Limits) *budgets {
	return &budgets{
		burst: max(float64(limits.Subscriptions), namesPerSecond), left: map[person]budget{}, sweep: maxBudgets,
	}
}

// spend takes n names from a principal's bucket, or none of them: wait then says
// when there will be enough.
func (b *budgets) spend(p *parley.Principal, n int, now time.Time) (wait time.Duration) {
	key := person{p.Org, p.ID}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.at(key, now) - float64(n)
	if left < 0 {
		return time.Duration(-left / namesPerSecond * float64(time.Second))
	}
	if len(b.left) >= b.sweep {
		b.forget(now)
	}
	b.left[key] = budget{left, now}
	return 0
}

// at is what a bucket holds. Under mu.
func (b *budgets) at(key person, now time.Time) float64 {
	have, ok := b.left[key]
	if !ok {
		return b.burst
	}
	return min(b.burst, have.left+now.Sub(have.at).Seconds()*namesPerSecond)
}

// forget lets go of the buckets that are full, which is what an unknown principal
// has too. A table does not shrink: who is left moves to another. Under mu.
func (b *budgets) forget(now time.Time) {
	left := map[person]budget{}
	for key, have := range b.left {
		if b.at(key, now) < b.burst {
			left[key] = have
		}
	}
	b.left = left
	b.sweep = max(maxBudgets, 2*len(left)) // not again for each that comes
}

// spend counts names that a command asks for against the Conn's principal.
func (c *Conn) spend(names int) error {
	wait := c.srv.budgets.spend(c.principal.Load(), names, time.Now())
	if wait == 0 {
		return nil
	}
	return &parley.Error{Code: parley.CodeRateLimited, Message: "too many subscriptions in a short time", RetryAfter: wait}
}
