package hub

import parley "github.com/parley-chat/parley"

// What somebody says whom the client's principal blocks is decided by what is known
// of blocks when it is told, which the model knows only so far.

// lastBlocking is the last change of the client's block of somebody; nil for none.
func (c *client) lastBlocking(who parley.PrincipalID) (last *fact) {
	for _, f := range c.sim.blockings {
		if f.event.Targets[0] == c.who.ID && f.event.Body.(*parley.BlockBody).Blocked == who {
			last = f
		}
	}
	return last
}

// surelyHears reports whether what somebody said at an offset cannot have been kept
// from the client: it was no longer blocked by then, nor has been since.
func (c *client) surelyHears(who parley.PrincipalID, offset uint64) bool {
	last := c.lastBlocking(who)
	if last == nil {
		return true
	}
	at := last.event.Position.Offset
	return last.event.Type == parley.PrincipalUnblocked && at > 0 && at < offset
}

// checkBlocked fails where the client hears what is surely kept from it: what was
// said after the block, or anything where the connection began with it. Offset 0 is
// of what is not stored.
func (c *client) checkBlocked(who parley.PrincipalID, offset uint64, what string) {
	last := c.lastBlocking(who)
	if last == nil || last.event.Type != parley.PrincipalBlocked || last.event.Position.Offset == 0 {
		return
	}
	if at := last.event.Position.Offset; at < offset || at <= c.nodeAt {
		c.sim.fatalf("%s (%s) hears %s of %s, offset %d, whom it blocks since %d; its connection began at %d",
			c.name, c.who.ID, what, who, offset, at, c.nodeAt)
	}
}
