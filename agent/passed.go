package agent

import (
	"sync"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/relay"
)

// passed are the stretches of the logs that were heard on the bus and ask nothing
// of any agent: what customers publish is told by the thousand, and need not be
// read again from the store to be passed over. It may be used concurrently.
type passed struct {
	mu   sync.Mutex
	orgs map[parley.OrgID]stretch
}

// stretch is a part of a log without a hole, both ends inclusive.
type stretch struct{ from, to parley.Position }

// hear takes in what came on the bus. It reports whether an agent may have to do
// with it: what happens in conversations, and what cannot be told.
func (p *passed) hear(data []byte) bool {
	h, ok := relay.Peek(data)
	if !ok {
		return true
	}
	if spec, builtIn := parley.SpecOf(h.Type); builtIn && spec.Scope != parley.ChannelScope {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.orgs == nil {
		p.orgs = map[parley.OrgID]stretch{}
	}
	s, known := p.orgs[h.Org]
	if !known || h.Position.Epoch != s.to.Epoch || h.Position.Offset != s.to.Offset+1 {
		s.from = h.Position
	}
	s.to = h.Position
	p.orgs[h.Org] = s
	return false
}

// after returns how far an org's log needs no reading from at on: at itself where
// that is not known. What is not of the head's epoch was told by another store,
// or by this one before it was restored.
func (p *passed) after(org parley.OrgID, at, head parley.Position) parley.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, known := p.orgs[org]
	if known && s.from.Offset <= at.Offset+1 && at.Offset < s.to.Offset && s.to.Offset <= head.Offset && s.to.Epoch == head.Epoch {
		return s.to
	}
	return at
}
