package conn

import (
	"context"
	"sync"
	"time"
)

// patience is the context of one command: it ends commandTimeout after somebody
// first asked for its end. Most commands are carried out without waiting for
// anything, and for them no timer is set.
type patience struct {
	parent context.Context

	mu     sync.Mutex
	ctx    context.Context // nil until somebody has asked
	cancel context.CancelFunc
	ended  bool
}

var _ context.Context = (*patience)(nil)

// real is the context with the timer.
func (p *patience) real() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil {
		p.ctx, p.cancel = context.WithTimeout(p.parent, commandTimeout)
		if p.ended {
			p.cancel()
		}
	}
	return p.ctx
}

func (p *patience) Deadline() (time.Time, bool) { return p.real().Deadline() }
func (p *patience) Done() <-chan struct{}       { return p.real().Done() }

// Err does not begin the wait: who never asked for the end has not waited.
func (p *patience) Err() error {
	p.mu.Lock()
	ctx, ended := p.ctx, p.ended
	p.mu.Unlock()
	switch {
	case ctx != nil:
		return ctx.Err()
	case ended:
		return context.Canceled
	}
	return p.parent.Err()
}

func (p *patience) Value(key any) any { return p.real().Value(key) }

// end ends the context; whoever still holds it is told so.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended = true; p.cancel != nil {
		p.cancel()
	}
}
