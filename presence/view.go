package presence

import (
	"sync"
	"time"

	"github.com/parley-chat/parley"
)

// view is what the roster says: who is on which page of which node. It is held for
// everybody who is online anywhere, so it holds each name once.
type view struct {
	mu     sync.RWMutex
	pages  map[string]map[*seen]struct{}                 // none is empty
	online map[parley.OrgID]map[parley.PrincipalID]*seen // none is empty
	number int                                           // of those online, over all orgs
}

// find returns who is online; nil for others. mu is held.
func (v *view) find(k who) *seen { return v.online[k.org][k.id] }

func (v *view) add(x *seen) {
	org := v.online[x.org]
	if org == nil {
		org = map[parley.PrincipalID]*seen{}
		v.online[x.org] = org
	}
	org[x.id] = x
	v.number++
}

func (v *view) remove(x *seen) {
	delete(v.online[x.org], x.id)
	if len(v.online[x.org]) == 0 {
		delete(v.online, x.org)
	}
	v.number--
}

// seen is somebody who is online.
type seen struct {
	who
	agent bool
	pages int32  // that hold it, never 0
	heard *heard // nil while it has said nothing
}

// heard is the latest that somebody said, and when this node heard it.
type heard struct {
	word
	at time.Time
}

func (x *seen) word() word {
	if x.heard == nil {
		return word{}
	}
	return x.heard.word
}

// hear takes in what an entry says of it and reports whether that tells something
// else than before.
func (x *seen) hear(m *member, now time.Time) (news bool) {
	w, before := m.word(), x.word()
	if !w.after(before) {
		return false
	}
	x.heard = &heard{w, now}
	return !w.same(before)
}

func (x *seen) kind() parley.PrincipalKind {
	if x.agent {
		return parley.KindAgent
	}
	return parley.KindUser
}

// change is that a principal came online, said something or went offline.
type change struct {
	who
	kind   parley.PrincipalKind
	online bool
	word   word // what it says; of who went, what it said last
	at     time.Time
}

func (c *change) status() (status parley.PresenceStatus, detail string) {
	switch {
	case !c.online:
		return parley.PresenceOffline, ""
	case c.word.said == 0:
		return parley.PresenceOnline, ""
	}
	return c.word.status, c.word.detail
}

func (v *view) init() {
	v.pages, v.online = map[string]map[*seen]struct{}{}, map[parley.OrgID]map[parley.PrincipalID]*seen{}
}

// apply takes an entry in and returns what changed by it.
func (v *view) apply(name string, whole bool, e *entry, now time.Time) (changes []change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	page := v.pages[name]
	if page == nil {
		page = make(map[*seen]struct{}, len(e.On))
	}
	goes := func(x *seen) {
		if _, there := page[x]; !there {
			return
		}
		delete(page, x)
		if x.pages--; x.pages == 0 {
			v.remove(x)
			changes = append(changes, change{x.who, x.kind(), false, x.word(), now})
		}
	}
	if whole {
		stays := make(map[*seen]struct{}, len(e.On))
		for i := range e.On {
			stays[v.find(e.On[i].who())] = struct{}{}
		}
		for x := range page {
			if _, ok := stays[x]; !ok {
				goes(x)
			}
		}
	}
	for i := range e.Off {
		goes(v.find(e.Off[i].who()))
	}
	for i := range e.On {
		k := e.On[i].who()
		x := v.find(k)
		if x == nil {
			x = &seen{who: k, agent: e.On[i].kind() == parley.KindAgent}
			v.add(x)
			x.hear(&e.On[i], now)
			changes = append(changes, change{k, x.kind(), true, x.word(), now})
		} else if x.hear(&e.On[i], now) {
			changes = append(changes, change{k, x.kind(), true, x.word(), now})
		}
		if _, there := page[x]; !there {
			page[x] = struct{}{}
			x.pages++
		}
	}
	for i := range e.Words { // whoever is offline is, whatever it said
		if x := v.find(e.Words[i].who()); x != nil && x.hear(&e.Words[i], now) {
			changes = append(changes, change{x.who, x.kind(), true, x.word(), now})
		}
	}
	if len(page) == 0 {
		delete(v.pages, name)
	} else {
		v.pages[name] = page
	}
	return changes
}

// look tells whether somebody is online, and what it says and since when this node
// knows.
func (v *view) look(k who) (online bool, h heard) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	x := v.find(k)
	if x != nil && x.heard != nil {
		h = *x.heard
	}
	return x != nil, h
}

func (v *view) has(k who) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.find(k) != nil
}

func (v *view) len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.number
}

// count is how many of an org are online.
func (v *view) count(org parley.OrgID) int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.online[org])
}

// others lists those of an org who are online and not met.
func (v *view) others(org parley.OrgID, met map[parley.PrincipalID]struct{}) (list []parley.PrincipalID) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for id := range v.online[org] {
		if _, ok := met[id]; !ok {
			list = append(list, id)
		}
	}
	return list
}

// nodes lists the pages that are not empty by their node.
func (v *view) nodes() map[string][]string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	nodes := map[string][]string{}
	for name := range v.pages {
		node, _ := splitPage(name)
		nodes[node] = append(nodes[node], name)
	}
	return nodes
}
